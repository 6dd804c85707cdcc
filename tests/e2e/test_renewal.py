"""Certificates of half a minute: what runs takes the new ones, and nobody notices."""

import time
from pathlib import Path

from sealane.lab.lab import Lab
from sealane.pki import read
from tests import labs
from tests.e2e.overlay import machines
from tests.e2e.overlay.machines import attach

LIFETIME = 24
ROUNDS = 3
"""Certificates that each side is to have had."""


def serial(lab: Lab, host: str, file: str) -> str:
    return read.certificate((lab.host(host).disk / "var/lib/sealane/pki" / file).read_text()).serial


def log(lab: Lab, host: str, part: str) -> str:
    return Path(lab.host(host).disk / f"var/log/sealane/{part}.log").read_text()


def test_certificates_are_renewed_while_all_goes_on() -> None:
    lab = Lab(
        labs.name("renew"),
        hosts=2,
        settings={"certificate_lifetime": LIFETIME, "server_lifetime": LIFETIME},
    )
    lab.down()  # of a run that was killed
    with lab:
        api = machines.api(lab)
        network = str(api.create("networks", {"name": "blue"})["id"])
        api.create("subnets", {"network_id": network, "cidr": "10.44.0.0/24", "ip_version": 4})
        one, two = attach(lab, "host1", "a", network), attach(lab, "host2", "b", network)
        one.soon_reaches(two.addresses[0])
        node, server = set[str](), set[str]()
        end = time.monotonic() + 8 * LIFETIME
        while min(len(node), len(server)) < ROUNDS:
            assert time.monotonic() < end, (node, server)
            node.add(serial(lab, "host2", "node.pem"))
            server.add(serial(lab, "host1", "server.pem"))
            lab.exec("host2", "sealane", "network", "list")
            assert one.still_reaches(two.addresses[0])
            time.sleep(1)  # a request a second is enough to meet every change
        attach(lab, "host2", "c", network).soon_reaches(one.addresses[0])
        assert "the API does not answer" not in log(lab, "host2", "agent")
        assert "could not renew" not in log(lab, "host2", "agent")
