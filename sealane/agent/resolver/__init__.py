"""Names of containers: a DNS resolver inside each sandbox and on each gateway (docs/decisions/0003)."""
