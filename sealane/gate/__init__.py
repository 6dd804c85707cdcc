"""The southbound gate: what stands between the nodes of other hosts and OVN's southbound database."""
