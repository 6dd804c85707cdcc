"""Values, good and bad ones, that every attribute is tried with."""

from typing import Any

from tests.api.test_nonsense import UNKNOWN, VALUES

PAIR = {"ip_address": "10.0.0.1", "mac_address": "fa:16:3e:00:00:09"}
ROUTE = {"destination": "10.0.0.0/24", "nexthop": "10.0.0.1"}
POOL = {"start": "10.0.0.2", "end": "10.0.0.9"}

WORDS = [
    *("TRUE", "yes", "on", "off", "t", "no", " 4", "1500", "-1", "+5", "default", "az"),
    *("name\n", "name\t", " lead", "trail ", "\u200b", "host", "a.b", "a.b.", "A.B.", "-a", "a-", "a_b", "."),
    *("a..b", "xn--a.", "ü", "1", "1.2", "a" * 63, "a" * 64, "a" * 63 + ".", "slaac", "SLAAC", "normal"),
    *("direct", "dhcpv6-stateful", "dhcpv6-stateless", "prefix_delegation", UNKNOWN.upper()),
    *(
        "10.0.0.1",
        "FD00::A",
        "fd00::00a",
        "010.0.0.1",
        "127.0.0.1",
        "0.0.0.0",
        "255.255.255.255",
        "224.0.0.1",
    ),
    *("10.0.0.0/024", "10.0.0.0/255.255.255.0", "FD00::/64", "fd00:0::/64", "10.0.0.1/32", "::1/128"),
    *("10.0.0.5/24", "fd00::5/64"),
    *("224.0.0.0/24", "FA:16:3E:00:00:01", "fa163e000001", "fa16.3e00.0001", "01:00:5e:00:00:01"),
]
OPTION = {"opt_name": "ntp-server", "opt_value": "10.0.0.1"}

LISTS: list[list[Any]] = [
    *([OPTION], [OPTION] * 2, [{"opt_name": "ntp-server"}], [{**OPTION, "ip_version": "4"}]),
    *([{**OPTION, "ip_version": 6}], [{**OPTION, "ip_version": 5}], [{**OPTION, "opt_value": None}]),
    *([{**OPTION, "opt_value": ""}], [{**OPTION, "opt_value": "10.0.0.1\n"}], [{**OPTION, "x": 1}]),
    *([{"opt_name": "router", "opt_value": ""}], [{"opt_name": "", "opt_value": "a"}]),
    *([{"opt_name": "bootfile-name", "opt_value": "a" * 256}], [{"opt_name": "x" * 65, "opt_value": "a"}]),
    *([{"opt_name": "client-id", "opt_value": "1"}], [{"opt_name": 42, "opt_value": "10.0.0.1"}]),
    *(["10.0.0.53"], ["10.0.0.53"] * 2, ["fd00::1", "FD00::1"], ["10.0.0.300"], [" 10.0.0.1"], [""]),
    *(["dns.example"], ["az"], ["a", "a"], ["10.0.0.1", "fd00::1"], ["10.0.0.1", None]),
    *(
        [POOL],
        [POOL] * 2,
        [{"start": "10.0.0.2"}],
        [{**POOL, "x": 1}],
        [{"start": "10.0.0.9", "end": "10.0.0.2"}],
    ),
    *([{"start": "FD00::2", "end": "FD00::9"}], [{"start": "10.0.0.2", "end": "fd00::9"}]),
    *(
        [ROUTE],
        [ROUTE] * 2,
        [{**ROUTE, "destination": "10.0.0.5/24"}],
        [{**ROUTE, "destination": "0.0.0.0/0"}],
    ),
    *([{**ROUTE, "x": 1}], [{**ROUTE, "destination": "10.0.0.0"}], [{"destination": "10.0.0.0/24"}]),
    *([{**ROUTE, "nexthop": "x"}], [{"destination": "FD00::/64", "nexthop": "FD00::1"}]),
    *([PAIR], [PAIR] * 2, [{"ip_address": "10.0.0.1"}], [{"ip_address": "10.0.0.1"}] * 2),
    *([PAIR, {**PAIR, "mac_address": "FA:16:3E:00:00:09"}], [{**PAIR, "mac_address": "x"}]),
    *([{"mac_address": "fa:16:3e:00:00:09"}], [{"ip_address": "10.0.0.5/24"}], [{**PAIR, "x": 1}]),
    *([{"ip_address": ""}], [{"ip_address": "FD00::1"}], [{"ip_address": "10.0.0.0/24"}]),
    *([{"subnet_id": UNKNOWN}], [{"subnet_id": UNKNOWN}] * 2, [{"subnet_id": "x"}]),
    *(
        [{"subnet_id": UNKNOWN, "ip_address": "10.0.0.4"}],
        [{"subnet_id": UNKNOWN, "ip_address": "10.0.0.4"}] * 2,
    ),
    *([{"ip_address": "10.0.0.4", "extra": 1}], [{"subnet_id": None, "ip_address": "10.0.0.4"}]),
    *([{"subnet_id": UNKNOWN, "ip_address": None}], [{"subnet_id": UNKNOWN, "ip_address": ""}]),
]
CORPUS: list[Any] = [*VALUES, *WORDS, *LISTS, 4.0, {"a": 1}, {"a": {"b": 2}}]
