"""A lab as data: its hosts, their addresses, their files. Pure.

    machine                 namespace "outside"             host1: net, mount, PID, UTS, IPC
                            ┌────────────────────┐          ┌──────────────────────────────┐
    /run/sealane/lab <────┐ │ under0 (bridge) .1 ├─ host1 ──┤ eth0 .11    own /etc /var /run│
      api.sock            │ │ no DNS, no way on  ├─ host2 ─ …  init ── sealane up           │
      admin.token         │ └────────────────────┘          └──────────────────────────────┘
      host1/docker.sock   └───── bound into host1 at the same path; into host2 only host2/

The bridge has a namespace of its own, so that the machine's firewall (bridge-nf-call-iptables with
Docker's FORWARD policy) never sees the underlay's frames, and no address of it can clash.
"""

import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sealane.errors import BadRequest

UNDERLAYS = ("198.51.100.0/24", "203.0.113.0/24", "192.0.2.0/24", "198.18.0.0/24")
"""Documentation and benchmark ranges (RFC 5737, RFC 2544), in the order in which they are tried."""
UNDERLAY6 = ipaddress.IPv6Network("2001:db8:5ea1::/64")
FIRST_HOST = 11
MOST_HOSTS = 64
DEFAULT = "lab"
API_PORT = 9697
"""Where the machine reaches the API of the lab that has the default name."""
LAB_NAME = re.compile(r"^[a-z0-9][a-z0-9-]{0,19}$")
OUTSIDE = "outside"
"""Name of the namespace that holds the bridge; for `lab exec` the world outside of the hosts."""
BRIDGE = "under0"
RUN = Path("/run/sealane")
STATE = Path("/var/lib/sealane/lab")


Setting = str | int | list[str]


@dataclass(frozen=True)
class Plan:
    """What `lab up` was asked for, and all that follows from it."""

    name: str
    hosts: int
    docker: bool
    underlay: str
    extra: Mapping[str, Setting] = field(default_factory=dict)
    """Further settings of all hosts."""

    @property
    def host_names(self) -> tuple[str, ...]:
        return tuple(f"host{number}" for number in range(1, self.hosts + 1))

    @property
    def run_dir(self) -> Path:
        """The directory that machine and hosts share, at the same path in all of them."""
        return run_dir(self.name)

    @property
    def state_dir(self) -> Path:
        return state_dir(self.name)

    @property
    def outside(self) -> Path:
        return self.run_dir / "outside.netns"

    @property
    def api_socket(self) -> Path:
        return self.run_dir / "api.sock"

    @property
    def token_file(self) -> Path:
        return self.run_dir / "admin.token"

    @property
    def api_port(self) -> int | None:
        return API_PORT if self.name == DEFAULT else None

    def join_line(self, host: str) -> Path:
        """What `sealane token create` printed for the host; there until it has joined."""
        return self.run_dir / host / "join"

    def docker_socket(self, host: str) -> Path:
        return self.run_dir / host / "docker.sock"

    def cgroup(self, host: str) -> str:
        """Parent of the host's containers, so that they are found after a power cut."""
        return f"/sealane-{self.name}-{host}"

    def address(self, host: str) -> ipaddress.IPv4Interface:
        return _interface4(self.underlay, FIRST_HOST + self.host_names.index(host))

    def address6(self, host: str) -> ipaddress.IPv6Interface:
        return _interface6(FIRST_HOST + self.host_names.index(host))

    def mac(self, host: str) -> str:
        """A NIC keeps its address over a power cut, so that neighbours need not learn anew."""
        return f"02:5e:a1:00:00:{FIRST_HOST + self.host_names.index(host):02x}"

    @property
    def router(self) -> ipaddress.IPv4Interface:
        """The address outside, and the hosts' default gateway."""
        return _interface4(self.underlay, 1)

    @property
    def router6(self) -> ipaddress.IPv6Interface:
        return _interface6(1)


def _interface4(network: str, number: int) -> ipaddress.IPv4Interface:
    whole = ipaddress.IPv4Network(network)
    return ipaddress.IPv4Interface(f"{whole[number]}/{whole.prefixlen}")


def _interface6(number: int) -> ipaddress.IPv6Interface:
    return ipaddress.IPv6Interface(f"{UNDERLAY6[number]}/{UNDERLAY6.prefixlen}")


def run_dir(name: str) -> Path:
    return RUN / (name if name == DEFAULT else f"lab-{check_name(name)}")


def state_dir(name: str) -> Path:
    return STATE / check_name(name)


def check_name(name: str) -> str:
    """Names become paths. Raises BadRequest."""
    if not LAB_NAME.fullmatch(name):
        raise BadRequest(f"'{name}' is no name of a lab; use 1 to 20 of a-z, 0-9 and '-'")
    return name


def make(name: str, hosts: int, docker: bool, taken: tuple[str, ...]) -> Plan:
    """`taken`: the machine's routes. Raises BadRequest."""
    check_name(name)
    if not 1 <= hosts <= MOST_HOSTS:
        raise BadRequest(f"a lab has 1 to {MOST_HOSTS} hosts, not {hosts}")
    return Plan(name, hosts, docker, choose_underlay(taken))


def choose_underlay(taken: tuple[str, ...]) -> str:
    """The first range that no route of the machine touches, so that nobody mistakes one for the other."""
    used = [ipaddress.IPv4Network(route) for route in taken]
    for candidate in UNDERLAYS:
        if not any(ipaddress.IPv4Network(candidate).overlaps(route) for route in used):
            return candidate
    raise BadRequest(f"the machine has routes to all of {', '.join(UNDERLAYS)}; a lab needs one of them")


def settings(plan: Plan, host: str) -> str:
    """The host's /etc/sealane/sealane.toml; strings of TOML are those of JSON here."""
    lines = [
        f'host_name = "{host}"',
        f'encap_ip = "{plan.address(host).ip}"',
        f"dockerd = {str(plan.docker).lower()}",
    ]
    if plan.docker:
        arguments = f"-H unix://{plan.docker_socket(host)} --cgroup-parent={plan.cgroup(host)}"
        lines.append(f'dockerd_args = "{arguments}"')
    if is_central(host):
        lines.append(f'api_socket_extra = "{plan.api_socket}"')
    lines += [f"{key} = {json.dumps(value)}" for key, value in plan.extra.items()]
    return "\n".join(lines) + "\n"


def hosts_file(plan: Plan) -> str:
    """hosts(5) of each host."""
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost"]
    for host in plan.host_names:
        lines += [f"{plan.address(host).ip} {host}", f"{plan.address6(host).ip} {host}"]
    return "\n".join(lines) + "\n"


def is_central(host: str) -> bool:
    return host == "host1"
