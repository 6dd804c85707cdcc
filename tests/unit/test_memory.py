"""The agent's memory survives a restart and a damaged file."""

from pathlib import Path

import pytest

from sealane.agent.attachment import Attachment, Publication, checked
from sealane.agent.memory import DockerNetwork, DockerPool, Memory
from sealane.errors import BadRequest

ONE = Attachment(
    id="ab" * 32,
    door="docker",
    network_id="0f0e0d0c-0000-4000-8000-000000000001",
    port_id="0a0b0c0d-0000-4000-8000-000000000002",
    mac="02:42:0a:00:00:02",
    addresses=("10.0.0.2/24", "fd00::2/64"),
    mtu=1442,
    gateways=("10.0.0.1", "fd00::1"),
    publish=(Publication(protocol="tcp", host_ip="", host_port=8080, port=80),),
)


def test_what_was_put_is_there_after_a_restart(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "deep" / "agent.json")
    memory.put(ONE)
    memory.put_network(DockerNetwork(docker_id="d1", network_id="n1", options={"sealane.mtu": "1400"}))
    memory.put_pool(DockerPool(pool_id="p1", cidr="10.0.0.0/24"))
    memory.put_uplink("n1", 2)
    again = Memory(tmp_path / "deep" / "agent.json")
    assert again.attachments == {ONE.id: ONE}
    assert again.networks == memory.networks
    assert again.pools["p1"].cidr == "10.0.0.0/24"
    assert again.uplinks == {"n1": 2}


def test_what_was_removed_is_gone_and_removing_twice_is_fine(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "agent.json")
    memory.put(ONE)
    memory.remove(ONE.id)
    memory.remove(ONE.id)
    assert not Memory(tmp_path / "agent.json").attachments


@pytest.mark.parametrize("name", ["agent", "attachments"])
@pytest.mark.parametrize("damage", [b"", b"{", b'{"networks":[],"attachments":[]}', b"\xff\xfe"])
def test_a_damaged_file_is_set_aside_and_the_other_kept(tmp_path: Path, name: str, damage: bytes) -> None:
    path = tmp_path / "agent.json"
    before = Memory(path)
    before.put(ONE)
    before.put_pool(DockerPool(pool_id="p1", cidr="10.0.0.0/24"))
    (tmp_path / f"{name}.json").write_bytes(damage)
    memory = Memory(path)
    assert (bool(memory.attachments), bool(memory.pools)) == (name == "agent", name == "attachments")
    assert (tmp_path / f"{name}.damaged").read_bytes() == damage
    memory.put(ONE)
    assert Memory(path).attachments == {ONE.id: ONE}


def test_a_refusing_disk_leaves_the_old_contents(tmp_path: Path) -> None:
    directory = tmp_path / "here"
    memory = Memory(directory / "agent.json")
    directory.write_text("a file where the directory should be")
    with pytest.raises(OSError):
        memory.put(ONE)
    assert not memory.attachments


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "../../etc"},
        {"port_id": "x; reboot"},
        {"network_id": "a/b"},
        {"mac": "02:42"},
        {"mtu": 60},
        {"addresses": ("10.0.0.300/24",)},
        {"gateways": ("nowhere",)},
    ],
)
def test_what_comes_from_outside_is_checked(changes: dict[str, object]) -> None:
    fields = {name: getattr(ONE, name) for name in ONE.__dataclass_fields__} | changes
    with pytest.raises(BadRequest):
        checked(Attachment(**fields))
    assert checked(ONE) is ONE
