"""The authorities as the API uses them, and the addresses at which other hosts find the central part."""

import asyncio

from sealane.config import TLS_PORT, Settings
from sealane.errors import Conflict, SealaneError, Unavailable


class Issuer:
    """What makes certificates is imported when it is first needed: it takes 13 MiB."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def authority(self) -> str:
        """The central authority's certificate, PEM. Raises Unavailable."""
        return await asyncio.to_thread(self._read_authority)

    async def sign(self, request: str, name: str) -> tuple[str, str]:
        """A certificate (PEM) and its serial number. Raises BadRequest, Unavailable."""
        return await asyncio.to_thread(self._sign, request, name)

    def address(self) -> str:
        """What to give to `sealane node --join`. Raises Conflict when there is no door for other hosts."""
        if self._settings.tls_endpoint is None:
            raise Conflict(
                "other hosts can't reach this API: set 'tls_bind' or 'encap_ip', and start it again"
            )
        host, port = _reachable(self._settings.tls_endpoint, self._settings)
        return host if port == TLS_PORT else f"{host}:{port}"

    def southbound(self) -> str:
        """What ovn-controller of another host connects to; empty where there is nothing."""
        if self._settings.southbound_endpoint is None:
            return ""
        host, port = _reachable(self._settings.southbound_endpoint, self._settings)
        return f"ssl:{host}:{port}"

    def _read_authority(self) -> str:
        from sealane.pki import central

        directory = central.Directory(self._settings.pki_dir)
        try:
            if not directory.is_complete():
                central.ensure(directory, self._settings.server_lifetime)
            return directory.central_ca.read_text()
        except (OSError, SealaneError) as exc:
            raise Unavailable(f"the certificate authority can't be used: {exc}") from exc

    def _sign(self, request: str, name: str) -> tuple[str, str]:
        from sealane.pki import central, read

        try:
            authority = central.node_authority(central.Directory(self._settings.pki_dir))
        except (OSError, SealaneError) as exc:
            raise Unavailable(f"the certificate authority can't be used: {exc}") from exc
        made = authority.sign_node(request, name, self._settings.certificate_lifetime)
        return made, read.certificate(made).serial


def _reachable(endpoint: tuple[str, int], settings: Settings) -> tuple[str, int]:
    """A listener on all addresses is reached at the one on the underlay."""
    host, port = endpoint
    host = settings.encap_ip if host in ("0.0.0.0", "::") and settings.encap_ip else host
    return f"[{host}]" if ":" in host else host, port
