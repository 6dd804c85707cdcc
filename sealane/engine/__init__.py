"""The daemons: what runs, where, and who restarts it."""
