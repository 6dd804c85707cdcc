"""The link between gate and ovsdb-server: TLS on loopback, so that OVN's role-based access knows the node.

ovsdb-server takes the common name of a client's certificate for the chassis (ovsdb-server(1), `role` of a
remote).  The gate vouches for the node that it has let in: it mints a certificate of that name, from an
authority that lives in its memory alone and is another after each start.  The server's own files are in
RUN/gate; which they are, and where it listens, is told to it by rows of the southbound database.
"""

import os
import secrets
import ssl
from collections.abc import Iterable, Mapping
from pathlib import Path

from sealane import names
from sealane.errors import Unavailable
from sealane.ovsdb import operations as ops
from sealane.ovsdb.client import Client
from sealane.ovsdb.replica import Replica
from sealane.ovsdb.values import Named, Row
from sealane.pki import files, request
from sealane.pki.authority import Authority

LOOPBACK = "127.0.0.1"
TARGET = f"pssl:0:{LOOPBACK}"
"""The kernel chooses the port; Connection.status:bound_port tells it (ovn-sb(5))."""
ROLE = "ovn-controller"
PROBE = 30000
"""Milliseconds of silence after which the server looks whether the node is still there."""
LIFETIME = 86400
"""Seconds that a minted certificate is good for; it is looked at once, when its connection begins."""
SERVER_LIFETIME = 10 * 365 * 86400
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "SB_Global": ("connections",),
    "Connection": ("target", "external_ids", "status"),
}
_OURS = {names.OWNER_KEY: names.OWNER}


class Inner:
    """`replica` follows COLUMNS."""

    def __init__(self, client: Client, replica: Replica, directory: Path) -> None:
        self._client = client
        self._replica = replica
        self._directory = directory
        self._authority = Authority.make("sealane gate")

    async def open(self) -> None:
        """Have the server listen for us, with new keys. Raises Unavailable, OSError, OvsdbError."""
        paths = self._write_files()
        tls = {
            "private_key": str(paths["key"]),
            "certificate": str(paths["pem"]),
            "ca_cert": str(paths["ca"]),
            "ssl_protocols": "TLSv1.2",
            "external_ids": _OURS,
        }
        schema = self._client.schema
        made = [ops.insert(schema, "SSL", tls, name="tls")]
        ours = next((uuid for uuid, row in self._connections() if _is_ours(row)), None)
        if ours is None:
            row = {"target": TARGET, "role": ROLE, "inactivity_probe": PROBE, "external_ids": _OURS}
            made.append(ops.insert(schema, "Connection", row, name="ours"))
        await self._client.transact([*made, self._global(ours or Named("ours"), Named("tls"))])
        self._forget_files(*paths.values())

    async def close(self) -> None:
        """Have it listen no more. Raises Unavailable."""
        await self._client.transact([self._global(None, None)])
        self._forget_files()

    async def port(self, timeout: float) -> int:
        """Where the server listens. Raises Unavailable when it does not within `timeout` seconds."""
        while (found := self._bound_port()) is None:
            version = self._replica.version
            if await self._replica.changed(version, timeout) == version:
                raise Unavailable("the southbound database does not listen for the gate yet")
        return found

    def context(self, node: str) -> ssl.SSLContext:
        """With a certificate of the node's name."""
        key, asked = request.make(node)
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        made.load_verify_locations(cadata=self._authority.certificate_pem)
        certificate = self._authority.sign_node(asked, node, LIFETIME)
        with open(os.memfd_create("sealane-gate"), "w") as file:  # load_cert_chain takes nothing but a path
            file.write(key + certificate)
            file.flush()
            made.load_cert_chain(f"/proc/self/fd/{file.fileno()}")
        return made

    def _connections(self) -> Iterable[tuple[str, Row]]:
        return self._replica.tables["Connection"].items()

    def _bound_port(self) -> int | None:
        for _, row in self._connections():
            status = row["status"]
            if _is_ours(row) and isinstance(status, dict) and str(status.get("bound_port", "")).isdigit():
                return int(str(status["bound_port"]))
        return None

    def _global(self, connection: str | None, tls: Named | None) -> ops.Operation:
        """Connections of others stay; a row that nothing refers to is removed by the server."""
        kept = [uuid for uuid, row in self._connections() if not _is_ours(row)]
        wanted = {"connections": [*kept, *([connection] if connection else [])], "ssl": tls}
        for uuid in self._replica.tables["SB_Global"]:
            return ops.update(self._client.schema, "SB_Global", uuid, wanted)
        raise Unavailable("the southbound database is still empty: northd has not been there")

    def _write_files(self) -> dict[str, Path]:
        """Of new names each time: the server reads what is new to it."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        stem = secrets.token_hex(4)
        key, certificate = self._authority.issue_server(SERVER_LIFETIME)
        texts = {"key": key, "pem": certificate, "ca": self._authority.certificate_pem}
        paths = {kind: self._directory / f"{stem}.{kind}" for kind in texts}
        for kind, text in texts.items():
            files.write(paths[kind], text)
        return paths

    def _forget_files(self, *kept: Path) -> None:
        for path in self._directory.iterdir():
            if path not in kept:
                path.unlink(missing_ok=True)


def _is_ours(row: Row) -> bool:
    ids = row["external_ids"]
    return isinstance(ids, Mapping) and ids.get(names.OWNER_KEY) == names.OWNER
