"""The node agent: a container asks, the host answers."""
