"""Carry out a plan in the kernel: links, redirections, gateways, rules.

Ensuring what is there already changes nothing; removing what is gone is no error.  A removal that
fails doesn't keep the others from being carried out.
"""

import errno
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import ParamSpec

from sealane import names
from sealane.agent import gateway, inside
from sealane.agent.facts import (
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
from sealane.errors import Conflict, HostError, NotFound, SealaneError
from sealane.host import answers, guard, link, mirror, netns, nft, offload, tap, tc
from sealane.host.netlink import Socket

P = ParamSpec("P")


def remove(doomed: Iterable[Fact], where: Where, host: Socket) -> None:
    """Raises the first error, after all have been tried."""
    facts = tuple(doomed)
    failures: list[SealaneError] = []
    _try(failures, _remove_links, [f for f in facts if isinstance(f, Pair | Bridge)], host)
    for fact in facts:
        if isinstance(fact, Lent):
            _try(failures, _give_back, fact, host)
        elif isinstance(fact, Guard):
            _try(failures, _remove_guard, fact, host)
        elif isinstance(fact, Answers):
            _try(failures, _remove_answers, fact, host)
        elif isinstance(fact, Copies):
            _try(failures, _remove_copies, fact, host)
        elif isinstance(fact, Gateway):
            _try(failures, gateway.remove, where, host, fact.network_id)
        elif isinstance(fact, Rules) and not fact.namespace:
            _try(failures, nft.delete, fact.table.family, fact.table.name)
    if failures:
        raise failures[0]


def ensure(facts: Iterable[Fact], where: Where, host: Socket) -> None:
    """Raises the first error, after all have been tried."""
    failures: list[SealaneError] = []
    for fact in facts:
        _try(failures, _ensure, fact, where, host)
    if failures:
        raise failures[0]


def refuse_foreign(facts: Iterable[Fact], host: Socket) -> None:
    """Before anything is done. Raises Conflict where a link of the host's own has a name asked for."""
    for fact in facts:
        if isinstance(fact, Pair):
            _refuse_pair(fact, link.find(host, fact.name))
        elif isinstance(fact, Bridge):
            _refuse_bridge(fact, link.find(host, fact.name))


def _refuse_pair(pair: Pair, there: link.Link | None) -> None:
    if there is not None and not there.alias.startswith(names.LINK_MARK):
        raise Conflict(f"the host has a link {pair.name} that is not Sealane's; remove it")


def _refuse_bridge(bridge: Bridge, there: link.Link | None) -> None:
    if there is not None and there.alias != bridge.mark:
        raise Conflict(f"the host has a bridge {bridge.name} that is not of this port; remove it")


def _ensure(fact: Fact, where: Where, host: Socket) -> None:
    match fact:
        case Pair():
            _ensure_pair(fact, where, host)
        case Lent():
            _borrow(fact, host)
        case Bridge():
            _ensure_bridge(fact, host)
        case Redirect():
            tc.redirect(host, _own_index(host, fact.source), _own_index(host, fact.target))
        case Guard():
            guard.guard(host, _own_index(host, fact.link), outward=fact.outward)
        case Answers():
            learn, turn = _own_index(host, fact.link), _own_index(host, fact.turn)
            answers.ensure(host, learn, turn, fact.mac, outward=fact.outward)
        case TapEntry():
            mirror.enter(host, _own_index(host, fact.link))
        case TapExit():
            mirror.leave(host, _own_index(host, fact.link), _own_index(host, fact.target), fact.mac)
        case Copies():
            targets = [_own_index(host, target) for target in fact.targets]
            mirror.copy(host, _own_index(host, fact.link), targets, outward=fact.outward)
        case Gateway():
            gateway.ensure(where, host, fact)
        case Inside():
            inside.ensure(host, fact)
        case Rules():
            nft.replace(fact.table, where.netns_dir / fact.namespace if fact.namespace else None)


def _ensure_pair(pair: Pair, where: Where, host: Socket) -> None:
    there = link.find(host, pair.name)
    if there is not None and there.alias == pair.mark:
        _resize(pair, there, where, host)
        return
    _refuse_pair(pair, there)
    if there is not None:
        # Another attachment's link of the same port: the container was started anew.
        link.delete(host, there.index)
    if pair.tap:
        tap.create(pair.name)
        link.mark(host, pair.name, pair.mtu, pair.mark)
    elif pair.in_switch:
        _add_switch_pair(pair, where, host)
    elif pair.into:
        _add_sandbox_pair(pair, host)
    else:
        far = link.End(pair.peer, pair.mtu, pair.mac)
        link.add_pair(host, link.End(pair.name, pair.mtu), far, pair.mark, up=True)
    if pair.both:
        link.set_up(host, _index(host, pair.peer), silent=True)
    if pair.finish:
        offload.transmit_checksums_off(host, pair.name)


def _resize(pair: Pair, there: link.Link, where: Where, host: Socket) -> None:
    """The far end first: by the near one it is seen what is left to do."""
    if pair.both:
        link.change(host, _index(host, pair.peer), mtu=pair.mtu)
    elif pair.in_switch:
        gateway.resize(where.switch, pair.peer, pair.mtu)
    elif pair.peer.startswith(names.container_link("")):
        waits = link.index(host, pair.peer)  # for its sandbox
        if waits is not None:
            link.change(host, waits, mtu=pair.mtu)
    link.change(host, there.index, mtu=pair.mtu)


def _borrow(fact: Lent, host: Socket) -> None:
    there = link.find(host, fact.name)
    if there is None:
        raise NotFound(f"the link {fact.name} vanished")
    if there.alias.startswith(names.LINK_MARK) and there.alias != fact.mark:
        raise Conflict(f"the link {fact.name} is in use by {there.alias}")
    link.label(host, there.index, fact.mark)


def _give_back(fact: Lent, host: Socket) -> None:
    """Its owner may have taken it away, or lent it for another port."""
    there = link.find(host, fact.name)
    if there is not None and there.alias == fact.mark:
        tc.let_go(host, there.index)
        link.label(host, there.index, "")


def _ensure_bridge(bridge: Bridge, host: Socket) -> None:
    there = link.find(host, bridge.name)
    _refuse_bridge(bridge, there)
    if there is None:
        link.add_bridge(host, bridge.name, bridge.mtu, bridge.mark)
    elif there.mtu != bridge.mtu:
        link.change(host, there.index, mtu=bridge.mtu)
    link.enslave(host, _index(host, bridge.member), _index(host, bridge.name))


def _add_switch_pair(pair: Pair, where: Where, host: Socket) -> None:
    socket = netns.inside(where.switch, Socket)
    try:
        with gateway.opened(where.switch) as switch:
            far = link.End(pair.peer, pair.mtu, namespace=switch)
            link.add_pair(host, link.End(pair.name, pair.mtu), far, pair.mark, up=True)
        link.set_up(socket, _index(socket, pair.peer), silent=True)
    finally:
        socket.close()


def _add_sandbox_pair(pair: Pair, host: Socket) -> None:
    """Raises NotFound (the sandbox), Conflict (it has another link of that name), HostError."""
    try:
        with gateway.opened(Path(pair.into)) as sandbox:
            far = link.End(pair.peer, pair.mtu, pair.mac, sandbox)
            link.add_pair(host, link.End(pair.name, pair.mtu), far, pair.mark, up=True)
    except HostError as exc:
        if isinstance(exc.__cause__, OSError) and exc.__cause__.errno == errno.EEXIST:
            raise inside.taken(pair.into, pair.peer) from exc
        raise


def _remove_links(doomed: list[Pair | Bridge], host: Socket) -> None:
    """In one go: the kernel's wait is then one for all.

    Only with the mark that was found: meanwhile the name may have gone to another attachment. Never without
    one: a name that was asked for may be that of a link of the host's own.
    """
    ours = [fact for fact in doomed if fact.mark.startswith(names.LINK_MARK)]
    found = [(fact, link.find(host, fact.name)) for fact in ours]
    link.delete(host, *(one.index for fact, one in found if one is not None and one.alias == fact.mark))


def _remove_guard(fact: Guard, host: Socket) -> None:
    """With its link it goes by itself."""
    index = link.index(host, fact.link)
    if index is not None:
        guard.unguard(host, index, outward=fact.outward)


def _remove_answers(fact: Answers, host: Socket) -> None:
    learn, turn = link.index(host, fact.link), link.index(host, fact.turn)
    if learn is not None and turn is not None:
        answers.remove(host, learn, turn, outward=fact.outward)


def _remove_copies(fact: Copies, host: Socket) -> None:
    index = link.index(host, fact.link)
    if index is not None:
        mirror.uncopy(host, index, outward=fact.outward)


def _own_index(socket: Socket, name: str) -> int:
    """A link of ours that could not be made is not to be mistaken for one of the host's with its name."""
    found = link.find(socket, name)
    if found is None or not found.alias.startswith(names.LINK_MARK):
        raise NotFound(f"the link {name} vanished")
    return found.index


def _index(socket: Socket, name: str) -> int:
    found = link.index(socket, name)
    if found is None:
        raise NotFound(f"the link {name} vanished")
    return found


def _try(failures: list[SealaneError], action: Callable[P, None], *args: P.args, **options: P.kwargs) -> None:
    try:
        action(*args, **options)
    except SealaneError as exc:
        failures.append(exc)
