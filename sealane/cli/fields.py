"""Attributes of the API as options of the command: data, from which create, set, add and unset are made.

    Field(option="--dns", key="dns_nameservers", read=address, many=True, …)

is `create --dns A --dns B`, `set --dns C` (is now exactly that), `add --dns D` and `unset --dns D|all`.
What a user typed is checked here as far as it can be without the API, so that the error names the option.
"""

import ipaddress
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import click

from sealane.cli.api import Api, Body
from sealane.cli.complete import Complete, names
from sealane.errors import BadRequest

MAC = re.compile(r"^[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}$")
ALL = "all"
"""What `unset` takes in place of a member."""


@dataclass(frozen=True)
class Scope:
    """Where names in options are looked up; each is "" where there is none."""

    api: Api
    network_id: str = ""
    project_id: str = ""


Read = Callable[[str, Scope], Any]
"""The value of the API for a text. Raises ValueError that says what to give."""

NEVER = object()


@dataclass(frozen=True, kw_only=True)
class Field:
    """One option; several may serve one key, their members are then put together.

    many: the attribute is a list (or, with `pairs`, a dictionary), the option may be repeated.
    empty: the value that `unset` gives; NEVER: it can't be unset.
    """

    option: str
    key: str
    help: str
    metavar: str = "TEXT"
    read: Read = lambda text, scope: text
    many: bool = False
    pairs: bool = False
    choices: tuple[str, ...] = ()
    create: bool = True
    change: bool = True
    empty: Any = NEVER
    merged: str = ""
    """The member's key, where the API keeps what a change does not name: it has to be told what goes."""
    lookup: bool = False
    """Reading it asks the API."""
    complete: Complete | None = None

    @property
    def switch(self) -> bool:
        """--this/--no-this, a boolean."""
        return "/" in self.option

    @property
    def parameter(self) -> str:
        """The name under which click hands the value over."""
        return self.option.split("/")[0].lstrip("-").replace("-", "_")

    def as_option(self, help: str = "", *, required: bool = False) -> click.Option:
        text = help or self.help
        if self.switch:
            return click.Option([self.option, self.parameter], default=None, help=text)
        kind = click.Choice(self.choices) if self.choices else click.STRING
        metavar = None if self.choices else self.metavar
        return click.Option(
            [self.option, self.parameter],
            type=kind,
            multiple=self.many,
            metavar=metavar,
            help=text,
            required=required,
            shell_complete=self.complete,
        )

    def convert(self, text: Any, scope: Scope) -> Any:
        """The value of what click handed over; of a repeated option one member."""
        if not isinstance(text, str):
            return text
        try:
            return self.read(text, scope)
        except ValueError as exc:
            raise click.BadParameter(str(exc), param_hint=self.option) from exc


DESCRIPTION = Field(option="--description", key="description", help="A text for people.", empty="")
TAG = Field(option="--tag", key="tags", many=True, change=False, help="A tag to find it by.")
"""At `create`; afterwards by `tag set` and `tag unset`."""


def reference(collection: str, option: str, key: str, help: str, **more: Any) -> Field:
    """An option that takes the name or id of a row of another collection, and gives its id.

    more: as of Field.
    """
    return Field(
        option=option,
        key=key,
        help=help,
        read=lambda text, scope: scope.api.find(collection, text)["id"],
        lookup=True,
        complete=names(collection),
        **more,
    )


def values_of(fields: Iterable[Field], given: Mapping[str, Any], scope: Scope) -> Body:
    """The body of a request of the options that were given."""
    body: Body = {}
    for field in fields:
        text = given.get(field.parameter)
        if text is None or text == ():
            continue
        if field.many:
            members = [field.convert(one, scope) for one in text]
            there = body.get(field.key, {} if field.pairs else [])
            body[field.key] = there | dict(members) if field.pairs else [*there, *members]
        else:
            body[field.key] = field.convert(text, scope)
    return body


def complete(fields: Iterable[Field], body: Body, old: Body) -> Body:
    """With what is to go from lists that the API merges with what is there."""
    for field in fields:
        if field.merged and field.key in body:
            named = {one[field.merged] for one in body[field.key]}
            gone = [{**one, "opt_value": None} for one in old[field.key] if one[field.merged] not in named]
            body[field.key] = [*body[field.key], *gone]
    return body


def check(fields: Iterable[Field], given: Mapping[str, Any], api: Api) -> None:
    """What can be said of the options without asking the API. Raises BadParameter."""
    values_of((field for field in fields if not field.lookup), given, Scope(api))


def without(old: Any, gone: Iterable[Any], field: Field) -> Any:
    """`old` less the members; raises BadRequest that names one that is not there."""
    if field.pairs:
        return {key: value for key, value in dict(old).items() if key not in set(gone)}
    left = list(old)
    for member in gone:
        fits = [one for one in left if _fits(one, member)]
        if not fits:
            told = ", ".join(_words(one) for one in old) or "none"
            raise BadRequest(f"{field.option} {_words(member)} is not there to be unset; there are: {told}")
        left = [one for one in left if one not in fits]
    return left


def joined(old: Any, new: Any) -> Any:
    """`old` and those of `new` that are not there."""
    if isinstance(new, dict):
        return old | new
    both = list(old)
    for member in new:
        if not any(_fits(one, member) for one in both):
            both.append(member)
    return both


def _fits(there: Any, wanted: Any) -> bool:
    """A member that is an object fits when what was given of it does."""
    if isinstance(there, dict) and isinstance(wanted, dict):
        return all(there.get(key) == value for key, value in wanted.items())
    return bool(there == wanted)


def _words(member: Any) -> str:
    return " ".join(map(str, member.values())) if isinstance(member, dict) else str(member)


# Readers. Each says in its error what would be right.


def address(text: str, scope: Scope) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError(f"'{text}' is no IP address; give it as 10.1.0.5 or fd00:1::5") from None


def address_or_none(text: str, scope: Scope) -> str | None:
    return None if text == "none" else address(text, scope)


def network(text: str, scope: Scope) -> str:
    """Of a subnet. Bits of the host part are a slip of the hand: the error says what was meant."""
    try:
        meant = ipaddress.ip_interface(text if "/" in text else "").network
    except ValueError:
        raise ValueError(f"'{text}' is no subnet; give it as 10.1.0.0/24 or fd00:1::/64") from None
    if ipaddress.ip_interface(text).ip != meant.network_address:
        raise ValueError(f"'{text}' has bits set behind the prefix; the subnet is {meant}")
    return str(meant)


def span(text: str, scope: Scope) -> str:
    """A subnet, or an address as one of its own."""
    if "/" in text:
        return network(text, scope)
    found = address(text, scope)
    return f"{found}/{128 if ':' in found else 32}"


def mac(text: str, scope: Scope) -> str:
    if not MAC.fullmatch(text):
        raise ValueError(f"'{text}' is no MAC address; give it as 02:42:0a:01:00:05")
    return text.lower().replace("-", ":")


def pool(text: str, scope: Scope) -> Body:
    first, dash, last = text.partition("-")
    if not dash:
        raise ValueError(f"'{text}' is no range; give it as FIRST-LAST, 10.1.0.10-10.1.0.99")
    return {"start": address(first.strip(), scope), "end": address(last.strip(), scope)}


def route(text: str, scope: Scope) -> Body:
    destination, equals, nexthop = text.partition("=")
    if not equals:
        raise ValueError(f"'{text}' is no route; give it as SUBNET=ADDRESS, 10.2.0.0/16=10.1.0.254")
    return {
        "destination": network(destination.strip(), scope),
        "nexthop": address(nexthop.strip(), scope),
    }


def pair(text: str, scope: Scope) -> Body:
    """ADDRESS or SUBNET, with =MAC when it is not the port's own."""
    given, equals, station = text.partition("=")
    found = network(given, scope) if "/" in given else address(given, scope)
    return {"ip_address": found, **({"mac_address": mac(station, scope)} if equals else {})}


def dhcp_option(text: str, scope: Scope) -> Body:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ValueError(f"'{text}' is no option; give it as NAME=VALUE, as ntp-server=10.1.0.5")
    return {"opt_name": name, "opt_value": value}


def fixed_address(text: str, scope: Scope) -> Body:
    return {"ip_address": address(text, scope)}


def fixed_subnet(text: str, scope: Scope) -> Body:
    within = {"network_id": scope.network_id} if scope.network_id else {}
    return {"subnet_id": scope.api.find("subnets", text, **within)["id"]}


def security_group(text: str, scope: Scope) -> str:
    """By its name in the project, or its id: every project has a group called default."""
    within = {"project_id": scope.project_id} if scope.project_id else {}
    return str(scope.api.find("security-groups", text, **within)["id"])


def label(text: str, scope: Scope) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ValueError(f"'{text}' is no label; give it as KEY=VALUE")
    return key, value


def dictionary(text: str, scope: Scope) -> Body:
    try:
        found = json.loads(text)
    except ValueError as exc:
        raise ValueError(f'it is not JSON ({exc}); give it as \'{{"key": "value"}}\'') from None
    if not isinstance(found, dict):
        raise ValueError('it is no JSON object; give it as \'{"key": "value"}\'')
    return found


def number(low: int, high: int) -> Read:
    def read(text: str, scope: Scope) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
            raise ValueError(f"'{text}' is no number of {low} to {high}")
        return int(text)

    return read


def policy(text: str, scope: Scope) -> str:
    """The id of a policy of quality of service. Raises NotFound, Conflict."""
    return str(scope.api.find("qos/policies", text)["id"])
