"""Certificates: two authorities, who may be what, tokens, and TLS contexts made of them.

    central-ca ── signs ──> server.pem   the central part's listeners   trusted by: nodes
    node-ca    ── signs ──> node.pem     one for each node, CN = name   trusted by: the central part

Two, so that no node can play the central part.  Only authority.py and request.py import `cryptography`
(60 ms, 13 MiB): daemons that just use certificates do without.
"""
