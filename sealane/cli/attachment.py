"""`sealane ps`, `inspect`, `exec`, `attach`, `detach`: what is attached on this host, through its agent."""

import os
from typing import Any

import click

from sealane import config
from sealane.cli.api import Api
from sealane.cli.output import Column, output_option, plain, print_table, show_many, show_one
from sealane.errors import BadRequest, HostError, Unavailable

ATTACH_DEADLINE = 60.0
"""Seconds: the agent waits for OVN to bind the port, and for a DHCP server."""


def _published(entries: list[dict[str, Any]] | None) -> str:
    """As `docker port` writes it."""
    return ", ".join(
        f"{_bracketed(entry['host_ip'])}:{entry['host_port']}->{entry['port']}/{entry['protocol']}"
        for entry in entries or ()
    )


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address or "*"


COLUMNS = (
    Column("ID", "id", lambda value: str(value)[:12]),
    Column("DOOR", "door"),
    Column("NAME", "name"),
    Column("IFNAME", "ifname"),
    Column("NETWORK", "network_id"),
    Column("PORT", "port_id"),
    Column("ADDRESSES", "addresses"),
    Column("PUBLISHED", "publish", _published),
    Column("SANDBOX", "sandbox"),
    Column("QUARANTINE", "quarantine"),
)


def agent() -> Api:
    return Api(f"unix:{config.load().settings.agent_socket}", deadline=ATTACH_DEADLINE)


@click.command()
@click.option("--all", "everything", is_flag=True, help="Also ports that are kept ready for a container.")
@output_option
def ps(output: str, everything: bool) -> None:
    """What is attached on this host, and the ports that it publishes.

    A container that is to be attached whenever it runs is shown also while it does not: its SANDBOX is
    empty then.

    QUARANTINE says why nothing reaches a container whose labels are to name its security groups.

    \b
    Example:
      sealane ps
      sealane ps -o json
    """
    answer = agent().request("GET", "/attachments")
    awaited = [{**wish, "door": wish["request"]["door"]} for wish in answer.get("awaited", ())]
    why = answer.get("quarantine", {})
    listed = [one for one in answer["attachments"] if everything or one["door"] != "ready"]
    attached = [{**one, "quarantine": why.get(one["id"], "")} for one in listed]
    show_many([*attached, *awaited], COLUMNS, output)


@click.command()
@click.argument("target")
@output_option
def inspect(target: str, output: str) -> None:
    """All that this node knows of a container, process or namespace.

    Its networks with addresses, host-side link, OVS port, logical port and tunnel peers, its interfaces, and
    its cgroup.

    \b
    Example:
      sealane inspect web
      sealane inspect pid:4711 -o json
    """
    body = agent().request("POST", "/inspect", {"target": target})
    if output == "json":
        return show_one(body, output)
    networks, interfaces = body.pop("networks"), body.pop("interfaces")
    show_one(body, output)
    for network in networks:
        click.echo()
        show_one({key: value for key, value in network.items() if key != "publish"}, output)
    click.echo()
    titles = ("name", "mac", "mtu", "up", "addresses")
    print_table([t.upper() for t in titles], [[plain(row[t]) for t in titles] for row in interfaces])


@click.command("exec", context_settings={"ignore_unknown_options": True})
@click.argument("target")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def exec_(target: str, command: tuple[str, ...]) -> None:
    """Run a command of this host in the network of a container.

    Files and programs are the host's, so it works for containers without a shell; the exit status is the
    command's.

    \b
    Example:
      sealane exec web -- ip address
      sealane exec web -- tcpdump -ni eth0
    """
    from sealane.host import netns

    netns.enter(agent().request("POST", "/find", {"target": target})["sandbox"])
    try:
        os.execvp(command[0], command)
    except OSError as exc:
        raise HostError(f"'{command[0]}' can't be run: {exc.strerror}") from exc


def _route(text: str) -> dict[str, str]:
    destination, equals, nexthop = text.partition("=")
    if not equals:
        raise BadRequest(f"--route {text}: write it as DESTINATION=NEXTHOP, as 10.9.0.0/16=10.1.0.1")
    return {"destination": destination, "nexthop": nexthop}


@click.command()
@click.argument("target")
@click.option("--network", default="", help="Name or id of the network.")
@click.option("--physical", default="", metavar="NAME", help="In its place: a physical network of this host.")
@click.option("--vlan", type=int, default=0, help="The VLAN there, 1 to 4094; left out: what has no tag.")
@click.option("--port", default="", help="Id of a port made before, to be used.")
@click.option("--trunk", default="", help="In its place: a trunk, whose parent port is used; name or id.")
@click.option("--ip", "ips", multiple=True, help="An address of the network; left out: the lowest free one.")
@click.option("--dhcp", is_flag=True, help="The address by DHCP: of the network's server, or of the LAN's.")
@click.option("--mac", default="", help="Left out: chosen.")
@click.option("--ifname", default="", help="Name of the link in there; left out: the first free ethN.")
@click.option(
    "--gateway", default="", metavar="yes|none|ADDRESS", help="Left out: yes, if there is none yet."
)
@click.option(
    "--route", "routes", multiple=True, metavar="DEST=HOP", help="A further route; may be repeated."
)
@click.option("--security-group", "groups", multiple=True, help="Name or id; may be repeated.")
@click.option("--persist", is_flag=True, help="Attach it again, with the same port, whenever it starts.")
@output_option
def attach(target: str, output: str, **values: Any) -> None:
    """Put a running container, a process or a network namespace on a network.

    TARGET is the name or id of a container (of Docker, Podman, LXC, systemd-nspawn, containerd), a pid, the
    name of a network namespace or its path. Where that is ambiguous: docker:NAME, podman:NAME, lxc:NAME,
    nspawn:NAME, containerd:NAME, netns:NAME, pid:PID.

    \b
    Example:
      sealane attach web --network blue --ip 10.1.0.9
      sealane attach 4711 --network blue --ifname eth1 --gateway none --route 10.9.0.0/16=10.1.0.1
      sealane attach /run/netns/m1 --network blue --persist
      sealane attach router --trunk uplinks
      sealane attach web --physical lan --vlan 7 --ip 192.0.2.9
      sealane attach web --physical lan --vlan 7 --dhcp
    """
    routes = [_route(text) for text in values.pop("routes")]
    groups = values.pop("groups")
    body = {"target": target, **values, "routes": routes, "security_groups": groups}
    answer = agent().request("POST", "/attach", {key: value for key, value in body.items() if value})
    if "attachment" not in answer:
        raise Unavailable("the agent's answer holds no attachment; see its log")
    show_one(answer["attachment"], output)


@click.command()
@click.argument("target")
@click.option("--ifname", default="", help="Name of the link in there, where there are several.")
def detach(target: str, ifname: str) -> None:
    """Take it off its network again, and don't attach it any more when it starts.

    \b
    Example:
      sealane detach web
      sealane detach /run/netns/m1 --ifname eth1
    """
    agent().request("POST", "/detach", {"target": target, "ifname": ifname})
