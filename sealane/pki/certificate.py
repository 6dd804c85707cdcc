"""What a certificate says, as plain values: who, which one, from when to when, and when to renew it."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CENTRAL = "sealane-central"
"""Name in the central part's certificate; no node may have it."""
SKEW = 600
"""Seconds by which a certificate is valid before it was made: the clocks of two hosts differ a little."""


@dataclass(frozen=True)
class Certificate:
    name: str
    """The subject's common name."""
    serial: str
    """In hex, lower case, without leading zeros."""
    not_before: int
    not_after: int
    """Unix time."""

    @property
    def made(self) -> int:
        return self.not_before + SKEW

    @property
    def due(self) -> int:
        """Unix time from which it is to be renewed: two thirds of its life are over."""
        return self.not_after - (self.not_after - self.made) // 3


def of_peer(peer: Mapping[str, Any] | None) -> Certificate | None:
    """Of SSLObject.getpeercert(), which is empty unless the certificate was verified.

    None when there is none, or not exactly one common name.
    """
    if not peer:
        return None
    names = [value for rdn in peer["subject"] for key, value in rdn if key == "commonName"]
    if len(names) != 1:
        return None
    return Certificate(
        name=str(names[0]),
        serial=serial_text(int(peer["serialNumber"], 16)),
        not_before=int(ssl.cert_time_to_seconds(peer["notBefore"])),
        not_after=int(ssl.cert_time_to_seconds(peer["notAfter"])),
    )


def serial_text(serial: int) -> str:
    """The one spelling that is stored and compared."""
    return f"{serial:x}"
