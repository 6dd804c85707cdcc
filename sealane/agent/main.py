"""The agent of a node: `python -m sealane.agent.main`; with `purge` it takes everything off the host.

    feed ─────────> names (resolver), mirrors (Docker)
    every 20 s ───> reconciler.resync, collection of what belongs to nobody
    agent.sock ───> status, the netns door
    plugin socket > the Docker door

A SIGTERM ends it in order and leaves the data path alone; after a SIGKILL the next start reads back
what is there.
"""

import asyncio
import json
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from sealane import config, failpoint, log, names
from sealane.agent import feed, membership, metrics, modes, renewal, runtimes
from sealane.agent.adoption import Adoption
from sealane.agent.announce import Announcer
from sealane.agent.cni.door import CniDoor
from sealane.agent.docker.door import DockerDoor
from sealane.agent.door import NetnsDoor
from sealane.agent.fastpath import FastPath
from sealane.agent.gateway_meters import GatewayMeters
from sealane.agent.leased import Renewal
from sealane.agent.memory import Memory
from sealane.agent.metering import Metering
from sealane.agent.packet_log import PacketLog
from sealane.agent.peers import Peers
from sealane.agent.plain_commits import PlainCommits
from sealane.agent.plug import PlugDoor
from sealane.agent.reconciler import RESYNC, Reconciler
from sealane.agent.resolver.feed import FIELDS, SERVERS
from sealane.agent.resolver.feed import Feed as Names
from sealane.agent.resolver.feed import make as make_names
from sealane.agent.runtimes import RuntimeLabels
from sealane.agent.server import App, FastPathPaths, Listener
from sealane.agent.taps import Taps
from sealane.agent.targets import HOST, Targets
from sealane.agent.trunks import Trunks
from sealane.agent.view import View
from sealane.agent.ways import Ways
from sealane.client import ApiClient
from sealane.config import Settings
from sealane.errors import SealaneError, Unavailable
from sealane.host.ovs import Switch

_NAMES = 2.0  # seconds that the API may take to tell the names
_START = 30.0  # seconds that the local Open vSwitch database may take to answer
_GLANCE = 2.0  # seconds after which a namespace that is gone, or has come, is noticed
_SWITCH = 0.0005  # seconds
_log = log.get("agent")


class Agent:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._memory = Memory(settings.state_dir / "agent.json")
        facts = _facts(settings)
        self._datapath = str(facts["kind"])
        self._switch = Switch(settings.ovs_remote)
        url = settings.api_url or f"unix:{settings.api_socket}"
        self._api = ApiClient(
            url,
            _token(settings),
            watch=metrics.step,
            node=settings.host_name,
            credentials=membership.credentials(settings),
        )
        self._gateway_meters = GatewayMeters(settings.netns_dir)
        self._reconciler = Reconciler(
            settings,
            self._memory,
            self._switch,
            userspace=self._datapath != "kernel",
            farewell=self._gateway_meters.farewell,
        )
        self._peers = Peers(self._api, facts, settings.state_dir / "peers.json")
        self._names: Names = make_names(settings.dns_suffix)
        self._trunks = Trunks(self._api, self._memory, self._reconciler, settings.host_name)
        self._announcer = Announcer(self._api, settings, self._switch)
        self._docker = DockerDoor(settings, self._api, self._reconciler, self._memory, self._names)
        targets = Targets(self._docker.engine, settings.netns_dir)
        self._door = NetnsDoor(self._api, self._memory, self._reconciler, targets, Ways(settings), settings)
        self._docker.started = self._attach_again
        view = View(self._api, self._memory, targets, settings.host_name)
        cni = CniDoor(self._door, self._unready, userspace=self._datapath != "kernel")
        plugs = PlugDoor(self._api, self._memory, self._reconciler, settings.host_name)
        self._adoption = Adoption(self._switch, self._memory, plugs)
        self._fastpath = FastPath(settings, self._memory, self._switch, facts, self._api)
        self._taps = Taps(
            self._api, settings.host_name, self._memory, self._fastpath.keep_slow, self._reconciler.resync
        )
        self._metering = Metering(
            self._api,
            settings.state_dir / "metering.json",
            settings.ovs_run_dir,
            settings.host_name,
            self._gateway_meters,
        )
        self._commits = PlainCommits(self._switch, settings.ovs_run_dir)
        self._packets = PacketLog(self._api, settings.run_dir / names.ACL_LOG, settings.host_name)
        self._labels = RuntimeLabels(self._docker.labels, self._memory, services=self._docker.services)
        app = App(self._door, self._memory, view, cni, plugs, self._status)
        app.quarantined = self._docker.labels.reasons
        self._listener = Listener(app.routes(FastPathPaths(self._fastpath).routes()), settings.agent_socket)
        self._gateways: set[str] = set()
        self._stale: set[str] = {*FIELDS, "subnets"}
        self._looked = 0.0
        self._trouble = "not yet looked"
        self._certificate = ""  # what is wrong with it

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set.  Raises Unavailable when the local Open vSwitch never answered."""
        await self._api.start()
        await self._first_names()
        await self._docker.open_doors()
        await self._switch.start(_START)
        await self._look()
        await self._docker.start()
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(self._listener.serve(), name="agent.sock"),
                tasks.create_task(self._every(RESYNC, self._look, self._collect), name="resync"),
                tasks.create_task(self._every(_GLANCE, self._glance), name="glance"),
                tasks.create_task(self._every(runtimes.INTERVAL, self._follow_labels), name="labels"),
                tasks.create_task(self._follow_gateways(), name="gateways"),
                tasks.create_task(self._follow_newcomers(), name="newcomers"),
                tasks.create_task(self._fastpath.follow(self._reconciler.changed), name="fastpath"),
                tasks.create_task(membership.keep_registered(self._api, self._settings), name="membership"),
                tasks.create_task(self._door.ready.follow(), name="ready"),
                tasks.create_task(self._renew(), name="renewal"),
                tasks.create_task(self._packets.follow(), name="packets"),
                tasks.create_task(self._metering.follow(), name="metering"),
                *(
                    [tasks.create_task(self._commits.follow(), name="commits")]
                    if self._datapath != "kernel"
                    else ()
                ),
                tasks.create_task(Renewal(self._memory, self._door.expire).follow(), name="leases"),
                tasks.create_task(
                    feed.follow(
                        self._api,
                        [
                            *(self._peers.changed, self._docker.changed, self._announce),
                            *(self._refresh_names, self._refresh_modes, self._follow_trunks),
                            *(self._refresh_taps, self._refresh_metering),
                        ],
                    ),
                    name="feed",
                ),
            ]
            await stop.wait()
            self._listener.stop()
            await running[0]
            for task in running[1:]:
                task.cancel()
        await self._close()

    async def _first_names(self) -> None:
        """Before any door of the resolver opens: one that knows no names yet would deny those that there are.

        With the API away it opens all the same, for Docker's own names and the outside.
        """
        with suppress(TimeoutError, Unavailable):
            async with asyncio.timeout(_NAMES):
                await self._refresh_names(frozenset(self._stale))

    async def _renew(self) -> None:
        if membership.is_remote(self._settings):
            await renewal.follow(self._tell_certificate)

    def _tell_certificate(self, trouble: str) -> None:
        self._certificate = trouble

    async def withdraw(self) -> None:
        """Take our networks out of an engine that goes on without us; the API keeps them."""
        await self._docker.withdraw()

    async def purge(self) -> None:
        with suppress(Unavailable):  # no engine, no networks in it
            await self._docker.withdraw()
        await self._switch.start(_START)
        await self._reconciler.purge()
        await self._switch.stop()

    async def _close(self) -> None:
        await self._announcer.close()
        await self._docker.stop()
        await self._names.resolver.close()
        self._reconciler.close()
        await self._switch.stop()
        await self._api.close()

    async def _every(self, seconds: float, *actions: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(seconds)
            for action in actions:
                await action()

    async def _look(self) -> None:
        """What fails is told by status and tried again: the loop goes on."""
        self._trouble = await _attempt(self._door.bury) or await _attempt(self._reconciler.resync)
        await _attempt(self._check_modes)
        await _attempt(self._taps.look)
        await _attempt(self._serve_gateways)
        await _attempt(self._peers.ensure)
        self._looked = time.time()

    async def _unready(self) -> str:
        """Why nothing can be attached just now."""
        if not self._switch.connected:
            return "Open vSwitch's database does not answer; 'sealane status' tells more"
        try:
            await self._api.list("networks", name="", limit="1")
        except SealaneError as exc:
            return exc.message
        return ""

    async def _glance(self) -> None:
        """What can be seen of the namespaces without asking anybody."""
        await _attempt(self._door.bury)
        await _attempt(self._fulfil_named)
        if self._datapath != "kernel":
            await _attempt(self._adoption.look)

    async def _follow_labels(self) -> None:
        await _attempt(self._labels.follow)

    async def _fulfil_named(self) -> None:
        """And the host itself, which runs."""
        for kind in ("netns:", HOST):
            await self._door.fulfil(kind)

    async def _collect(self) -> None:
        await _attempt(self._door.collect)
        await _attempt(self._trunks.look)
        await _attempt(self._door.fulfil)

    async def _attach_again(self) -> None:
        """Docker has started a container."""
        if self._memory.wishes:
            await _attempt(self._door.fulfil)

    async def _follow_gateways(self) -> None:
        while True:
            await self._reconciler.gateway_built.wait()
            self._reconciler.gateway_built.clear()
            self._metering.gateway_came()
            await _attempt(self._serve_gateways)

    async def _serve_gateways(self) -> None:
        """The resolver answers in every gateway's namespace, for those who don't ask Docker's."""
        current = self._reconciler.gateways()
        internal = {a.network_id for a in self._memory.attachments.values() if a.internal}
        for network_id in self._gateways - set(current):
            await self._names.gateway_down(network_id)
        for network_id, (path, addresses) in current.items():
            await self._names.gateway_up(network_id, str(path), addresses, internal=network_id in internal)
        self._gateways = set(current)

    async def _follow_newcomers(self) -> None:
        """The gateway may have changed after it was asked for and before the attachment was remembered.

        And a port that has come may have a floating IP.
        """
        while True:
            await self._reconciler.came.wait()
            self._reconciler.came.clear()
            await _attempt(self._check_modes)
            await _attempt(self._trunks.look)
            if self._taps.concerned():
                await _attempt(self._taps.look)
            await _attempt(self._announcer.look)

    async def _announce(self, collections: frozenset[str]) -> None:
        """ovn-controller announces as well, only later: what fails here holds up nobody."""
        if "floatingips" in collections:
            await _attempt(self._announcer.look)

    async def _follow_trunks(self, collections: frozenset[str]) -> None:
        """What runs goes on meanwhile, so what fails here holds up nobody."""
        if self._trunks.asks(collections):
            await _attempt(self._trunks.look)

    async def _refresh_modes(self, collections: frozenset[str]) -> None:
        if "networks" in collections:
            await self._check_modes()

    async def _refresh_taps(self, collections: frozenset[str]) -> None:
        """Where it fails, the next look is never far."""
        if self._taps.concerned(collections):
            await _attempt(self._taps.look)

    async def _refresh_metering(self, collections: frozenset[str]) -> None:
        self._metering.move(collections)

    async def _check_modes(self) -> None:
        """Whether a network that is here has another gateway or another MTU than before."""
        if self._memory.attachments:
            networks = modes.told(await self._api.list("networks", modes.FIELDS))
            await modes.follow(networks, self._memory, self._reconciler)

    async def _refresh_names(self, collections: frozenset[str]) -> None:
        """What has moved is asked for; after an error also what had moved before."""
        self._stale |= collections & {*FIELDS, "subnets"}
        if "subnets" in self._stale:
            self._names.take_servers(await self._api.list("subnets", SERVERS))
            self._stale.discard("subnets")
        for collection in sorted(self._stale):
            news = await self._api.since(collection, self._names.cursors[collection], FIELDS[collection])
            await self._names.take(collection, news)
            self._stale.discard(collection)

    def _quarantine(self) -> dict[str, str]:
        """Container -> why it is there."""
        known = self._memory.attachments
        reasons = self._docker.labels.reasons().items()
        return {known[id].name or runtimes.container_of(known[id]): why for id, why in reasons}

    def _status(self) -> dict[str, object]:
        return {
            "host": self._settings.host_name,
            "datapath": self._datapath,
            "attachments": sum(one.door != "ready" for one in self._memory.attachments.values()),
            "gateways": sorted(self._gateways),
            "docker": self._docker.status(),
            "quarantine": self._quarantine(),
            "ovs": self._switch.connected,
            "fastpath": self._fastpath.brief(),
            "looked_at": self._looked,
            "trouble": self._trouble or self._certificate,
        }


async def _attempt(action: Callable[[], Awaitable[None]]) -> str:
    """Why it failed; "" when it did not."""
    try:
        await action()
    except SealaneError as exc:
        _log.error("failed, to be tried again", action=action.__name__, error=str(exc))
        return str(exc)
    except Exception as exc:
        _log.exception("failed by a defect", action=action.__name__)
        return f"a defect: {exc!r}"
    return ""


def _facts(settings: Settings) -> Mapping[str, object]:
    """What the engine found out when it started ovs-vswitchd."""
    path = settings.run_dir / "datapath.json"
    try:
        facts = json.loads(path.read_text())
        return {key: facts[key] for key in ("kind", "switch", "address", "link")}
    except (OSError, ValueError, KeyError) as exc:
        raise Unavailable(f"{path} can't be read ({exc}); start the node with 'sealane node'") from exc


def _token(settings: Settings) -> str:
    if membership.is_remote(settings):
        return ""  # there the certificate says who we are
    try:
        return settings.admin_token_file.read_text().strip()
    except OSError:
        return ""  # on the API's unix socket root needs none


async def serve(settings: Settings, task: str = "run") -> None:
    """`task`: "run" until SIGTERM, or "withdraw" or "purge" and end."""
    agent = Agent(settings)
    if task != "run":
        await {"withdraw": agent.withdraw, "purge": agent.purge}[task]()
        return
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await agent.run(stop)


def main() -> None:
    settings = config.load().settings
    log.setup(settings.log_level, json=settings.log_json)
    failpoint.arm(settings.run_dir, "agent")
    # A thread that comes back from a netlink request waits this long for the event loop to let it go on:
    # with Python's 5 ms an attachment of 30 requests can take 100 ms beside a loop that has work to do.
    sys.setswitchinterval(_SWITCH)
    try:
        asyncio.run(serve(settings, *sys.argv[1:2]))
    except SealaneError as exc:
        raise SystemExit(f"sealane agent: {exc}") from exc


if __name__ == "__main__":
    main()
