"""The OpenStack Networking API v2.0: HTTP in, changes of the State out."""
