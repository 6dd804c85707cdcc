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
    fields.DESCRIPTION,
    Field(option="--enable/--disable", key="admin_state_up", help="Carry traffic, or none."),
    Field(option="--tag", key="tags", many=True, help="A tag to find it by."),
)
FILTERS = (
    noun.Filter("--loadbalancer", "loadbalancer_id", "Only of this one.", BALANCERS),
    noun.Filter("--protocol", "protocol", "Only for this protocol."),
)
STATES = (Column("STATUS", "operating_status"), Column("PROJECT", "project_id"))
MORE = (
    Column("ADMIN UP", "admin_state_up"),
    Column("TAGS", "tags"),
    Column("CREATED", "created_at"),
    Column("DESCRIPTION", "description"),
)


def _fixed(plural: str, option: str, key: str, help: str) -> Field:
    """What another resource is, from the beginning to the end."""
    return fields.reference(plural, option, key, help, change=False)


def _protocol(help: str) -> Field:
    return Field(option="--protocol", key="protocol", choices=PROTOCOLS, change=False, help=help)


def _number(option: str, key: str, metavar: str, most: int, help: str) -> Field:
    return Field(option=option, key=key, metavar=metavar, read=fields.number(1, most), help=help)


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
        _fixed("subnets", "--subnet", "vip_subnet_id", "Where its address is from."),
        _fixed(
            "networks", "--network", "vip_network_id", "The same, when any subnet of the network will do."
        ),
        Field(
            option="--address",
            key="vip_address",
            metavar="IP",
            read=fields.address,
            change=False,
            help="This address; left out: a free one.",
        ),
        _fixed("ports", "--port", "vip_port_id", "The address of a port that was made for this."),
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
        _fixed(BALANCERS, "--loadbalancer", "loadbalancer_id", "Whose address it is at."),
        _protocol("What it takes."),
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
    filters=FILTERS,
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
        _fixed(LISTENERS, "--listener", "listener_id", "Which leads to it from now on."),
        _fixed(
            BALANCERS, "--loadbalancer", "loadbalancer_id", "In place of a listener: none leads to it yet."
        ),
        _protocol("That of its listeners."),
        Field(
            option="--persistence",
            key="session_persistence",
            metavar="none|source-ip[:SECONDS]",
            read=persistence,
            help="A client stays with its server, for so many seconds after its last connection.",
        ),
        *COMMON,
    ),
    filters=FILTERS,
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
        _fixed(POOLS, "--pool", "pool_id", "Whose members it asks."),
        Field(
            option="--type",
            key="type",
            choices=("TCP", "UDP-CONNECT"),
            change=False,
            help="By a connection, or by a datagram that is not refused.",
        ),
        _number("--delay", "delay", "S", 3600, "From one to the next."),
        _number("--timeout", "timeout", "S", 3600, "For the answer."),
        _number("--good", "max_retries", "N", 10, "Answers in a row until a member is taken."),
        _number("--bad", "max_retries_down", "N", 10, "Missed ones in a row until it is out; left out: 3."),
        *COMMON,
    ),
    filters=(noun.Filter("--pool", "pool_id", "Only of this one.", POOLS),),
    examples=_examples(
        "loadbalancer health-monitor",
        "create alive --pool servers --type TCP --delay 5 --timeout 3 --good 2",
        "alive --delay 10",
    ),
)
