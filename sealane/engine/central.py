"""The central part as data: our store, OVN's two databases, northd, the translator, the API and the gate."""

import sys
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from sealane.config import Settings
from sealane.engine import databases
from sealane.engine.command import run
from sealane.engine.health import Prints, Responds, Serves, Succeeds
from sealane.engine.process import Child
from sealane.pki.member import Member
from sealane.store import create as store

UPSTREAM = -7
"""The niceness of what ovn-northd and the nodes wait for: five times their share.  Whole networks that are
made anew are work for all at once; otherwise northd first carries out what is about to be mended."""

OVN = ("nb", "OVN_Northbound"), ("sb", "OVN_Southbound")


def children(settings: Settings) -> tuple[Child, ...]:
    return (
        _store(settings),
        *(_ovn_database(settings, short, name) for short, name in OVN),
        _northd(settings),
        _translator(settings),
        _api(settings),
        _gate(settings),
    )


def directories(settings: Settings) -> tuple[Path, ...]:
    return (settings.ovn_run_dir, settings.state_dir / "store", settings.state_dir / "ovn")


def _store(settings: Settings) -> Child:
    file, control = settings.state_dir / "store" / "sealane.db", settings.run_dir / "store.ctl"
    member = Member(settings.pki_dir)

    async def create() -> None:
        if settings.raft_address and not member.certificate.exists():
            await run(*python("sealane.pki.member"), str(member.directory), timeout=60.0)
        await store.create(file, settings.raft_address)

    async def convert() -> None:
        await store.convert(settings.store_remote)

    return Child(
        name="store",
        argv=server(
            file, settings.run_dir / "store.sock", control, *(member.options if settings.raft_address else ())
        ),
        before=create,
        ready=Serves(settings.run_dir / "store.sock", store.DATABASE),
        after=convert,
        # A member that met a full disk stays failed until its process is a new one.
        failed=Prints(("ovs-appctl", "-t", str(control), "cluster/status", store.DATABASE), "Status: failed"),
        nice=UPSTREAM,
    )


def _ovn_database(settings: Settings, short: str, database: str) -> Child:
    file = settings.state_dir / "ovn" / f"ovn{short}.db"
    socket = settings.ovn_run_dir / f"ovn{short}_db.sock"

    async def create() -> None:
        await databases.ensure_standalone(file, databases.OVN_SCHEMAS / f"ovn-{short}.ovsschema")

    return Child(
        name=f"ovn-{short}",
        argv=server(file, socket, settings.ovn_run_dir / f"ovn{short}_db.ctl", *REMOTES[short]),
        before=create,
        ready=Serves(socket, database),
        nice=UPSTREAM if short == "nb" else 0,
    )


REMOTES: Mapping[str, tuple[str, ...]] = {
    "nb": (),
    "sb": (
        "--remote=db:OVN_Southbound,SB_Global,connections",
        "--private-key=db:OVN_Southbound,SSL,private_key",
        "--certificate=db:OVN_Southbound,SSL,certificate",
        "--ca-cert=db:OVN_Southbound,SSL,ca_cert",
        "--ssl-protocols=db:OVN_Southbound,SSL,ssl_protocols",
    ),
}
"""The gate tells the southbound server by rows where to listen for it, and with which keys."""


def server(file: Path, socket: Path, control: Path, *more: str) -> tuple[str, ...]:
    """An ovsdb-server of one database on one unix socket."""
    return ("ovsdb-server", str(file), f"--remote=punix:{socket}", *more, f"--unixctl={control}", *OVS_LOG)


OVS_LOG = ("-vconsole:info", "-vsyslog:off", "-vfile:off")
"""To standard error, which is the child's log."""


def _northd(settings: Settings) -> Child:
    control = settings.ovn_run_dir / "ovn-northd.ctl"
    databases = (f"--ovnnb-db={settings.nb_remote}", f"--ovnsb-db={settings.sb_remote}")
    return Child(
        name="ovn-northd",
        argv=("ovn-northd", *databases, f"--unixctl={control}", *OVS_LOG),
        environ={"OVN_RUNDIR": str(settings.ovn_run_dir)},
        depends=("ovn-nb", "ovn-sb"),
        ready=Succeeds(("ovn-appctl", "-t", str(control), "version")),
    )


def _translator(settings: Settings) -> Child:
    """Nothing asks the translator anything: it is ready when it runs."""
    return Child(
        name="translator",
        argv=python("sealane.ovn.translator"),
        environ=environment(settings),
        depends=("store", "ovn-nb"),
        ready=always,
        nice=UPSTREAM,
    )


def _api(settings: Settings) -> Child:
    pki = settings.pki_dir

    async def certify() -> None:
        """At the first start, in a process of its own: what makes certificates takes 13 MiB."""
        if not (pki / "server.pem").exists():
            await run(*python("sealane.pki.central"), str(pki), str(settings.server_lifetime), timeout=60.0)

    return Child(
        name="api",
        argv=python("sealane.api.server"),
        before=certify,
        environ=environment(settings),
        depends=("store", "ovn-sb"),
        ready=Responds(settings.api_socket, "/v2.0"),
        fds=() if settings.api_listen_fd < 0 else (settings.api_listen_fd,),
    )


def _gate(settings: Settings) -> Child:
    """It listens for other hosts only while there may be some; its own socket always answers."""
    return Child(
        name="gate",
        argv=python("sealane.gate.server"),
        environ=environment(settings),
        depends=("store", "ovn-sb", "ovn-northd"),
        ready=Responds(settings.gate_socket, "/"),
    )


async def always() -> bool:
    return True


def python(module: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module)


def environment(settings: Settings) -> dict[str, str]:
    """All settings as the SEALANE_* variables that `config.load` reads."""
    return {f"SEALANE_{f.name.upper()}": _text(getattr(settings, f.name)) for f in fields(Settings)}


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)
