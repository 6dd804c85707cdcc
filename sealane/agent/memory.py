"""What the agent must know after a restart and can't read back from the kernel.

Two JSON files, replaced atomically (rename(2)) at each change, so that a reader finds the old contents
or the new, never a part:

    agent.json         networks and pools of the local engine; synced (fsync(2)), as Docker remembers them
                       over a power cut and never tells them again; and what is to be attached again
    attachments.json   attachments, uplinks and taps; not synced, as no container outlives a power cut, and
                       each starts with several changes that would take some milliseconds each

Everything else is read back from what is there.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from sealane import failpoint, log
from sealane.agent.asked import AttachRequest
from sealane.agent.attachment import Attachment
from sealane.agent.tapping import TapHere

C = TypeVar("C")
V = TypeVar("V")
_log = log.get("memory")


@dataclass(frozen=True, kw_only=True)
class DockerNetwork:
    """A network of the local engine and the Sealane network that it stands for.

    Docker tells the driver neither again after a restart, so it is kept here.
    """

    docker_id: str
    network_id: str
    pools: tuple[str, ...] = ()  # ids of the pools (DockerPool) that belong to it
    internal: bool = False
    joined: bool = False  # it existed before (-o sealane.network): undoing its creation deletes nothing
    settled: bool = False  # seen in the engine's list, so DeleteNetwork is no undoing
    doomed: bool = False  # DeleteNetwork was told to remove the Sealane network, and has not ended
    name: str = ""  # of the network in that engine, once known
    options: Mapping[str, str] = field(default_factory=dict)  # the generic options of CreateNetwork


@dataclass(frozen=True, kw_only=True)
class DockerPool:
    """An answer of RequestPool that no CreateNetwork has taken yet."""

    pool_id: str
    cidr: str
    sub_pool: str = ""  # --ip-range
    subnet_pool: str = ""  # id of the subnet pool that it is of


@dataclass(frozen=True, kw_only=True)
class Wish:
    """That a container be attached whenever it runs (`sealane attach --persist`)."""

    id: str  # a UUID, also the attachment's
    container: str  # "docker:ID", "netns:blue"
    name: str  # of the container
    request: AttachRequest
    port_id: str
    ifname: str
    adopted: bool = False


@dataclass(kw_only=True)
class _Lasting:
    version: int = 1
    wishes: dict[str, Wish] = field(default_factory=dict)
    networks: dict[str, DockerNetwork] = field(default_factory=dict)
    pools: dict[str, DockerPool] = field(default_factory=dict)


@dataclass(kw_only=True)
class _Running:
    version: int = 1
    attachments: dict[str, Attachment] = field(default_factory=dict)
    uplinks: dict[str, int] = field(default_factory=dict)
    taps: dict[str, TapHere] = field(default_factory=dict)


class Memory:
    """The files in memory; every method that changes them returns after the file is written.

    `path` is that of agent.json; the other lies beside it.  Raises OSError when the disk refuses; the
    contents in memory are then the old ones.
    """

    def __init__(self, path: Path) -> None:
        self._lasting = _File(path, _Lasting, synced=True)
        self._running = _File(path.with_name("attachments.json"), _Running, synced=False)

    @property
    def attachments(self) -> Mapping[str, Attachment]:
        return self._running.contents.attachments

    @property
    def networks(self) -> Mapping[str, DockerNetwork]:
        """By Docker's network id."""
        return self._lasting.contents.networks

    @property
    def pools(self) -> Mapping[str, DockerPool]:
        """By pool id."""
        return self._lasting.contents.pools

    @property
    def wishes(self) -> Mapping[str, Wish]:
        return self._lasting.contents.wishes

    @property
    def uplinks(self) -> Mapping[str, int]:
        """Network id -> place of its gateway namespace in settings.uplink_pool."""
        return self._running.contents.uplinks

    @property
    def taps(self) -> Mapping[str, TapHere]:
        """What is to be copied here, by tap service."""
        return self._running.contents.taps

    def put_taps(self, taps: Mapping[str, TapHere]) -> None:
        """All of them, instead of those that there were."""
        for gone in self.taps.keys() - taps.keys():
            self._running.drop(self._running.contents.taps, gone)
        for id, tap in taps.items():
            self._running.set(self._running.contents.taps, id, tap)

    def put(self, attachment: Attachment) -> None:
        self._running.set(self._running.contents.attachments, attachment.id, attachment)

    def remove(self, attachment_id: str) -> None:
        self._running.drop(self._running.contents.attachments, attachment_id)

    def put_wish(self, wish: Wish) -> None:
        self._lasting.set(self._lasting.contents.wishes, wish.id, wish)

    def remove_wish(self, wish_id: str) -> None:
        self._lasting.drop(self._lasting.contents.wishes, wish_id)

    def put_network(self, network: DockerNetwork) -> None:
        self._lasting.set(self._lasting.contents.networks, network.docker_id, network)

    def remove_network(self, docker_id: str) -> None:
        self._lasting.drop(self._lasting.contents.networks, docker_id)

    def put_pool(self, pool: DockerPool) -> None:
        self._lasting.set(self._lasting.contents.pools, pool.pool_id, pool)

    def remove_pool(self, pool_id: str) -> None:
        self._lasting.drop(self._lasting.contents.pools, pool_id)

    def put_uplink(self, network_id: str, place: int) -> None:
        self._running.set(self._running.contents.uplinks, network_id, place)

    def remove_uplink(self, network_id: str) -> None:
        self._running.drop(self._running.contents.uplinks, network_id)


class _File(Generic[C]):
    def __init__(self, path: Path, kind: type[C], *, synced: bool) -> None:
        self._path = path
        self._synced = synced
        self.contents = _read(path, kind)

    def set(self, table: dict[str, V], key: str, value: V) -> None:
        old = table.get(key)
        if old != value:
            table[key] = value
            self._write_or_restore(table, key, old)

    def drop(self, table: dict[str, V], key: str) -> None:
        old = table.pop(key, None)
        if old is not None:
            self._write_or_restore(table, key, old)

    def _write_or_restore(self, table: dict[str, V], key: str, old: V | None) -> None:
        try:
            self._write()
        except OSError:
            if old is None:
                table.pop(key, None)
            else:
                table[key] = old
            raise

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with failpoint.effect("memory", f"draft {self._path.name}"):
            draft = self._draft()
        with failpoint.effect("memory", self._path.name):
            draft.rename(self._path)
            if self._synced:
                _sync_directory(self._path.parent)

    def _draft(self) -> Path:
        draft = self._path.with_suffix(".new")
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(msgspec.json.encode(self.contents))
            if self._synced:
                file.flush()
                os.fdatasync(file.fileno())
        return draft


def _sync_directory(path: Path) -> None:
    """Make a rename durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path, kind: type[C]) -> C:
    """The file's contents; a file that can't be decoded is set aside, and the agent starts anew."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return kind()
    except msgspec.MsgspecError as exc:
        aside = path.with_suffix(".damaged")
        with failpoint.effect("memory", aside.name):
            path.rename(aside)
        _log.error("the memory can't be read: starting anew", file=str(path), kept=str(aside), error=str(exc))
        return kind()
