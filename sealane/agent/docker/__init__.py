"""The Docker door: a network driver and an IPAM driver for dockerd, and what is done around them.

dockerd ── /run/docker/plugins/sealane.sock ──> server.py ──> libnetwork.py, ipam.py
                                                                 │        │
                                         the API <── claims.py, catalog.py, networks.py
docker.sock <── engine.py <── identity.py, mirror.py, collect.py   (never inside a driver's call)
"""
