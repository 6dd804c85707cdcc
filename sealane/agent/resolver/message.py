"""One DNS message in, a decision out. Pure, and it never raises whatever the bytes.

    Reply    ours: these bytes go back
    Forward  not ours: ask elsewhere with the same bytes
    None     no question at all (too short, or itself an answer): stay silent

Sources: RFC 1035 (format), RFC 2308 (NXDOMAIN and NODATA), RFC 6891 (EDNS), RFC 8020 (nothing below an
NXDOMAIN).  A name of ours that has no record of the type asked for is NODATA (NOERROR without answer),
never NXDOMAIN: a resolver that asks for AAAA beside A would otherwise give the name up.
"""

import ipaddress
import struct
from dataclasses import dataclass

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.reversename
import dns.rrset

from sealane.agent.resolver.zone import View, Zones

TTL = 10
"""Seconds. Short: a container of the same name may come back with another address at once."""

EDNS_PAYLOAD = 1232
"""Bytes in a UDP answer at most: passes every path unfragmented (DNS flag day 2020)."""

PLAIN_PAYLOAD = 512
STREAM_PAYLOAD = 65535
HEADER = struct.Struct("!HHHHHH")


@dataclass(frozen=True)
class Reply:
    wire: bytes


@dataclass(frozen=True)
class Forward:
    """single: the name has one label. servers: those of the view."""

    wire: bytes
    single: bool = False
    servers: tuple[str, ...] = ()


Decision = Reply | Forward | None


@dataclass(frozen=True)
class Door:
    """Who asks: the view, and the transport with its size limit."""

    view: View
    stream: bool = False


def decide(wire: bytes, zones: Zones, door: Door) -> Decision:
    """Answer from the zones, or pass on. Several addresses are shuffled by dnspython's renderer."""
    if len(wire) < HEADER.size or wire[2] & 0x80:
        return None
    try:
        query = dns.message.from_wire(wire, ignore_trailing=True)
    except (dns.exception.DNSException, ValueError, IndexError, struct.error, UnicodeError):
        return Reply(failure(wire, dns.rcode.FORMERR))
    if query.opcode() != dns.opcode.QUERY:
        return Reply(failure(wire, dns.rcode.NOTIMP))
    if len(query.question) != 1:
        return Reply(failure(wire, dns.rcode.FORMERR))
    if query.edns > 0:
        return Reply(_render(_blank(query, dns.rcode.BADVERS), query, door))
    return _decide(wire, query, zones, door)


def _decide(wire: bytes, query: dns.message.Message, zones: Zones, door: Door) -> Decision:
    question = query.question[0]
    if question.rdclass not in (dns.rdataclass.IN, dns.rdataclass.ANY):
        return _elsewhere(wire, query, door)
    name = question.name.to_text(omit_final_dot=True).lower()
    addresses = zones.lookup(door.view, name)
    if addresses is not None:
        return Reply(_render(_positive(query, addresses), query, door))
    if question.rdtype == dns.rdatatype.PTR:
        target = _owner(zones, door.view, question.name)
        if target is not None:
            response = _blank(query, dns.rcode.NOERROR)
            _add(response, question.name, dns.rdatatype.PTR, [target + "."])
            return Reply(_render(response, query, door))
    if name == door.view.suffix or name.endswith("." + door.view.suffix):
        return Reply(_render(_negative(query, door.view.suffix, name), query, door))
    return _elsewhere(wire, query, door)


def _elsewhere(wire: bytes, query: dns.message.Message, door: Door) -> Decision:
    """A view without a way out answers itself: a name of one label is known to nobody else, unless there are
    servers. REFUSED is what makes who asks go on to the next server that he knows."""
    single = len(query.question[0].name.labels) <= 2
    if door.view.forward:
        return Forward(wire, single, door.view.servers)
    rcode = dns.rcode.NXDOMAIN if single and not door.view.servers else dns.rcode.REFUSED
    return Reply(_render(_blank(query, rcode), query, door))


def _owner(zones: Zones, view: View, name: dns.name.Name) -> str | None:
    try:
        address = dns.reversename.to_address(name)
        return zones.reverse(view, str(ipaddress.ip_address(address)))
    except (dns.exception.DNSException, ValueError, IndexError):
        return None


def _positive(query: dns.message.Message, addresses: tuple[str, ...]) -> dns.message.Message:
    question = query.question[0]
    response = _blank(query, dns.rcode.NOERROR)
    for kind, version in ((dns.rdatatype.A, 4), (dns.rdatatype.AAAA, 6)):
        if question.rdtype in (kind, dns.rdatatype.ANY):
            family = [a for a in addresses if ipaddress.ip_address(a).version == version]
            _add(response, question.name, kind, family)
    return response


def _negative(query: dns.message.Message, suffix: str, name: str) -> dns.message.Message:
    """Below our suffix nobody else knows anything. The suffix itself exists and has no address."""
    response = _blank(query, dns.rcode.NOERROR if name == suffix else dns.rcode.NXDOMAIN)
    apex = dns.name.from_text(suffix)
    soa = f"ns.{suffix}. hostmaster.{suffix}. 1 3600 600 86400 {TTL}"
    response.authority.append(dns.rrset.from_text(apex, TTL, "IN", "SOA", soa))
    return response


def _blank(query: dns.message.Message, rcode: dns.rcode.Rcode) -> dns.message.Message:
    response = dns.message.make_response(query, recursion_available=True, our_payload=EDNS_PAYLOAD)
    if query.edns >= 0:
        response.use_edns(0, payload=EDNS_PAYLOAD)
    response.flags |= dns.flags.AA
    response.set_rcode(rcode)
    return response


def _add(
    response: dns.message.Message, name: dns.name.Name, kind: dns.rdatatype.RdataType, texts: list[str]
) -> None:
    if not texts:
        return
    records = [dns.rdata.from_text(dns.rdataclass.IN, kind, text) for text in texts]
    response.answer.append(dns.rrset.from_rdata_list(name, TTL, records))


def _render(response: dns.message.Message, query: dns.message.Message, door: Door) -> bytes:
    """Bytes within the asker's limit; what does not fit is emptied and marked TC: they come by TCP."""
    try:
        return response.to_wire(max_size=_limit(query, door))
    except dns.exception.TooBig:
        response.answer = []
        response.authority = []
        response.flags |= dns.flags.TC
        return response.to_wire(max_size=PLAIN_PAYLOAD)


def _limit(query: dns.message.Message, door: Door) -> int:
    if door.stream:
        return STREAM_PAYLOAD
    if query.edns < 0:
        return PLAIN_PAYLOAD
    return min(max(query.payload, PLAIN_PAYLOAD), EDNS_PAYLOAD)


def failure(wire: bytes, rcode: dns.rcode.Rcode) -> bytes:
    """A bare header with the asker's id, made without reading the rest of a message that is broken."""
    ident, flags = struct.unpack_from("!HH", wire)
    kept = flags & 0x7900  # opcode and RD
    return HEADER.pack(ident, 0x8080 | kept | int(rcode), 0, 0, 0, 0)


def refuse(wire: bytes, rcode: dns.rcode.Rcode) -> bytes:
    """An answer with the question repeated (libc drops one without it): SERVFAIL for a failed forward."""
    try:
        response = dns.message.make_response(dns.message.from_wire(wire), recursion_available=True)
        response.set_rcode(rcode)
        return response.to_wire(max_size=PLAIN_PAYLOAD)
    except (dns.exception.DNSException, ValueError, IndexError, struct.error, UnicodeError):
        return failure(wire, rcode)
