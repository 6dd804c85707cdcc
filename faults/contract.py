"""The calls of the drivers as nobody should make them: again, empty, cut off, late, out of order, at once.

Made at the plugin's socket, for endpoints that the engine knows nothing of: whatever is left of them is the
agent's to collect.  A call has one of three ends: an answer, a refusal (`Err`), or no answer at all.
"""

import http.client
import json
import random
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from faults.ask import Connection, ask
from faults.life import HOME
from faults.site import CENTRAL, Site
from faults.strikes import Striker
from faults.table import Case

SOCKET = "/run/docker/plugins/sealane.sock"
PROMISE = 13.0
"""Seconds within which every call is answered, also while the agent is away."""
TIMES = 3
SHUFFLES = 30
CROWD = 16
Body = dict[str, Any]

BROKEN: Mapping[str, Callable[[bytes], bytes]] = {
    "empty": lambda body: b"",
    "empty object": lambda body: b"{}",
    "truncated by one byte": lambda body: body[:-1],
    "truncated in the middle": lambda body: body[: len(body) // 2],
    "not JSON": lambda body: b"\xff\x00" + body,
    "a list": lambda body: b"[" + body + b"]",
    "numbers for texts": lambda body: json.dumps(dict.fromkeys(json.loads(body), 7)).encode(),
}


@dataclass
class Answer:
    refused: str
    body: Body
    seconds: float


@dataclass
class Endpoint:
    """The calls for one container on the network HOME, in dockerd's order."""

    site: Site
    network: str
    pool: str
    address: str
    id: str = field(default_factory=lambda: secrets.token_hex(32))

    def calls(self) -> list[tuple[str, Body]]:
        """The address is asked for by value: so the same call asks for the same."""
        ref = {"NetworkID": self.network, "EndpointID": self.id}
        bare = self.address.split("/")[0]
        face = {"Address": self.address, "AddressIPv6": "", "MacAddress": ""}
        sandbox = f"/var/run/docker/netns/{self.id[:12]}"
        ports = {"com.docker.network.portmap": [{"Proto": 6, "Port": 80, "HostPort": 0}]}
        address = {"PoolID": self.pool, "Address": bare}
        return [
            ("IpamDriver.RequestAddress", {**address, "Options": None}),
            ("NetworkDriver.CreateEndpoint", {**ref, "Interface": face, "Options": {}}),
            ("NetworkDriver.EndpointOperInfo", ref),
            ("NetworkDriver.Join", {**ref, "SandboxKey": sandbox, "Options": {}}),
            ("NetworkDriver.ProgramExternalConnectivity", {**ref, "Options": ports}),
            ("NetworkDriver.RevokeExternalConnectivity", ref),
            ("NetworkDriver.Leave", ref),
            ("NetworkDriver.DeleteEndpoint", ref),
            ("IpamDriver.ReleaseAddress", address),
        ]


class Contract:
    """Each method is a campaign; every case ends with nothing left."""

    def __init__(self, site: Site, striker: Striker) -> None:
        self._site = site
        self._striker = striker
        self._socket = site.path(CENTRAL, SOCKET)
        api = site.lab.plan.api_socket
        (network,) = ask(api, "GET", f"/v2.0/networks?name={HOME}")[1]["networks"]
        (subnet,) = ask(api, "GET", f"/v2.0/subnets?network_id={network['id']}")[1]["subnets"]
        records = json.loads(site.path(CENTRAL, "/var/lib/sealane/agent.json").read_text())["networks"]
        self._docker_id = next(key for key, r in records.items() if r["network_id"] == network["id"])
        self._pool = subnet["id"]
        self._next = iter(range(100, 250))

    def campaign(self) -> Iterator[Case]:
        yield from self.repeated()
        yield from self.networks_repeated()
        yield from self.broken()
        yield self.shuffled()
        yield self.crowd()
        yield self.late()

    def repeated(self) -> Iterator[Case]:
        """One after the other, and at once: the same answer each time."""
        for fault, at_once in (("each call three times", False), ("each call three times at once", True)):
            case, endpoint = Case(fault, "", calls=0), self._endpoint()
            for method, body in endpoint.calls():
                answers = self._times(method, body, at_once)
                case.calls += len(answers)
                self._note(case, answers)
                if any(a.refused for a in answers):
                    case.refused = f"{method}: {next(a.refused for a in answers if a.refused)}"
                if len({json.dumps(a.body, sort_keys=True) for a in answers}) > 1:
                    case.wrong = f"{method} was answered differently"
            yield self._striker.judge(case)

    def networks_repeated(self) -> Iterator[Case]:
        for fault, at_once in (("each call three times", False), ("each call three times at once", True)):
            case = Case(fault, "of a network", calls=0)
            pool = self._call("IpamDriver.RequestPool", _pool_request()).body
            network = secrets.token_hex(32)
            for method, body in _network_calls(network, pool):
                answers = self._times(method, body, at_once)
                case.calls += len(answers)
                self._note(case, answers)
                if any(a.refused for a in answers):
                    case.refused = f"{method}: {next(a.refused for a in answers if a.refused)}"
            yield self._striker.judge(case)

    def broken(self) -> Iterator[Case]:
        """Refused, whatever there is; and nothing changes, so the whole story goes well afterwards."""
        for name, breaks in BROKEN.items():
            case, endpoint = Case("each call broken", name, calls=0), self._endpoint()
            for method, body in endpoint.calls():
                answer = self._raw(method, breaks(json.dumps(body).encode()))
                case.calls += 1
                self._note(case, [answer])
                if not answer.refused:
                    case.wrong = f"{method}, {name}, was answered {answer.body}"
                whole = self._call(method, body)
                if whole.refused:
                    case.wrong = f"{method} was refused after it had come {name}: {whole.refused}"
            case.calls += self._cut_off(case, endpoint)
            yield self._striker.judge(case)

    def shuffled(self) -> Case:
        """Any order, ends with the calls that take everything back. Join needs an endpoint."""
        case, dice = Case("calls out of order", f"{SHUFFLES} orders", calls=0), random.Random(1)
        for _ in range(SHUFFLES):
            calls = self._endpoint().calls()
            order = dice.sample(calls, len(calls))
            there = False
            for method, body in [*order, *calls[-4:]]:
                answer = self._call(method, body)
                case.calls += 1
                self._note(case, [answer])
                needs = method.endswith((".Join", ".ProgramExternalConnectivity"))
                if needs and not there and not answer.refused:
                    case.wrong = f"{method} without an endpoint"
                if method.endswith("CreateEndpoint") and not answer.refused:
                    there = True
                if method.endswith("DeleteEndpoint"):
                    there = False
        return self._striker.judge(case)

    def crowd(self) -> Case:
        """Many endpoints at once, none of which is taken back."""
        case = Case("many endpoints at once, and forgotten", f"{CROWD} of them", calls=0)
        everyone = [self._endpoint() for _ in range(CROWD)]
        with ThreadPoolExecutor(CROWD) as pool:
            for answers in pool.map(lambda e: [self._call(*call) for call in e.calls()[:5]], everyone):
                case.calls += len(answers)
                self._note(case, answers)
                case.refused = case.refused or next((a.refused for a in answers if a.refused), "")
        return self._striker.judge(case)

    def late(self) -> Case:
        """A request that comes in two halves; calls after all is collected: none finds what is not there."""
        case, endpoint = Case("calls late", "", calls=0), self._endpoint()
        calls = endpoint.calls()
        for method, body in calls[:2]:
            self._note(case, [self._raw(method, json.dumps(body).encode(), pause=3.0)])
            case.calls += 1
        self._striker.settle(case)  # the engine does not have it: collected
        for method, body in calls[2:]:
            answer = self._call(method, body)
            case.calls += 1
            self._note(case, [answer])
            if method.endswith((".Join", ".ProgramExternalConnectivity")) and not answer.refused:
                case.wrong = f"{method} for an endpoint that is gone"
        return self._striker.judge(case)

    def _endpoint(self) -> Endpoint:
        address = f"10.81.0.{next(self._next)}/24"
        return Endpoint(self._site, self._docker_id, self._pool, address)

    def _times(self, method: str, body: Body, at_once: bool) -> list[Answer]:
        if not at_once:
            return [self._call(method, body) for _ in range(TIMES)]
        with ThreadPoolExecutor(TIMES) as pool:
            return list(pool.map(lambda _: self._call(method, body), range(TIMES)))

    def _cut_off(self, case: Case, endpoint: Endpoint) -> int:
        """Half of the bytes that were announced, then the connection ends: it does not count as a call."""
        for method, body in endpoint.calls():
            raw = json.dumps(body).encode()
            connection = Connection(self._socket, PROMISE)
            connection.putrequest("POST", f"/{method}")
            connection.putheader("Content-Length", str(len(raw)))
            connection.endheaders(raw[: len(raw) // 2])
            connection.close()
        return len(endpoint.calls())

    def _call(self, method: str, body: Body) -> Answer:
        return self._raw(method, json.dumps(body).encode())

    def _raw(self, method: str, raw: bytes, pause: float = 0.0) -> Answer:
        """`pause`: seconds between the two halves of the body."""
        begin = time.monotonic()
        connection = Connection(self._socket, 60.0)
        try:
            connection.putrequest("POST", f"/{method}", skip_host=True)
            connection.putheader("Host", "")
            connection.putheader("Content-Length", str(len(raw)))
            connection.endheaders(raw[: len(raw) // 2])
            time.sleep(pause)
            connection.send(raw[len(raw) // 2 :])
            body = json.loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError) as exc:
            return Answer(f"no answer: {exc!r}", {}, time.monotonic() - begin)
        finally:
            connection.close()
        return Answer(str(body.get("Err", "")), body, time.monotonic() - begin - pause)

    def _note(self, case: Case, answers: list[Answer]) -> None:
        case.slowest = round(max([case.slowest, *(a.seconds for a in answers)]), 2)
        if any(a.seconds > PROMISE for a in answers):
            case.hung = f"a call took {case.slowest:g} s"


def _pool_request() -> Body:
    return {"AddressSpace": "sealane", "Pool": "10.82.0.0/24", "SubPool": "", "Options": None, "V6": False}


def _network_calls(network: str, pool: Body) -> list[tuple[str, Body]]:
    gateway = {
        "PoolID": pool["PoolID"],
        "Address": "",
        "Options": {"RequestAddressType": "com.docker.network.gateway"},
    }
    data = {"AddressSpace": "sealane", "Pool": pool["Pool"], "Gateway": "10.82.0.1/24"}
    made = {"NetworkID": network, "Options": {}, "IPv4Data": [data], "IPv6Data": []}
    return [
        ("IpamDriver.RequestAddress", gateway),
        ("NetworkDriver.CreateNetwork", made),
        ("IpamDriver.ReleaseAddress", {"PoolID": pool["PoolID"], "Address": "10.82.0.1"}),
        ("IpamDriver.ReleasePool", {"PoolID": pool["PoolID"]}),
        ("NetworkDriver.DeleteNetwork", {"NetworkID": network}),
    ]
