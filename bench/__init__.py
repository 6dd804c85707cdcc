"""The benchmark suite: `make bench`. It measures and reports; it never passes or fails by a time."""
