"""Long campaigns, too slow for `make test`; `make soak` runs them and keeps what they saw."""
