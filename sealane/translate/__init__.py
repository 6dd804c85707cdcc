"""State -> northbound rows. Pure: no I/O, no clock, no randomness."""
