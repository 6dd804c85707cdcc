"""`sealane trunk`: a port that carries others, each by a VLAN tag of its own."""

from typing import Any

from sealane.cli import creating, fields, noun
from sealane.cli.api import Api, Body
from sealane.cli.complete import names
from sealane.cli.fields import Field, Scope, reference
from sealane.cli.members import Members, changing
from sealane.cli.noun import Filter
from sealane.cli.output import Column
from sealane.errors import BadRequest


def _port(text: str, scope: Scope) -> str:
    return str(scope.api.find("ports", text)["id"])


def _member(text: str, scope: Scope) -> Body:
    """PORT=VLAN, or PORT=inherit."""
    name, _, number = text.rpartition("=")
    if number == "inherit" and name:
        return {"port_id": _port(name, scope), "segmentation_type": "inherit"}
    if not name or not (number.isascii() and number.isdigit() and 1 <= int(number) <= 4094):
        raise ValueError(f"'{text}' is no sub-port; give it as PORT=VLAN, the VLAN from 1 to 4094")
    return {"port_id": _port(name, scope), "segmentation_type": "vlan", "segmentation_id": int(number)}


TRUNK = noun.Noun(
    name="trunk",
    columns=(
        Column("ID", "id"),
        Column("NAME", "name"),
        Column("STATUS", "status"),
        Column("PARENT", "port_id", of="ports"),
        Column("SUB-PORTS", "sub_ports", of="ports"),
        Column("PROJECT", "project_id"),
    ),
    more=(
        Column("UP", "admin_state_up"),
        Column("DESCRIPTION", "description"),
        Column("TAGS", "tags"),
        Column("CREATED", "created_at"),
    ),
    fields=(
        reference(
            *("ports", "--parent", "port_id", "The port whose link carries all."),
            metavar="PORT",
            change=False,
        ),
        Field(
            option="--subport",
            key="sub_ports",
            metavar="PORT=VLAN",
            read=_member,
            many=True,
            lookup=True,
            change=False,
            complete=names("ports"),
            help="A port, and its tag; PORT=inherit: the VLAN of its network. May be given again.",
        ),
        Field(
            option="--enable/--disable", key="admin_state_up", help="Sub-ports may come and go, or may not."
        ),
        fields.DESCRIPTION,
        fields.TAG,
    ),
    filters=(Filter("--parent", "port_id", "Only of this port.", parent="ports"),),
    examples={
        "group": "sealane trunk create uplinks --parent firewall --subport fw-blue=101\n"
        "sealane trunk add uplinks fw-green=102",
        "list": "sealane trunk list",
        "show": "sealane trunk show uplinks",
        "create": "sealane trunk create uplinks --parent firewall --subport fw-blue=101",
        "set": "sealane trunk set uplinks --disable",
        "add": "sealane trunk add uplinks fw-green=102",
        "unset": "sealane trunk unset uplinks --description",
        "delete": "sealane trunk delete uplinks",
        "tag": "sealane trunk tag set uplinks front",
    },
)


def _prepare(client: Api, body: Body, given: dict[str, Any]) -> Body:
    """It is of its parent's project."""
    if not given["parent"]:
        raise BadRequest("--parent: say which port is to carry the others")
    if "project_id" in body:
        return body
    return {**body, "project_id": client.find("ports", given["parent"])["project_id"]}


_CARRIED = Members("sub_ports", _member, "uplinks fw-green=102", "PORT=VLAN")
_FREED = Members("sub_ports", lambda text, scope: {"port_id": _port(text, scope)}, "uplinks fw-green", "PORT")
trunk = noun.group(TRUNK, creating.create(TRUNK, _prepare))
trunk.add_command(changing(TRUNK, _CARRIED, "add", "add_subports", "Add sub-ports."))
trunk.add_command(
    changing(TRUNK, _FREED, "remove", "remove_subports", "Take sub-ports away; they are ports as before.")
)
