"""What is on the host with our mark, read back from the kernel."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from sealane import names
from sealane.agent import gateway, inside, translation
from sealane.agent.facts import (
    MARK_BRIDGE,
    MARK_GATEWAY,
    MARK_LENT,
    MARK_PORT,
    MARK_TAP,
    Answers,
    Bridge,
    Copies,
    Fact,
    Gateway,
    Guard,
    Inside,
    Lent,
    Pair,
    Redirect,
    Rules,
    TapEntry,
    TapExit,
)
from sealane.agent.gateway import Where
from sealane.errors import NotFound
from sealane.host import answers, guard, link, mirror, netns, nft, tc
from sealane.host.netlink import Socket
from sealane.host.values import Table


def of(wanted: Iterable[Fact], where: Where, host: Socket) -> set[Fact]:
    """Of the facts that are wanted those that are there, and how they are; a few look-ups each."""
    found: set[Fact] = set()
    for fact in wanted:
        one = _one(fact, where, host)
        if one is not None:
            found.add(one)
    return found


def everything(wanted: Iterable[Fact], where: Where, host: Socket) -> set[Fact]:
    """All that bears our mark; `wanted` names the sandboxes into which to look."""
    links = {one.index: one for one in link.every(host)}
    found: set[Fact] = set()
    for one in links.values():
        if one.alias.startswith(MARK_PORT):
            found.add(Pair(one.name, one.alias, one.mtu))
            found.update(_redirect(host, one, links))
            found.update(_guards(host, one))
            found.update(_answers(host, one, links.values()))
            found.update(_copies(host, one, links))
        elif one.alias.startswith(MARK_TAP):
            found.add(Pair(one.name, one.alias, one.mtu))
            found.update(_tap_ends(host, one, links))
        elif one.alias.startswith(MARK_LENT):
            found.add(Lent(one.name, one.alias))
            found.update(_redirect(host, one, links))
            found.update(_copies(host, one, links))
        elif one.alias.startswith(MARK_BRIDGE):
            found.add(_as_bridge(one, links.values()))
    for network_id in sorted({*where.gateways(), *_gateways_of(links.values())}):
        found.update(_gateway(where, host, network_id))
    found.update(_rules("", where))
    found |= of((fact for fact in wanted if isinstance(fact, Inside)), where, host)
    return found


def _one(fact: Fact, where: Where, host: Socket) -> Fact | None:
    match fact:
        case Pair():
            found = link.find(host, fact.name)
            return None if found is None else Pair(found.name, found.alias, found.mtu)
        case Lent():
            found = link.find(host, fact.name)
            return None if found is None else Lent(found.name, found.alias)
        case Bridge():
            return _bridge(host, fact.name)
        case Redirect():
            return _is_redirected(host, fact)
        case Guard():
            index = link.index(host, fact.link)
            is_there = index is not None and guard.is_guarded(host, index, outward=fact.outward)
            return fact if is_there else None
        case Answers():
            learn, turn = link.index(host, fact.link), link.index(host, fact.turn)
            return None if learn is None or turn is None else _led(host, fact, learn, turn)
        case Copies() | TapEntry() | TapExit():
            return _tapping(host, fact)
        case Gateway():
            return gateway.find(where, host, fact.network_id)
        case Inside():
            return inside.find(fact)
        case Rules():
            return next(iter(_rules(fact.namespace, where)), None)
    return None


def _bridge(host: Socket, name: str) -> Bridge | None:
    found = link.find(host, name)
    return None if found is None else _as_bridge(found, link.every(host))


def _as_bridge(found: link.Link, links: Iterable[link.Link]) -> Bridge:
    ours = names.container_link("")
    members = (one.name for one in links if one.master == found.index and one.name.startswith(ours))
    return Bridge(found.name, found.alias, found.mtu, next(members, ""))


def _is_redirected(host: Socket, fact: Redirect) -> Fact | None:
    source, target = link.index(host, fact.source), link.index(host, fact.target)
    if source is None or target is None:
        return None
    return fact if tc.redirected_to(host, source) == target else None


def _redirect(host: Socket, source: link.Link, links: dict[int, link.Link]) -> Iterator[Redirect]:
    target = tc.redirected_to(host, source.index)
    if target is not None and target in links:
        yield Redirect(source.name, links[target].name)


def _guards(host: Socket, one: link.Link) -> Iterator[Guard]:
    for outward in (False, True):
        if guard.is_guarded(host, one.index, outward=outward):
            yield Guard(one.name, outward)


def _answers(host: Socket, one: link.Link, links: Iterable[link.Link]) -> Iterator[Answers]:
    """By the link that leads to the container; what the container sends may pass another one."""
    turn = names.turned_at(one.name)
    index = next((other.index for other in links if other.name == turn), None)
    if index is not None:
        found = _led(host, Answers(one.name, turn, turn != one.name, ""), one.index, index)
        if found is not None:
            yield found


def _led(host: Socket, asked: Answers, learn: int, turn: int) -> Answers | None:
    mac = answers.find(host, learn, turn, outward=asked.outward)
    return None if mac is None else replace(asked, mac=mac)


def _gateways_of(links: Iterable[link.Link]) -> Iterator[str]:
    """Networks of whose gateway the host has a link, be there a namespace or not."""
    for one in links:
        if one.alias.startswith(MARK_GATEWAY):
            yield one.alias.removeprefix(MARK_GATEWAY)


def _tapping(host: Socket, fact: Copies | TapEntry | TapExit) -> Fact | None:
    """As it is there; with other ends than are wanted it is another one."""
    index = link.index(host, fact.link)
    if index is None:
        return None
    if isinstance(fact, TapEntry):
        return fact if mirror.enters(host, index) else None
    if isinstance(fact, TapExit):
        there = mirror.leaves_to(host, index)
        return fact if there is not None and there == (link.index(host, fact.target), fact.mac) else None
    copied = mirror.copied_to(host, index, outward=fact.outward)
    if copied is None:
        return None
    same = set(copied) == {link.index(host, target) for target in fact.targets}
    return fact if same else replace(fact, targets=())


def _copies(host: Socket, one: link.Link, links: dict[int, link.Link]) -> Iterator[Copies]:
    for outward in (False, True):
        targets = mirror.copied_to(host, one.index, outward=outward)
        if targets is not None:
            names_ = sorted(links[target].name for target in targets if target in links)
            yield Copies(one.name, outward, tuple(names_) if len(names_) == len(targets) else ())


def _tap_ends(host: Socket, one: link.Link, links: dict[int, link.Link]) -> Iterator[Fact]:
    if mirror.enters(host, one.index):
        yield TapEntry(one.name)
    there = mirror.leaves_to(host, one.index)
    if there is not None and there[0] in links:
        yield TapExit(one.name, links[there[0]].name, there[1])


def _gateway(where: Where, host: Socket, network_id: str) -> Iterator[Fact]:
    found = gateway.find(where, host, network_id)
    if found is not None:
        yield found
        yield from _rules(names.gateway_namespace(network_id), where)


def _rules(namespace: str, where: Where) -> Iterator[Rules]:
    path = where.netns_dir / namespace if namespace else None
    if path is not None and not netns.exists(path):
        return
    try:
        digest = nft.loaded("inet", translation.TABLE, path)
    except NotFound:
        return
    if digest:
        yield Rules(namespace, digest, Table("inet", translation.TABLE, ""))
