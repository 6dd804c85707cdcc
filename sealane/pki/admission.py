"""Who of another host is let in, and whether a door for other hosts need be open at all: pure."""

from sealane.errors import Unauthorized
from sealane.model import Node, State
from sealane.pki.certificate import Certificate

_AGAIN = "join again with a token of 'sealane token create'"


def wanted(state: State, now: float) -> bool:
    """Whether anybody of another host could come in at `now` (Unix time)."""
    joined = any(node.serials for node in state.nodes.values())
    return joined or any(token.expires_at > now for token in state.tokens.values())


def node_of(peer: Certificate | None, state: State, now: float) -> Node:
    """The node whose certificate this is, a verified one. Raises Unauthorized."""
    if peer is None:
        raise Unauthorized("Only nodes with a certificate may; 'sealane node --join' gets one.")
    if not peer.not_before <= now < peer.not_after:
        raise Unauthorized(
            f"The certificate of node '{peer.name}' has expired or is not valid yet; {_AGAIN}."
        )
    node = next((n for n in state.nodes.values() if n.name == peer.name), None)
    if node is None:
        raise Unauthorized(f"There is no node '{peer.name}' (any more); {_AGAIN}.")
    if peer.serial not in node.serials:
        raise Unauthorized(f"Another certificate has taken the place of this one of '{peer.name}'; {_AGAIN}.")
    return node
