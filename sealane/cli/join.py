"""Become a node: from an address and a token to a certificate, in two conversations.

    1. GET  /v2.0/sealane/ca    trusting nobody: is it the authority that the token names, is the clock right
    2. POST /v2.0/sealane/join  trusting it: the token's secret and a request -> certificate

Nothing is written before all is there.
"""

import asyncio
import email.utils
import http.client
import ipaddress
import json
import socket
import ssl
import time
from dataclasses import dataclass
from typing import Any

from sealane import config
from sealane.cli.api import Api
from sealane.cli.tls import TlsConnection
from sealane.config import TLS_PORT, Settings
from sealane.engine import underlay
from sealane.errors import BadRequest, Conflict, HostError, SealaneError, Unavailable
from sealane.pki import files, node, read, request
from sealane.pki import token as tokens
from sealane.pki.token import JoinToken

PATIENCE = 8.0
"""Seconds that the central part may take to open its door: it opens with the first token."""
DEADLINE = 15.0
"""Seconds for one conversation."""
ANSWER = 65536
"""Bytes that are read of a stranger's answer."""
SKEW = 300.0
"""Seconds by which the clocks may differ: half of what certificates allow for."""


@dataclass(frozen=True)
class Central:
    host: str
    port: int

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"https://{host}:{self.port}"


def join(address: str, token: str, settings: Settings) -> str:
    """Returns the node's name. Raises BadRequest, Conflict, Unauthorized, Unavailable, HostError."""
    central, shown = parse_address(address), tokens.parse(token)
    if (settings.state_dir / "store" / "sealane.db").exists():
        raise Conflict(
            "this machine has a central part of its own; 'sealane down --purge' removes it with its networks"
        )
    own = _own_address(settings, central)
    _make_directories(settings)
    authority = _authority(central, shown)
    key, asked = request.make(settings.host_name)
    body = {"token_id": shown.id, "secret": shown.secret, "request": asked, "name": settings.host_name}
    given = _post(central, authority, {**body, "address": own})
    _keep(given, key, authority, central, settings)
    return settings.host_name


def _own_address(settings: Settings, central: Central) -> str:
    """At which the others shall reach this machine."""
    found = asyncio.run(underlay.find(settings.encap_ip)).address
    if found == underlay.FALLBACK and not settings.encap_ip:
        raise BadRequest(
            "this machine has no default route, so it is not clear at which address"
            f" {central.host} and the other hosts reach it; give it with --encap-ip"
        )
    return found


def _make_directories(settings: Settings) -> None:
    """Whether there is room for what comes is better known before the token is used."""
    try:
        for path in (settings.pki_dir, config.main_file().parent):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise HostError(f"{exc}; mend it and join again: the token is still good") from exc


def parse_address(text: str) -> Central:
    """ADDRESS, ADDRESS:PORT, [ADDRESS]:PORT, or a host name instead of the address. Raises BadRequest."""
    if "%" in text:
        raise BadRequest(f"'{text}' is no address for tunnels; give one that is not bound to a link")
    try:
        return Central(str(ipaddress.ip_address(text.strip("[]"))), TLS_PORT)
    except ValueError:
        host, colon, port = text.rpartition(":") if ":" in text else (text, "", "")
    host = host.removeprefix("[").removesuffix("]")
    number = int(port) if port.isascii() and port.isdigit() and len(port) < 6 else 0
    if (
        not host
        or any(not c.isalnum() and c not in "-.:" for c in host)
        or (colon and not 0 < number < 65536)
    ):
        raise BadRequest(f"'{text}' is no address; give what 'sealane token create' printed, as 192.0.2.1")
    return Central(host, number or TLS_PORT)


def _authority(central: Central, token: JoinToken) -> str:
    """The central authority's certificate, once it is the one that the token names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    date, raw = _fetch(central, context)
    found = _certificate(central, raw)
    if tokens.fingerprint(found) != token.fingerprint:
        raise BadRequest(
            f"{central.url} is not the central part that made the token: its authority's fingerprint differs."
            " Check the address and make a new token; if both are right, somebody is in between"
        )
    _check_clock(date)
    return found


def _fetch(central: Central, context: ssl.SSLContext) -> tuple[str, bytes]:
    """The answer's date and body; a door that opens just now is waited for."""
    end = time.monotonic() + PATIENCE
    while True:
        connection = TlsConnection(central.host, central.port, DEADLINE, context)
        try:
            connection.request("GET", "/v2.0/sealane/ca")
            response = connection.getresponse()
            return response.getheader("date", ""), response.read(ANSWER)
        except ConnectionRefusedError as exc:
            if time.monotonic() > end:
                raise Unavailable(
                    f"nobody listens at {central.url}; check the address, and that the token is not used up:"
                    " the central part listens only while a token is good or there are nodes"
                ) from exc
        except (OSError, http.client.HTTPException) as exc:
            raise _unreachable(central, exc) from exc
        finally:
            connection.close()
        time.sleep(0.1)


def _unreachable(central: Central, exc: Exception) -> Unavailable:
    if isinstance(exc, TimeoutError):
        return Unavailable(
            f"{central.url} does not answer; check the address, and that firewalls let TCP in there"
        )
    if isinstance(exc, socket.gaierror):
        return Unavailable(
            f"the name '{central.host}' is not known; give the address that 'sealane token create' printed"
        )
    if isinstance(exc, ssl.SSLError | http.client.HTTPException):
        return Unavailable(
            f"what answers at {central.url} is not Sealane's API ({exc}); check address and port"
        )
    return Unavailable(f"{central.url} can't be reached: {exc}; check the address and the network")


def _certificate(central: Central, raw: bytes) -> str:
    try:
        found = json.loads(raw)["ca"]["certificate"]
        tokens.fingerprint(found)
    except (ValueError, KeyError, TypeError, AttributeError, BadRequest) as exc:
        raise Unavailable(
            f"what answers at {central.url} is not Sealane's API; check address and port"
        ) from exc
    return str(found)


def _check_clock(date: str) -> None:
    """Certificates are judged by the clock, so better now than by a riddle later."""
    try:
        there = email.utils.parsedate_to_datetime(date).timestamp()
    except ValueError:
        return  # it says nothing of its clock
    off = time.time() - there
    if abs(off) > SKEW:
        way = "ahead of" if off > 0 else "behind"
        raise BadRequest(
            f"this machine's clock is {abs(off):.0f} s {way} the central machine's;"
            " set the one that is wrong (timedatectl set-ntp true) and join again: the token is still good"
        )


def _post(central: Central, authority: str, body: dict[str, str]) -> dict[str, Any]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=authority)
    api = Api(central.url, deadline=DEADLINE, tls=context)
    try:
        return api.request("POST", "/v2.0/sealane/join", {"join": body})
    except Unavailable as exc:
        again = "join again, with a new token if this one is used up by now"
        raise Unavailable(f"{exc.message}; {again}") from exc


def _keep(given: dict[str, Any], key: str, authority: str, central: Central, settings: Settings) -> None:
    """The settings last: with them the machine is a node."""
    try:
        certificate, southbound = str(given["join"]["certificate"]), str(given["join"]["southbound"])
        name = read.certificate(certificate).name
    except (KeyError, TypeError, SealaneError) as exc:
        raise Unavailable(
            f"{central.url} answered something that is no certificate; is it another version?"
        ) from exc
    if name != settings.host_name:
        raise Unavailable(f"{central.url} gave a certificate for '{name}', not for '{settings.host_name}'")
    values = {"host_name": name, "api_url": central.url, "ovn_remote": southbound}
    text = "# Written by `sealane node --join`.\n" + "".join(f'{k} = "{v}"\n' for k, v in values.items())
    path = config.joined_file(config.main_file())
    try:
        node.save(node.Directory(settings.pki_dir), key, certificate, authority)
        files.write(path, text)
    except OSError as exc:
        raise HostError(f"{exc}; the token is used up: mend it, and join again with a new one") from exc
