"""What an agent makes of ovn-controller's lines."""

from pathlib import Path

from sealane.agent import packet_log
from sealane.agent.packet_log import EACH, MOST, Tail, choose, parse

BEGIN = "2026-11-28T01:44:01.123Z|00013|acl_log(ovn_pinctrl0)|INFO|"
TCP = (
    'name="7d000000-0000-4000-8000-0000000000c1", verdict=allow, severity=info, direction=to-lport: '
    "tcp,vlan_tci=0x0000,dl_src=fa:16:3e:00:00:01,dl_dst=fa:16:3e:00:00:02,nw_src=10.0.0.1,nw_dst=10.0.0.2,"
    "nw_tos=0,nw_ecn=0,nw_ttl=64,nw_frag=no,tp_src=40000,tp_dst=80,tcp_flags=syn"
)
PING6 = (
    'name="drop-x", verdict=drop, severity=info, direction=from-lport: icmp6,vlan_tci=0x0000,'
    "dl_src=fa:16:3e:00:00:01,dl_dst=fa:16:3e:00:00:02,ipv6_src=fd00::1,ipv6_dst=fd00::2,ipv6_label=0x1,"
    "nw_tos=0,nw_ecn=0,nw_ttl=64,nw_frag=no,icmp_type=128,icmp_code=0"
)


def test_a_line_is_a_packet() -> None:
    assert parse(BEGIN + TCP) == {
        "acl": "7d000000-0000-4000-8000-0000000000c1",
        "verdict": "ACCEPT",
        "direction": "ingress",
        "protocol": "tcp",
        "mac": "fa:16:3e:00:00:02",
        "source": "10.0.0.1",
        "destination": "10.0.0.2",
        "source_port": 40000,
        "destination_port": 80,
    }
    found = parse(BEGIN + PING6)
    assert found is not None
    assert (found["protocol"], found["verdict"], found["direction"]) == ("icmp", "DROP", "egress")
    assert (found["mac"], found["source"], found["icmp_type"]) == ("fa:16:3e:00:00:01", "fd00::1", 128)


def test_other_lines_are_none() -> None:
    for line in (
        "",
        "2026-11-28T01:44:01Z|00001|vlog|INFO|opened log file acl.log",
        BEGIN + TCP.replace('"7d000000-0000-4000-8000-0000000000c1"', '"<unnamed>"').replace("nw_src", "x"),
        BEGIN + TCP[:80],
        BEGIN + 'name="x", verdict=allow, severity=info, direction=to-lport: arp,arp_spa=10.0.0.1',
    ):
        assert parse(line) is None, line


def test_one_that_says_much_does_not_silence_others() -> None:
    loud = [{"acl": "loud"}] * (MOST * 2)
    chosen, left = choose([*loud, {"acl": "low"}])
    assert (len(chosen), chosen[-1], left) == (EACH + 1, {"acl": "low"}, MOST * 2 - EACH)
    chosen, left = choose({"acl": str(n)} for n in range(MOST + 7))
    assert (len(chosen), left) == (MOST, 7)


def test_a_file_is_followed_from_its_end(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "acl.log"
    assert list(Tail(path).lines()) == []
    path.write_text("old\n")
    tail = Tail(path)
    with path.open("a") as file:

        def say(text: str) -> list[str]:
            file.write(text)
            file.flush()
            return list(tail.lines())

        assert say("new\nhal") == ["new"]
        assert say("f\n") == ["half"]
        monkeypatch.setattr(packet_log, "FULL", 10)
        assert say("more\n") == ["more"]
        assert path.stat().st_size == 0
        assert say("again\n") == ["again"]
    path.write_text("")  # by somebody else
    path.write_text("x\n")
    assert list(tail.lines()) == ["x"]
