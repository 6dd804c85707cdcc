"""`extra_dhcp_opts` of ports: how they are given, and how an update changes them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sealane.api.convert import Schema, Type, integer, record
from sealane.model import DhcpOption
from sealane.translate import dhcp_options

MOST = 32


@dataclass(frozen=True, kw_only=True)
class WantedOption:
    """A member as it is given; without a value it takes the option away."""

    opt_name: str
    opt_value: str | None = None
    ip_version: int | None = None

    def option(self) -> DhcpOption:
        value, version = self.opt_value or "", self.ip_version or 4
        return DhcpOption(opt_name=self.opt_name, opt_value=value, ip_version=version)

    @property
    def key(self) -> tuple[str, int]:
        return _key(self.option())


def merged(old: Iterable[DhcpOption], wanted: Iterable[WantedOption]) -> tuple[DhcpOption, ...]:
    """What is not named stays, what has no value goes, as in Neutron."""
    named = {option.key for option in wanted}
    kept = (option for option in old if _key(option) not in named)
    return (*kept, *(w.option() for w in wanted if w.opt_value is not None))


def _key(option: DhcpOption) -> tuple[str, int]:
    return dhcp_options.known_name(option), option.ip_version


def _options(value: Any) -> tuple[WantedOption, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MOST:
        raise ValueError(f"it is to be a list of {MOST} options at most")
    found = tuple(map(_option, value))
    if len({option.key for option in found}) != len(found):
        raise ValueError("it holds the same option twice")
    return found


def _option(value: Any) -> WantedOption:
    found = record(value, "opt_name", "opt_value", "ip_version", required=("opt_name",))
    name, text, version = found["opt_name"], found.get("opt_value"), found.get("ip_version")
    if not isinstance(name, str) or not isinstance(text, str | None) or "opt_value" not in value:
        raise ValueError("opt_name and opt_value are to be strings; an opt_value of null takes it away")
    if version is not None and (version := _VERSION.convert(version)) == 5:
        raise ValueError("ip_version is to be 4 or 6")
    wanted = WantedOption(opt_name=name, opt_value=text, ip_version=version)
    if text is not None:
        dhcp_options.check(wanted.option())
    return wanted


_VERSION = integer(4, 6)
_SCHEMA: Schema = {
    "type": "array",
    "maxItems": MOST,
    "items": {
        "type": "object",
        "properties": {
            "opt_name": {"type": "string"},
            "opt_value": {"type": "string", "nullable": True},
            "ip_version": {"type": "integer", "enum": [4, 6]},
        },
    },
}
OPTIONS = Type(_options, _SCHEMA)
