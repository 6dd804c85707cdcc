"""What is good but for a line feed at its end is not good: `$` of a pattern would let it pass."""

from collections.abc import Callable

import msgspec
import pytest

from sealane.agent import asked, attachment
from sealane.agent.asked import AttachRequest
from sealane.agent.docker import messages as docker
from sealane.errors import BadRequest

ID = "aaaaaaaa-0000-4000-8000-000000000000"
MAC = "02:00:00:00:00:07"


def made(**fields: str) -> attachment.Attachment:
    given = {"id": ID, "door": "netns", "network_id": ID, "port_id": ID, "mac": MAC, **fields}
    return attachment.checked(attachment.Attachment(**given, addresses=(), mtu=1400))  # type: ignore[arg-type]


CHECKS: dict[str, Callable[[str], object]] = {
    "ifname": lambda end: asked.check(AttachRequest(target="web", network="n", ifname="eth0" + end)),
    "mac": lambda end: asked.check(AttachRequest(target="web", network="n", mac=MAC + end)),
    "id": lambda end: made(id=ID + end),
    "port": lambda end: made(port_id=ID + end),
    "attachment's mac": lambda end: made(mac=MAC + end),
    "endpoint": lambda end: docker.decode(
        docker.EndpointRef, msgspec.json.encode({"NetworkID": "ab" + end, "EndpointID": "cd"})
    ),
}


@pytest.mark.parametrize("check", CHECKS.values(), ids=list(CHECKS))
def test_a_line_feed_at_the_end_is_refused(check: Callable[[str], object]) -> None:
    check("")
    with pytest.raises((BadRequest, msgspec.ValidationError, ValueError)):
        check("\n")
