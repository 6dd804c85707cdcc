"""Columns and options of `sealane loadbalancer`, of its listeners, pools and health monitors."""

from typing import Any

from sealane.cli import fields, noun
from sealane.cli.api import Body
from sealane.cli.fields import Field, Scope
from sealane.cli.output import Column

BALANCERS, LISTENERS, POOLS = "lbaas/loadbalancers", "lbaas/listeners", "lbaas/pools"
PROTOCOLS = ("TCP", "UDP", "SCTP")


def persistence(text: str, scope: Scope) -> Body | None:
    """none, source-ip, or source-ip:SECONDS. Raises ValueError."""
    kind, colon, seconds = text.partition(":")
    if text == "none":
        return None
    if kind != "source-ip" or (colon and not seconds.isdigit()):
        raise ValueError(f"'{text}' is none of none, source-ip and source-ip:SECONDS")
    return {"type": "SOURCE_IP", **({"persistence_timeout": int(seconds)} if colon else {})}


def _persistence(shown: Any) -> str:
    if not shown:
        return ""
    timeout = shown["persistence_timeout"]
    return f"source-ip:{timeout}" if timeout else "source-ip"


def _first(rows: Any) -> str:
    return " ".join(row["id"] for row in rows or ())


COMMON = (
    Field(option="--description", key="description", help="A text for people.", empty=""),
    Field(option="--enable/--disable", key="admin_state_up", help="Carry traffic, or none."),
    Field(option="--tag", key="tags", many=True, help="A tag to find it by."),
)
STATES = (Column("STATUS", "operating_status"), Column("PROJECT", "project_id"))
MORE = (
    Column("ADMIN UP", "admin_state_up"),
    Column("TAGS", "tags"),
    Column("CREATED", "created_at"),
    Column("DESCRIPTION", "description"),
)


def _examples(command: str, create: str, change: str) -> dict[str, str]:
    name, _, options = change.partition(" ")
    return {
        "group": f"sealane {command} {create}",
        "list": f"sealane {command} list --long",
        "show": f"sealane {command} show {name}",
        "create": f"sealane {command} {create}",
        "set": f"sealane {command} set {name} {options}",
        "add": f"sealane {command} add {name} --tag front",
        "unset": f"sealane {command} unset {name} --description --tag front",
        "delete": f"sealane {command} delete {name} --wait",
    }


BALANCER = noun.Noun(
    name="loadbalancer",
    path=BALANCERS,
    tagged=False,
    columns=(Column("ID", "id"), Column("NAME", "name"), Column("ADDRESS", "vip_address"), *STATES),
    more=(Column("PORT", "vip_port_id"), *MORE),
    fields=(
        fields.reference("subnets", "--subnet", "vip_subnet_id", "Where its address is from.", change=False),
        fields.reference(
            "networks",
            "--network",
            "vip_network_id",
            "The same, when any subnet of the network will do.",
            change=False,
        ),
        Field(
            option="--address",
            key="vip_address",
            metavar="IP",
            read=fields.address,
            change=False,
            help="This address; left out: a free one.",
        ),
        fields.reference(
            "ports", "--port", "vip_port_id", "The address of a port that was made for this.", change=False
        ),
        *COMMON,
    ),
    examples=_examples("loadbalancer", "create shop --subnet web-v4", "shop --disable"),
)
LISTENER = noun.Noun(
    name="listener",
    path=LISTENERS,
    tagged=False,
    columns=(
        Column("ID", "id"),
        Column("NAME", "name"),
        Column("PROTOCOL", "protocol"),
        Column("PORT", "protocol_port"),
        Column("POOL", "default_pool_id"),
        *STATES,
    ),
    more=(Column("LOAD BALANCER", "loadbalancer_id"), *MORE),
    fields=(
        fields.reference(
            BALANCERS, "--loadbalancer", "loadbalancer_id", "Whose address it is at.", change=False
        ),
        Field(option="--protocol", key="protocol", choices=PROTOCOLS, change=False, help="What it takes."),
        Field(
            option="--port",
            key="protocol_port",
            metavar="NUMBER",
            read=fields.number(1, 65535),
            change=False,
            help="At which port of the address.",
        ),
        fields.reference(POOLS, "--pool", "default_pool_id", "Where to.", empty=None),
        *COMMON,
    ),
    filters=(
        noun.Filter("--loadbalancer", "loadbalancer_id", "Only of this one.", BALANCERS),
        noun.Filter("--protocol", "protocol", "Only for this protocol."),
    ),
    examples=_examples(
        "loadbalancer listener",
        "create web --loadbalancer shop --protocol TCP --port 80",
        "web --pool servers",
    ),
)
POOL = noun.Noun(
    name="pool",
    path=POOLS,
    tagged=False,
    columns=(
        Column("ID", "id"),
        Column("NAME", "name"),
        Column("PROTOCOL", "protocol"),
        Column("MEMBERS", "members", lambda rows: str(len(rows or ()))),
        Column("PERSISTENCE", "session_persistence", _persistence),
        *STATES,
    ),
    more=(
        Column("LISTENERS", "listeners", _first),
        Column("HEALTH MONITOR", "healthmonitor_id"),
        *MORE,
    ),
    fields=(
        fields.reference(
            LISTENERS, "--listener", "listener_id", "Which leads to it from now on.", change=False
        ),
        fields.reference(
            BALANCERS,
            "--loadbalancer",
            "loadbalancer_id",
            "In place of a listener: none leads to it yet.",
            change=False,
        ),
        Field(
            option="--protocol",
            key="protocol",
            choices=PROTOCOLS,
            change=False,
            help="That of its listeners.",
        ),
        Field(
            option="--persistence",
            key="session_persistence",
            metavar="none|source-ip[:SECONDS]",
            read=persistence,
            help="A client stays with its server, for so many seconds after its last connection.",
        ),
        *COMMON,
    ),
    filters=(
        noun.Filter("--loadbalancer", "loadbalancer_id", "Only of this one.", BALANCERS),
        noun.Filter("--protocol", "protocol", "Only for this protocol."),
    ),
    examples=_examples(
        "loadbalancer pool", "create servers --listener web --protocol TCP", "servers --persistence source-ip"
    ),
)
MONITOR = noun.Noun(
    name="health-monitor",
    path="lbaas/healthmonitors",
    tagged=False,
    named=False,
    columns=(
        Column("ID", "id"),
        Column("NAME", "name"),
        Column("TYPE", "type"),
        Column("POOL", "pool_id"),
        Column("DELAY", "delay"),
        *STATES,
    ),
    more=(
        Column("TIMEOUT", "timeout"),
        Column("GOOD", "max_retries"),
        Column("BAD", "max_retries_down"),
        *MORE,
    ),
    fields=(
        fields.reference(POOLS, "--pool", "pool_id", "Whose members it asks.", change=False),
        Field(
            option="--type",
            key="type",
            choices=("TCP", "UDP-CONNECT"),
            change=False,
            help="By a connection, or by a datagram that is not refused.",
        ),
        Field(
            option="--delay",
            key="delay",
            metavar="S",
            read=fields.number(1, 3600),
            help="From one to the next.",
        ),
        Field(
            option="--timeout",
            key="timeout",
            metavar="S",
            read=fields.number(1, 3600),
            help="For the answer.",
        ),
        Field(
            option="--good",
            key="max_retries",
            metavar="N",
            read=fields.number(1, 10),
            help="Answers in a row until a member is taken.",
        ),
        Field(
            option="--bad",
            key="max_retries_down",
            metavar="N",
            read=fields.number(1, 10),
            help="Missed ones in a row until it is out; left out: 3.",
        ),
        *COMMON,
    ),
    filters=(noun.Filter("--pool", "pool_id", "Only of this one.", POOLS),),
    examples=_examples(
        "loadbalancer health-monitor",
        "create alive --pool servers --type TCP --delay 5 --timeout 3 --good 2",
        "alive --delay 10",
    ),
)
