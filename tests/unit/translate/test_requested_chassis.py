"""No chassis may claim a port that is not meant for it."""

from sealane import names
from sealane.config import HOST_NAME
from sealane.model import Network, Port, State
from sealane.translate.memo import Memo
from sealane.translate.ports import rows

NETWORK = Network(id="n1", project_id="p")


def requested(host: str) -> object:
    port = Port(id="p1", project_id="p", network_id="n1", mac_address="0a:00:00:00:00:01", host=host)
    (row,) = rows(State(networks={"n1": NETWORK}, ports={"p1": port}), Memo())
    options = row.columns["options"]
    assert isinstance(options, dict)
    return options["requested-chassis"]


def test_a_port_is_for_its_host_alone() -> None:
    assert requested("host1") == "host1"


def test_a_port_without_host_is_for_nobody_who_can_exist() -> None:
    assert requested("") == names.NOWHERE
    assert not HOST_NAME.fullmatch(names.NOWHERE)
    assert "," not in names.NOWHERE  # would be a list of chassis
