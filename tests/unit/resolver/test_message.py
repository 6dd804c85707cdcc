"""Decisions about DNS messages, without a socket."""

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealane.agent.resolver.message import Decision, Door, Forward, Reply, decide, refuse
from sealane.agent.resolver.zone import View, Zones

BLUE, GREEN = "net-blue", "net-green"
VIEW = View((BLUE,))


def zones() -> Zones:
    result = Zones()
    result.set(
        BLUE,
        {
            "web": ("10.0.0.2", "10.0.0.3"),
            "web.blue": ("10.0.0.2", "10.0.0.3"),
            "web.blue.sealane.internal": ("10.0.0.2", "10.0.0.3"),
            "six": ("fd00::6",),
            "big": tuple(f"10.1.0.{n}" for n in range(1, 120)),
            "my_app": ("10.0.0.9",),
        },
    )
    result.set(GREEN, {"web": ("172.16.0.1",), "only-green": ("172.16.0.2",)})
    return result


def ask(
    name: str, kind: str = "A", *, view: View = VIEW, edns: bool = False, stream: bool = False
) -> Decision:
    query = dns.message.make_query(name, kind, use_edns=0 if edns else False, payload=4096)
    return decide(query.to_wire(), zones(), Door(view, stream))


def parsed(decision: Decision) -> dns.message.Message:
    assert isinstance(decision, Reply)
    return dns.message.from_wire(decision.wire)


def answers(decision: Decision) -> list[str]:
    """Sorted: several addresses come in random order."""
    return sorted(record.to_text() for rrset in parsed(decision).answer for record in rrset)


@pytest.mark.parametrize("name", ["web", "WEB", "web.", "web.blue", "Web.Blue.sealane.INTERNAL."])
def test_every_spelling_of_a_name_is_answered(name: str) -> None:
    assert answers(ask(name)) == ["10.0.0.2", "10.0.0.3"]


def test_question_keeps_its_case() -> None:
    assert parsed(ask("wEb")).question[0].name.to_text() == "wEb."


def test_underscore_in_a_container_name() -> None:
    assert answers(ask("my_app")) == ["10.0.0.9"]


def test_addresses_are_spread() -> None:
    wire = dns.message.make_query("web", "A").to_wire()
    firsts = set()
    for _ in range(60):
        firsts.add(parsed(decide(wire, zones(), Door(VIEW))).answer[0][0].to_text())
    assert firsts == {"10.0.0.2", "10.0.0.3"}


@pytest.mark.parametrize(("name", "kind"), [("web", "AAAA"), ("six", "A"), ("web", "MX"), ("web", "HTTPS")])
def test_other_type_of_our_name_is_nodata(name: str, kind: str) -> None:
    response = parsed(ask(name, kind))
    assert response.rcode() == dns.rcode.NOERROR and not response.answer


def test_unknown_name_below_our_suffix_is_nxdomain_with_soa() -> None:
    response = parsed(ask("nobody.blue.sealane.internal"))
    assert response.rcode() == dns.rcode.NXDOMAIN
    assert response.authority[0].rdtype == dns.rdatatype.SOA


@pytest.mark.parametrize("name", ["example.com", "nobody", "nobody.blue"])
def test_what_is_not_ours_is_forwarded_unchanged(name: str) -> None:
    wire = dns.message.make_query(name, "A").to_wire()
    assert decide(wire, zones(), Door(VIEW)) == Forward(wire, single=name == "nobody")


def test_names_of_networks_outside_the_view_are_not_seen() -> None:
    assert isinstance(ask("only-green"), Forward)


def test_first_network_of_the_view_wins_and_nothing_is_mixed() -> None:
    assert answers(ask("web", view=View((GREEN, BLUE)))) == ["172.16.0.1"]


def test_pointer() -> None:
    assert answers(ask("2.0.0.10.in-addr.arpa", "PTR")) == ["web.blue.sealane.internal."]
    assert isinstance(ask("1.0.16.172.in-addr.arpa", "PTR"), Forward)


def test_internal_view_forwards_nothing() -> None:
    internal = View((BLUE,), forward=False)
    assert answers(ask("web", view=internal)) == ["10.0.0.2", "10.0.0.3"]
    assert parsed(ask("example.com", view=internal)).rcode() == dns.rcode.REFUSED
    assert parsed(ask("nobody", view=internal)).rcode() == dns.rcode.NXDOMAIN


@pytest.mark.parametrize("edns", [False, True])
def test_too_much_for_udp_is_truncated_and_whole_over_tcp(edns: bool) -> None:
    response = parsed(ask("big", edns=edns))
    assert response.flags & dns.flags.TC and not response.answer
    assert len(answers(ask("big", edns=edns, stream=True))) == 119


def test_edns_is_answered_with_edns_and_only_then() -> None:
    assert parsed(ask("web", edns=True)).edns == 0
    assert parsed(ask("web")).edns == -1


def test_future_edns_version_is_badvers() -> None:
    query = dns.message.make_query("web", "A", use_edns=1)
    assert parsed(decide(query.to_wire(), zones(), Door(VIEW))).rcode() == dns.rcode.BADVERS


def test_refusal_repeats_the_question() -> None:
    query = dns.message.make_query("example.com", "A")
    response = dns.message.from_wire(refuse(query.to_wire(), dns.rcode.SERVFAIL))
    assert response.question == query.question and response.id == query.id


@given(st.binary(max_size=600))
def test_any_bytes_never_raise(wire: bytes) -> None:
    decide(wire, zones(), Door(VIEW))


@given(st.binary(max_size=80), st.integers(0, 100))
def test_damaged_questions_never_raise(damage: bytes, at: int) -> None:
    wire = dns.message.make_query("web.blue", "ANY", use_edns=0).to_wire()
    broken = wire[:at] + damage + wire[at + len(damage) :]
    decide(broken, zones(), Door(VIEW))
    if len(broken) >= 12:
        refuse(broken, dns.rcode.SERVFAIL)
