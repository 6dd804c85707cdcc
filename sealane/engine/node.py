"""The node part as data: the local switch, ovn-controller, the agent and, if asked for, dockerd."""

import shlex
import signal
from dataclasses import dataclass
from pathlib import Path

from sealane import names
from sealane.config import Settings
from sealane.engine import databases, forwarding, host_switch, physical, switch
from sealane.engine.central import OVS_LOG, environment, python, server
from sealane.engine.command import run
from sealane.engine.datapath import HOST_OVS, Datapath
from sealane.engine.health import Listens, Prints, Responds, Serves, Succeeds
from sealane.engine.host_switch import INTEGRATION_BRIDGE
from sealane.engine.physical import Physical
from sealane.engine.process import Child, Step, trim_log
from sealane.engine.underlay import Underlay
from sealane.pki.node import Directory


@dataclass(frozen=True)
class Node:
    """What was decided at start, and what follows from it."""

    settings: Settings
    datapath: Datapath
    underlay: Underlay

    @property
    def netns(self) -> Path | None:
        """Where ovs-vswitchd runs; None is the host's own namespace."""
        return self.settings.netns_dir / switch.NAMESPACE if self.datapath.kind == "userspace" else None

    @property
    def environ(self) -> dict[str, str]:
        """ovn-controller looks for br-int's OpenFlow socket in OVS_RUNDIR."""
        ovs, ovn = str(self.settings.ovs_run_dir), str(self.settings.ovn_run_dir)
        return {"OVS_RUNDIR": ovs, "OVN_RUNDIR": ovn, "OVS_LOGDIR": ovs}

    @property
    def physical(self) -> Physical:
        own = self.datapath.switch == "own"
        key = physical.MAPPINGS if own else f"{physical.MAPPINGS}-{self.settings.host_name}"
        return Physical(self.settings, self.netns, self.datapath.type, key, own=own)

    @property
    def vswitchd_control(self) -> Path:
        return self.settings.ovs_run_dir / "ovs-vswitchd.ctl"


def children(node: Node, central: bool) -> tuple[Child, ...]:
    """`central`: the central part runs in the same tree, so ovn-controller and the agent come after it."""
    own = (_database(node), _vswitchd(node)) if node.datapath.switch == "own" else ()
    engine = (_dockerd(node.settings),) if node.settings.dockerd else ()
    return (*own, _controller(node, central), _porter(node.settings), _agent(node, central), *engine)


def directories(settings: Settings) -> tuple[Path, ...]:
    return (settings.ovn_run_dir, settings.netns_dir, settings.state_dir / "ovs")


def prepare_run_dir(node: Node) -> None:
    """RUN/ovs is a directory of ours, or a link to the host's own Open vSwitch where that one is used."""
    path = node.settings.ovs_run_dir
    if path.is_symlink():
        path.unlink()
    if node.datapath.switch == "own":
        path.mkdir(mode=0o700, exist_ok=True)
    else:
        path.symlink_to(HOST_OVS)


def _database(node: Node) -> Child:
    file = node.settings.state_dir / "ovs" / "conf.db"
    socket = node.settings.ovs_run_dir / "db.sock"

    async def create() -> None:
        await databases.ensure_standalone(file, databases.VSWITCH_SCHEMA)

    async def configure() -> None:
        await run("ovs-vsctl", f"--db=unix:{socket}", "--no-wait", "init")

    return Child(
        name="ovs-db",
        argv=server(file, socket, node.settings.ovs_run_dir / "ovsdb-server.ctl"),
        before=create,
        ready=Serves(socket, "Open_vSwitch"),
        after=configure,
    )


def _vswitchd(node: Node) -> Child:
    control = str(node.vswitchd_control)
    return Child(
        name="ovs-vswitchd",
        argv=("ovs-vswitchd", node.settings.ovs_remote, f"--unixctl={control}", *OVS_LOG),
        environ=node.environ,
        depends=("ovs-db",),
        netns=node.netns,
        before=_before_vswitchd(node),
        # Its control socket answers before it has read its bridges; br-int's OpenFlow socket does not.
        ready=Succeeds(("ovs-ofctl", "show", f"unix:{node.settings.ovs_run_dir}/{INTEGRATION_BRIDGE}.mgmt")),
        after=_egress(node),
        upkeep=_egress(node),
    )


def _before_vswitchd(node: Node) -> Step:
    """The bridges are in the database before the daemon sees it: it comes up with all of them at once."""

    async def prepare() -> None:
        if node.netns:
            await switch.ensure(node.netns, node.underlay)
            links = (switch.HOST_LINK, node.underlay.link)
            forwarding.ensure(node.settings, links, node.underlay.family)
        # The database may be from a time when this machine's kernel had no openvswitch.
        egress = switch.bridge_commands() if node.netns else ("--", "--if-exists", "del-br", switch.BRIDGE)
        no_patience = ("--", "set", "Open_vSwitch", ".", f"external_ids:{WAIT_BEFORE_CLEAR}=0")
        await _vsctl(node, "--no-wait", *_integration_bridge(node), *egress, *no_patience)

    return prepare


def _egress(node: Node) -> Step | None:
    netns = node.netns
    if netns is None:
        return None

    async def ensure() -> None:
        await switch.ensure_egress(netns, node.underlay, node.vswitchd_control)

    return ensure


WAIT_BEFORE_CLEAR = "ovn-ofctrl-wait-before-clear"
"""How long ovn-controller leaves the flows that it finds while it computes the new ones, in milliseconds.

A switch that starts has none, and waiting would only keep its ports dead.  A controller that starts
beside a running switch must not tear down what works.
"""
CLEAR_AFTER = "3000"
"""New ports wait as long, and a container's start waits for its port: keep it well below the 7 seconds
that the agent waits for OVN."""


async def _has_flows(node: Node) -> bool:
    socket = f"unix:{node.settings.ovs_run_dir}/{INTEGRATION_BRIDGE}.mgmt"
    return "flow_count=0" not in await run("ovs-ofctl", "-O", "OpenFlow15", "dump-aggregate", socket)


def _integration_bridge(node: Node) -> tuple[str, ...]:
    """Secure: with ovn-controller gone its flows stay and nothing else is let through."""
    owner = f'external_ids:"{names.OWNER_KEY}"={names.OWNER}'
    kind = f"datapath_type={node.datapath.type}"
    return (
        *("--", "--may-exist", "add-br", INTEGRATION_BRIDGE),
        *("--", "set", "Bridge", INTEGRATION_BRIDGE, "fail_mode=secure", kind, owner),
        *("--", "set", "Bridge", INTEGRATION_BRIDGE, "other_config:disable-in-band=true"),
    )


def controller_settings(node: Node) -> dict[str, str]:
    """external_ids of the Open_vSwitch row, as ovn-controller(8) names them."""
    return {
        "ovn-remote": node.settings.ovn_remote or node.settings.sb_remote,
        "ovn-encap-type": "geneve",
        "ovn-encap-ip": node.underlay.address,
        # In software a second checksum over the whole packet only costs; the inner one stays.
        "ovn-encap-csum": "false" if node.netns and node.underlay.family == 4 else "true",
        "ovn-bridge": INTEGRATION_BRIDGE,
        "ovn-bridge-datapath-type": node.datapath.type,
        "system-id": node.settings.host_name,
        "hostname": node.settings.host_name,
        "ovn-monitor-all": "true",  # one condition fewer to wait for when the first port of a network comes
        "ovn-openflow-probe-interval": "0",  # a local socket breaks by itself
        "ovn-remote-probe-interval": "10000",
        "sealane-mtu": str(node.underlay.mtu),
    }


def _controller(node: Node, central: bool) -> Child:
    run_dir = node.settings.ovn_run_dir
    # It has no --unixctl: its control socket is found by its pid file.
    control = ("env", f"OVN_RUNDIR={run_dir}", "ovn-appctl", "-t", "ovn-controller")
    own = ("ovs-vswitchd",) if node.datapath.switch == "own" else ()
    chassis = node.settings.host_name
    leave = (*control, "exit")
    logged = node.settings.run_dir / names.ACL_LOG

    async def shorten() -> None:
        """The agent does so earlier, where there is one."""
        trim_log(logged)

    packets = (f"--log-file={logged}", "-vacl_log:file:info", "-vacl_log:console:off")

    async def configure() -> None:
        if not own:
            await host_switch.refuse_foreign(node.settings.ovs_remote, chassis)
            await _vsctl(node, *_integration_bridge(node))
            await host_switch.remember(node.settings.ovs_remote)
        patience = CLEAR_AFTER if await _has_flows(node) else "0"
        values = {**controller_settings(node), WAIT_BEFORE_CLEAR: patience}
        values = values if own else host_switch.keyed(values, chassis)
        pairs = (f'external_ids:"{key}"="{value}"' for key, value in values.items())
        await _vsctl(node, "--no-wait", "set", "Open_vSwitch", ".", *pairs)

    return Child(
        name="ovn-controller",
        argv=(
            "ovn-controller",
            node.settings.ovs_remote,
            f"--pidfile={run_dir}/ovn-controller.pid",
            *(() if own else ("-n", chassis)),
            *_credentials(node.settings),
            *OVS_LOG,
            *packets,
        ),
        environ=node.environ,
        upkeep=shorten,
        depends=(*own, *(("ovn-sb", "ovn-northd") if central else ())),
        before=configure,
        ready=Prints((*control, "connection-status"), "connected"),
        stop=leave,  # takes its chassis out of the southbound database
        restart=(*leave, "--restart"),  # leaves chassis and flows
        grace=5.0,
    )


def _credentials(settings: Settings) -> tuple[str, ...]:
    """For a database on another host. It reads files that have changed again when it connects anew."""
    if not settings.ovn_remote.startswith("ssl:"):
        return ()
    mine = Directory(settings.pki_dir)
    return (
        f"--private-key={mine.node}",
        f"--certificate={mine.node}",
        f"--ca-cert={mine.central_ca}",
    )


async def _vsctl(node: Node, *words: str) -> str:
    return await run("ovs-vsctl", f"--db={node.settings.ovs_remote}", "--timeout=10", *words)


def _agent(node: Node, central: bool) -> Child:
    switch = ("ovs-vswitchd",) if node.datapath.switch == "own" else ()
    ways = node.physical.ensure
    return Child(
        name="agent",
        argv=python("sealane.agent.main"),
        environ=environment(node.settings),
        # Not ovn-controller: with the central part out of reach the agent still answers Docker.
        depends=(*switch, *(("api",) if central else ())),
        before=ways,  # the agent tells which there are
        ready=Responds(node.settings.agent_socket, "/status"),
        upkeep=ways,
    )


def _porter(settings: Settings) -> Child:
    """Needs nothing: Docker's calls wait in it for the agent."""
    return Child(
        name="porter",
        argv=python("sealane.agent.docker.porter"),
        environ=environment(settings),
        ready=Listens(settings.docker_plugin_dir / "sealane.sock"),
    )


def _dockerd(settings: Settings) -> Child:
    """Comes after the agent: at its start it asks the drivers of networks that it remembers."""

    async def clean() -> None:
        """Pid files of a killed engine make the next one refuse to start when the number is in use again."""
        for path in (settings.run_dir / "docker.pid", settings.run_dir / "docker/containerd/containerd.pid"):
            path.unlink(missing_ok=True)
        forwarding.remember(settings)

    return Child(
        name="dockerd",
        argv=("dockerd", *dockerd_arguments(settings)),
        depends=("agent", "porter"),
        before=clean,
        ready=Responds(settings.docker_socket, "/_ping"),
        grace=30.0,
        orphan=signal.SIGTERM,
    )


def dockerd_arguments(settings: Settings) -> tuple[str, ...]:
    """What is given in `dockerd_args` goes before ours."""
    given = tuple(shlex.split(settings.dockerd_args))
    ours = {
        "--data-root": str(settings.state_dir / "docker"),
        "--exec-root": str(settings.run_dir / "docker"),
        "--pidfile": str(settings.run_dir / "docker.pid"),
    }
    names_given = {word.partition("=")[0] for word in given}
    missing = (f"{key}={value}" for key, value in ours.items() if key not in names_given)
    return ("-H", f"unix://{settings.docker_socket}", *missing, *given)


CONTROLLER_KEYS = (
    *("ovn-remote", "ovn-encap-type", "ovn-encap-ip", "ovn-encap-csum", "ovn-bridge"),
    *("ovn-bridge-datapath-type", "hostname"),
    *("ovn-monitor-all", WAIT_BEFORE_CLEAR, "ovn-openflow-probe-interval"),
    *("ovn-remote-probe-interval", "sealane-mtu", physical.MAPPINGS),
)
"""What `down` takes out of the host's own Open vSwitch."""
