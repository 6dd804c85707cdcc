"""What neutron-lib says of an attribute, and what the tables of `sealane.api` say, in one form."""

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from neutron_lib import constants
from neutron_lib import exceptions as neutron
from neutron_lib.api import definitions, validators
from oslo_config import cfg
from webob.exc import HTTPBadRequest

from sealane.api.app import KINDS
from sealane.api.attributes import CHOSEN, REQUIRED, Attribute
from sealane.api.documents import EXTENSIONS

CORE = ("network", "subnet", "subnetpool", "port")
KNOWN = (
    *CORE,
    "router",
    "floatingip",
    "address_group",
    "address_scope",
    "security_group",
    "security_group_rule",
)
"""Resources of which neutron-lib defines something; of security groups only what extensions added."""
REFUSED = "refused"

cfg.CONF.register_opts(  # Neutron's server has these with the same defaults; the validators read them
    [cfg.StrOpt("dns_domain", default="openstacklocal"), cfg.IntOpt("max_allowed_address_pair", default=10)]
)


@dataclass(frozen=True)
class Said:
    """One attribute, as one side describes it."""

    post: bool
    put: bool
    default: str
    filter: bool
    sort: bool


@cache
def neutron_attributes() -> dict[tuple[str, str], dict[str, Any]]:
    """(resource, attribute) -> definition: the core's, and those of the extensions that we advertise."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for module in _modules():
        for plural, attributes in (getattr(module, "RESOURCE_ATTRIBUTE_MAP", None) or {}).items():
            for name, definition in attributes.items():
                if plural.removesuffix("s") in KNOWN:
                    found.setdefault((plural.removesuffix("s"), name), {}).update(definition)
    return found


def _modules() -> Iterator[Any]:
    """The core first, then extensions, in an order in which what a later one says is what counts."""
    names = [m.name for m in pkgutil.iter_modules(definitions.__path__)]
    for name in (*CORE, *(n for n in names if n not in CORE and not n.startswith("_"))):
        module = importlib.import_module(f"neutron_lib.api.definitions.{name}")
        if name in CORE or getattr(module, "ALIAS", None) in EXTENSIONS:
            yield module


def known_extensions() -> dict[str, str]:
    """Alias -> name."""
    names = (m.name for m in pkgutil.iter_modules(definitions.__path__))
    modules = (importlib.import_module(f"neutron_lib.api.definitions.{n}") for n in names)
    return {alias: m.NAME for m in modules if (alias := getattr(m, "ALIAS", None))}


def our_attributes() -> dict[tuple[str, str], Attribute]:
    kinds = (kind for kind in KINDS if kind.singular in KNOWN)
    return {(kind.singular, a.name): a for kind in kinds for a in kind.attributes}


def neutrons(definition: dict[str, Any]) -> Said:
    return Said(
        post=definition["allow_post"],
        put=definition["allow_put"],
        default=_neutron_default(definition),
        filter=bool(definition.get("is_filter")),
        sort=bool(definition.get("is_sort_key")),
    )


def _neutron_default(definition: dict[str, Any]) -> str:
    if not definition["allow_post"]:
        return "none"
    if "default" not in definition:
        return "required"
    value = definition["default"]
    return "chosen" if value is constants.ATTR_NOT_SPECIFIED else _plain(value)


def ours(attribute: Attribute) -> Said:
    default = "none"
    if attribute.post:
        marks = {id(REQUIRED): "required", id(CHOSEN): "chosen"}
        default = marks.get(id(attribute.default)) or _plain(attribute.default)
    return Said(attribute.post, attribute.put, default, attribute.filter, attribute.filter)


def _plain(value: Any) -> str:
    return repr(list(value) if isinstance(value, tuple) else value)


def neutron_takes(definition: dict[str, Any], value: Any) -> Any:
    """The converted value, or REFUSED."""
    try:
        if "convert_to" in definition:
            value = definition["convert_to"](value)
        for rule, argument in definition.get("validate", {}).items():
            if validators.get_validator(rule)(value, argument):
                return REFUSED
    except (neutron.NeutronException, HTTPBadRequest):
        return REFUSED
    except (TypeError, ValueError, AttributeError, IndexError):  # a 500 there
        return REFUSED
    return value


def we_take(attribute: Attribute, value: Any) -> Any:
    try:
        return attribute.type.convert(value)
    except ValueError:
        return REFUSED
