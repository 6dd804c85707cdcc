"""Options as users type them."""

import pytest

from sealane.agent.docker import options as o
from sealane.errors import BadRequest


def of_network(**given: str) -> o.NetworkOptions:
    return o.network_options({o.GENERIC: given})


def test_aliases_and_keys_of_others() -> None:
    given = of_network(**{"neutron.net.uuid": "blue", "com.example.x": "1"})
    assert given == o.NetworkOptions(network="blue")
    assert of_network(**{"com.docker.network.driver.mtu": "1300"}).mtu == 1300


def test_whom_a_group_s_packets_reach() -> None:
    assert of_network().multicast_snooping is None
    assert of_network(**{"sealane.multicast": "snooping"}).multicast_snooping is True
    assert of_network(**{"sealane.multicast": "flooding"}).multicast_snooping is False


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"sealane.mut": "1400"}, "unknown option 'sealane.mut'; known: "),
        ({"sealane.mtu": "many"}, "not a number of bytes"),
        ({"sealane.mtu": "100"}, "from 576 to 65535"),
        ({"sealane.mtu": "١٤٠٠"}, "not a number"),
        ({"sealane.multicast": "yes"}, "neither snooping nor flooding"),
        ({"sealane.network": "blue", "sealane.multicast": "flooding"}, "belongs to a new network"),
        ({"sealane.gateway": "left"}, "host, router, docker, none"),
        ({"sealane.dns-domain": "a b"}, "no domain name"),
        ({"sealane.network": "../x"}, "neither an id nor a name"),
        ({"sealane.network": "blue", "sealane.mtu": "1400"}, "leave it out"),
        ({"sealane.network": "blue", "neutron.net.uuid": "red"}, "too"),
        ({"sealane.network": "blue", "sealane.router": "edge"}, "sealane.router belongs to a new network"),
        (
            {"sealane.gateway": "host", "sealane.router": "edge"},
            "sealane.gateway=host and sealane.router=edge",
        ),
        ({"sealane.router": "a b"}, "neither an id nor a name"),
        ({"sealane.project": ""}, "needs a text"),
    ],
)
def test_a_wrong_option_says_what_to_do(given: dict[str, str], says: str) -> None:
    with pytest.raises(BadRequest, match=says):
        of_network(**given)


def test_pools_of_a_new_network() -> None:
    assert o.pool_hint({"sealane.subnetpool": "low, low6"}).subnet_pools == ("low", "low6")
    assert o.pool_hint({}).subnet_pools == ()
    for wrong in (",", "a b", "a;b"):
        with pytest.raises(BadRequest, match="list of pools"):
            o.pool_hint({"sealane.subnetpool": wrong})
    with pytest.raises(BadRequest, match="belongs to a new network"):
        o.pool_hint({"sealane.subnetpool": "low", "sealane.network": "blue"})


def test_how_it_is_watched() -> None:
    given = {"sealane.tap": "watch, record:in", "sealane.log": "dropped", "sealane.metering": "shop"}
    asked = of_network(**given).watched
    assert (asked.taps, asked.log, asked.meters) == (("watch", "record:in"), "DROP", ("shop",))
    assert asked.labels() == {**given, "sealane.tap": "watch,record:in", "sealane.log": "DROP"}
    endpoint = o.endpoint_options({**given, "sealane.tap-port": "watch"}).watched
    assert endpoint.port() == {
        "sealane:taps": ["watch", "record:in"],
        "sealane:log": "DROP",
        "sealane:meters": ["shop"],
    }
    assert (endpoint.tap_port, o.Watched().port(), o.Watched().first()) == ("watch", {}, "")
    with pytest.raises(BadRequest, match=r"unknown option 'sealane\.tap-port'"):
        of_network(**{"sealane.tap-port": "watch"})


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"sealane.log": "some"}, "option 'sealane.log': 'some' is none of all, accepted, dropped"),
        ({"sealane.metering": ","}, "list of metering labels as shop,all"),
        ({"sealane.tap": "watch:up"}, "list of taps as watch"),
        ({"sealane.log": "all", "sealane.network": "blue"}, "sealane.log belongs to a new network"),
        ({"sealane.metering": "a", "sealane.network": "b"}, "sealane.metering belongs to a new network"),
        ({"sealane.metering": "a", "sealane.gateway": "none"}, "sealane.gateway=none and sealane.metering"),
        ({"sealane.metering": "a", "sealane.gateway": "docker"}, "nothing leaves where it is counted"),
    ],
)
def test_a_wrong_word_of_how_it_is_watched(given: dict[str, str], says: str) -> None:
    with pytest.raises(BadRequest, match=says):
        of_network(**given)


def test_what_is_internal_is_not_metered() -> None:
    with pytest.raises(BadRequest, match=r"--internal and sealane\.metering"):
        o.network_options({o.GENERIC: {"sealane.metering": "a"}, o.INTERNAL: True})
    with pytest.raises(BadRequest, match="no name of a tap"):
        o.endpoint_options({"sealane.tap-port": "a b"})


def test_internal_and_a_gateway_exclude_each_other() -> None:
    with pytest.raises(BadRequest, match="exclude"):
        o.network_options({o.GENERIC: {"sealane.gateway": "host"}, o.INTERNAL: True})
    with pytest.raises(BadRequest, match="--internal and sealane"):
        o.network_options({o.GENERIC: {"sealane.router": "edge"}, o.INTERNAL: True})


def test_a_service_by_an_endpoint_s_option() -> None:
    assert (
        o.endpoint_options({"sealane.service": "web:80, dns:53:5353/udp"}).service
        == "web:80, dns:53:5353/udp"
    )
    for wrong in ("web", "web:x", "Web:80", "web:80/icmp", ","):
        with pytest.raises(BadRequest, match="no list of NAME"):
            o.endpoint_options({"sealane.service": wrong})
    assert o.endpoint_options({"com.docker.network.portmap": [], "sealane.port": "x"}).port == "x"


def test_groups_of_a_network_and_of_an_endpoint() -> None:
    network = of_network(**{"sealane.security-groups": "web, db", "sealane.security-groups-by-label": "True"})
    assert (network.security_groups, network.by_label) == (("web", "db"), True)
    assert o.endpoint_options({"sealane.trunk": "all"}).trunk == "all"
    with pytest.raises(BadRequest, match=r"sealane\.port"):
        o.endpoint_options({"sealane.trunk": "all", "sealane.port": "x"})
    endpoint = o.endpoint_options({"sealane.security_groups": "web"})
    assert endpoint.security_groups == ("web",) and o.endpoint_options({}).security_groups is None
    for wrong in (",", "we b", "web;db"):
        with pytest.raises(BadRequest, match="list of groups"):
            o.endpoint_options({"sealane.security-groups": wrong})
    with pytest.raises(BadRequest, match="neither true nor false"):
        of_network(**{"sealane.security-groups-by-label": "yes"})
    with pytest.raises(BadRequest, match="belongs to a new network"):
        of_network(**{"sealane.network": "blue", "sealane.security-groups": "web"})


def test_mac_address_as_text_and_as_base64() -> None:
    assert o.mac_address("02:42:AC:11:00:02") == "02:42:ac:11:00:02"
    assert o.mac_address("AhEiM0RV") == "02:11:22:33:44:55"
    assert o.mac_address(None) == ""
    with pytest.raises(BadRequest):
        o.mac_address("02:42")


def test_published_ports() -> None:
    portmap = [{"Proto": 6, "Port": 80, "HostIP": "::", "HostPort": 0, "HostPortEnd": 0}]
    (wish,) = o.port_requests({o.PORTMAP: portmap})
    assert (wish.protocol, wish.host_ip, wish.host_port) == ("tcp", "::", 0)
    with pytest.raises(BadRequest, match="IP protocol 1 "):
        o.port_requests({o.PORTMAP: [{"Proto": 1, "Port": 80}]})
    with pytest.raises(BadRequest):
        o.port_requests({o.PORTMAP: [{"Proto": 6, "Port": 0}]})
