"""What a port offers: `sealane:services`, as people write it and as it is kept."""

import re
from typing import Any

from sealane.api.convert import Type, listing

OFFER = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?):([0-9]{1,5})(?::([0-9]{1,5}))?(?:/(tcp|udp|sctp))?")
"""NAME:PORT[:PORT][/PROTOCOL]"""


def to_offer(value: Any) -> str:
    """NAME:PORT[:PORT][/PROTOCOL], in full. Raises ValueError."""
    match = OFFER.fullmatch(value) if isinstance(value, str) else None
    numbers = (int(match[3]), int(match[4] or match[3])) if match else (0, 0)
    if match is None or not all(0 < number < 65536 for number in numbers):
        raise ValueError(f"'{value}' is no service: give NAME:PORT[:PORT][/tcp|/udp|/sctp], as web:80:8080")
    return f"{match[1]}:{numbers[0]}:{numbers[1]}/{match[5] or 'tcp'}"


SERVICES: Type = listing(to_offer, {"type": "string", "pattern": f"^{OFFER.pattern}$"}, 16)
