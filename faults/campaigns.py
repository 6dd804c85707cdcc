"""The campaigns by name; each yields its cases. `every`: of the points, only each so-manieth is tried."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from faults import life
from faults.ask import ask
from faults.contract import Contract
from faults.site import CENTRAL, HOSTS, PATIENCE, Site, until
from faults.strikes import Striker, call_of, points
from faults.table import Case
from sealane.failpoint import AFTER, BEFORE, Plan
from sealane.lab import readiness
from tests.e2e.docker.engines import IMAGE, Engine

CENTRAL_PARTS = ("api", "store", "ovn-nb", "ovn-sb", "ovn-northd", "translator", "gate")
NODE_PARTS = ("ovs-db", "ovs-vswitchd", "ovn-controller", "porter")
OTHERS = (*CENTRAL_PARTS, *NODE_PARTS, "dockerd")
HUNG = ("api", "store", "ovs-db")
ATTACHED, KILLS, BATCH = 200, 10, 8
RACES = 10
BUSY = "busy"
"""A network that stays for a campaign: the network of a life must be gone after each."""
REMOTE = ("gate", "api", "ovn-sb", "ovn-controller", "porter")


class Campaigns:
    def __init__(self, site: Site, every: int = 1) -> None:
        self.site = site
        self.every = every
        self.striker = Striker(site)
        self.one, self.two = (Engine(site.lab, host) for host in HOSTS)

    def named(self) -> Mapping[str, Callable[[], Iterator[Case]]]:
        return {
            "contract": self.contract,
            "agent": self.agent,
            "api": lambda: self.own("api"),
            "translator": lambda: self.own("translator"),
            "parts": self.parts,
            "live-restore": self.live_restore,
            "supervisor": self.supervisor,
            "remote": self.remote,
            "join": self.join,
            "hang": self.hang,
            "away": self.away,
            "power": self.power,
            "last": self.last_address,
            "crowd": self.two_hundred,
        }

    def contract(self) -> Iterator[Case]:
        yield from Contract(self.site, self.striker).campaign()

    def agent(self) -> Iterator[Case]:
        """Before each of its side effects, and after each answer."""
        effects = self.striker.count()
        for number, effect in self._some(list(enumerate(effects, 1))):
            yield self.striker.kill(number, f"{effect} in {call_of(effects, number)}")
        answers = [(n, e) for n, e in enumerate(effects, 1) if e.startswith("answer ")]
        for number, effect in self._some(answers):
            yield self.striker.kill(number, effect, AFTER)

    def own(self, process: str) -> Iterator[Case]:
        """Before and after each of its side effects."""
        effects = self.striker.count(process)
        for number, effect in self._some(list(enumerate(effects, 1))):
            for when in (BEFORE, AFTER):
                yield self.striker.kill(number, effect, when, process)

    def parts(self, fault: str = "") -> Iterator[Case]:
        """In and after each driver call, one part after the other."""
        found = points(self.striker.count())
        for part in OTHERS if not fault else ("dockerd",):
            if part in self.site.parts(CENTRAL):
                for number, when, point in self._some(found):
                    case = self.striker.kill_other(part, number, point, when)
                    case.fault = fault or case.fault
                    yield case

    def live_restore(self) -> Iterator[Case]:
        with self._live_restore():
            yield from self.parts("dockerd with live-restore killed at each driver call")

    def supervisor(self) -> Iterator[Case]:
        """It and all parts of host1 with it."""
        for number, when, point in self._some(points(self.striker.count()), 4):
            case = Case("supervisor and all parts killed", f"{when} {point}")
            begin = time.monotonic()
            lived = self.striker.during(case, number, when, self._kill_supervisor)
            self.site.wait_ready(120)
            case.back = time.monotonic() - begin
            yield self.striker.judge(case, lived)

    def remote(self) -> Iterator[Case]:
        """The same where API and southbound database are reached by mutual TLS and the gate."""
        striker = Striker(self.site, "host2")
        effects = striker.count()
        for number, effect in self._some(list(enumerate(effects, 1)), 3):
            case = striker.kill(number, f"{effect} in {call_of(effects, number)}")
            case.fault = "agent of a joined host killed at its own side effects"
            yield case
        for part in REMOTE:
            for number, when, point in self._some(points(effects), 3):
                case = striker.kill_other(part, number, point, when)
                case.fault = f"{part} killed at each driver call of a joined host"
                yield case

    def join(self) -> Iterator[Case]:
        """host2 joins again, and the API dies at each of its side effects, or the command is killed."""
        line = self._join_line()
        with self.site.order(CENTRAL, "api", Plan()):
            assert self._join_again(line) == 0
        effects = self.site.trace(CENTRAL, "api")
        for number, effect in enumerate(effects, 1):
            for when in (BEFORE, AFTER):
                case = Case("API killed while a host joins", f"{when} {effect}")
                old, line = self.site.pid(CENTRAL, "api"), self._join_line()
                with self.site.order(CENTRAL, "api", Plan(at=number, when=when)):
                    code = self._join_again(line)
                case.refused = f"sealane node join ended with {code}" if code else ""
                case.back = self.site.wait_back(CENTRAL, "api", old)
                yield self._joined(case)
        for tenths in range(2, 14, 3):
            case = Case("join command killed", f"after {tenths / 10:g} s")
            self._join_again(self._join_line(), tenths / 10)
            yield self._joined(case)

    def hang(self) -> Iterator[Case]:
        """A part is stopped (SIGSTOP) from a driver call of a life on: every call is answered."""
        found = [point for point in points(self.striker.count()) if point[1] == BEFORE]
        for part in HUNG:
            for number, when, point in self._some(found, 4):
                case = Case(f"{part} hangs from a driver call on", f"{when} {point}")
                pid = self.site.pid(CENTRAL, part)
                assert pid is not None
                before = self._slowest_call()
                with self.striker.standing(number, when, case) as lived:
                    self.site.signal(CENTRAL, pid, "STOP")
                try:
                    until(lambda: lived.over or self._is_refused(lived), "an answer", 120)
                finally:
                    self.site.signal(CENTRAL, pid, "CONT")
                lived.__exit__()
                yield self._judge_calls(self.striker.judge(case, lived), before)

    def away(self) -> Iterator[Case]:
        """docker run while the agent is away: it succeeds if the agent is back within 12 s, else it fails."""
        self.one("network", "create", *life.OUR_IPAM, BUSY)
        for seconds, succeeds in ((2.0, True), (6.0, True), (11.0, True), (25.0, False)):
            case = Case(f"agent away for {seconds:g} s: docker run {'succeeds' if succeeds else 'fails'}", "")
            begin = time.monotonic()
            with self._kept_away(seconds):
                done = self.one.raw(*_on_busy(life.STEPS["run"]))
                case.slowest = round(time.monotonic() - begin, 2)
            if (done.returncode == 0) != succeeds:
                case.wrong = f"ended with {done.returncode}: {done.stderr.strip()[-300:]}"
            case.refused = "" if done.returncode == 0 else f"run: {done.stderr.strip()[-300:]}"
            self.site.wait_ready()
            self.one.raw("rm", "-f", life.CONTAINER)
            yield self.striker.judge(case)
        self.one("network", "rm", BUSY)

    def power(self) -> Iterator[Case]:
        """A host loses its power with containers on it, and is started: the same addresses, no ghosts."""
        for host in reversed(HOSTS):
            case = Case("power cut of a host", host)
            engine = Engine(self.site.lab, host)
            engine.run("fleeting", life.HOME)
            self.site.lab.power_cut(host)
            begin = time.monotonic()
            self.site.lab.boot(host)
            until(engine.answers, "the engine answers")
            self.site.wait_ready(120)
            case.back = time.monotonic() - begin
            name, address = life.STAY[host]
            self._wait_running(engine, name)
            if engine.address(name, life.HOME) != address:
                case.wrong = f"{name} has {engine.address(name, life.HOME)}"
            self.site.arm()
            self.striker.judge(case)
            engine.raw("rm", "-f", "fleeting")
            yield case

    def last_address(self, times: int = RACES) -> Iterator[Case]:
        """Both hosts ask at once; a /29 without its gateway has 5, and four are taken."""
        self.one("network", "create", *life.OUR_IPAM, "--subnet", "10.83.0.0/29", BUSY)
        until(lambda: BUSY in self.two.networks(), "the mirror")
        for number in range(4):
            self.one.run(f"taken{number}", BUSY)
        for number in range(times):
            case = Case("two hosts ask for the last address", f"time {number + 1}", calls=2)
            start = threading.Barrier(2)
            with ThreadPoolExecutor(2) as pool:
                codes = list(pool.map(self._race, (self.one, self.two), (start, start)))
            if sorted(code == 0 for code in codes) != [False, True]:
                case.wrong = f"docker run ended with {codes}"
            for engine in (self.one, self.two):
                engine.raw("rm", "-f", life.CONTAINER)
            yield self.striker.judge(case)
        self.one("rm", "-f", *(f"taken{number}" for number in range(4)))
        self.one("network", "rm", BUSY)

    def two_hundred(self) -> Iterator[Case]:
        """200 containers come and go, on both hosts, with ten kills in between: nothing is left."""
        case = Case(f"{ATTACHED} containers come and go, {KILLS} kills", "", calls=ATTACHED)
        parts = [("host1", "agent"), ("host2", "agent"), ("host1", "api"), ("host1", "store")]
        parts += [("host1", "ovn-northd"), ("host2", "ovn-controller"), ("host1", "ovs-vswitchd")]
        parts += [("host1", "translator"), ("host2", "ovs-db"), ("host1", "ovn-sb")]
        begin = time.monotonic()
        with ThreadPoolExecutor(BATCH) as pool:
            coming = [pool.submit(self._come_and_go, number) for number in range(ATTACHED)]
            for number, (host, part) in enumerate(parts[:KILLS], 1):
                until(
                    lambda n=number: sum(c.done() for c in coming) >= n * ATTACHED // (KILLS + 1),
                    "progress",
                    600,
                )
                self.site.wait_back(host, part, self.site.kill(host, part))
            failed = [text for one in coming if (text := one.result())]
        case.slowest = round(time.monotonic() - begin, 2)
        case.refused = f"{len(failed)} of {ATTACHED}: {failed[0]}" if failed else ""
        self.striker.judge(case)
        self.striker.settle(case, idle=True)
        yield case

    # small parts

    def _join_line(self) -> str:
        """With a token that serves once; the API is there, or soon."""
        until(lambda: not readiness.missing_door(self.site.lab.plan), "the API answers")
        return readiness.join_line(self.site.lab.plan)

    def _join_again(self, line: str, seconds: float = PATIENCE) -> int:
        """The command on host2, killed after some time; its exit status."""
        *_, address, token = line.split()
        argv = ("timeout", "-s", "KILL", f"{seconds:g}", "sealane", "node", "join", address, "-")
        return self.site.lab.exec("host2", *argv, stdin=f"{token}\n", check=False).returncode

    def _joined(self, case: Case) -> Case:
        """Another token always helps, and there is one node of the name."""
        if self._join_again(self._join_line()) != 0:
            case.wrong = "joining with another token failed"
        nodes = ask(self.site.lab.plan.api_socket, "GET", "/v2.0/sealane/nodes")[1]["nodes"]
        if sorted(node["name"] for node in nodes) != list(HOSTS):
            case.wrong = f"nodes: {nodes}"
        return self.striker.judge(case)

    def _some(self, items: list, more: int = 1) -> list:  # type: ignore[type-arg]
        return items[:: self.every * more]

    def _come_and_go(self, number: int) -> str:
        """Why it failed; the container is removed whatever happened."""
        engine, name = (self.one, self.two)[number % 2], f"c{number}"
        done = engine.raw(
            "run", "-d", "--name", name, "--network", life.HOME, IMAGE, *life.SLEEP, timeout=180
        )
        gone = engine.raw("rm", "-f", name, timeout=180)
        if done.returncode != 0:
            return f"{name}: {done.stderr.strip()[-200:]}"
        return f"{name} not removed: {gone.stderr.strip()[-200:]}" if gone.returncode else ""

    def _wait_running(self, engine: Engine, name: str) -> None:
        until(lambda: engine.raw("exec", name, "true").returncode == 0, f"{name} runs", 120)

    def _race(self, engine: Engine, start: threading.Barrier) -> int:
        start.wait()
        return engine.raw(
            "run", "-d", "--name", life.CONTAINER, "--network", BUSY, IMAGE, *life.SLEEP
        ).returncode

    def _kill_supervisor(self) -> None:
        found = self.site.lab.exec(CENTRAL, "pgrep", "--parent", "1", "--full", "sealane.engine.main").stdout
        self.site.signal(CENTRAL, int(found.split()[0]), "KILL")

    @contextmanager
    def _kept_away(self, seconds: float) -> Iterator[None]:
        """The agent is killed, and each successor at once, for that long."""
        end = time.monotonic() + seconds

        def keep() -> None:
            while time.monotonic() < end:
                pid = self.site.pid(CENTRAL, "agent")
                if pid is not None:
                    self.site.signal(CENTRAL, pid, "KILL")
                time.sleep(0.05)
            self.site.hurry(CENTRAL)

        keeper = threading.Thread(target=keep, name="keeper")
        self.site.kill(CENTRAL, "agent")
        keeper.start()
        try:
            yield
        finally:
            keeper.join()
            self.site.wait_ready()

    @contextmanager
    def _live_restore(self) -> Iterator[None]:
        for wanted in ("true", "false"):
            self.site.lab.exec(CENTRAL, "mkdir", "-p", "/etc/docker")
            text = json.dumps({"live-restore": wanted == "true"})
            self.site.lab.exec(CENTRAL, "tee", "/etc/docker/daemon.json", stdin=text)
            self.one.kill("^dockerd", "HUP")
            until(
                lambda w=wanted: self.one("info", "-f", "{{.LiveRestoreEnabled}}") == w,
                f"live-restore {wanted}",
            )
            if wanted == "true":
                try:
                    yield
                finally:
                    until(self.one.answers, "the engine answers")

    def _is_refused(self, lived: life.Life) -> bool:
        return bool(lived.told.refused or lived.told.hung)

    def _slowest_call(self) -> int:
        """Calls that the agent has answered only after the promise, by its own count."""
        shown = self.site.lab.exec(
            CENTRAL,
            "curl",
            "-s",
            "--unix-socket",
            "/run/sealane/agent.sock",
            "http://agent/metrics",
            check=False,
        ).stdout
        late = 0
        for line in shown.splitlines():
            if found := re.match(r"sealane_agent_driver_call_seconds_bucket\{.*le=\"10\.0\".*\} (\S+)", line):
                late -= int(float(found[1]))
            elif found := re.match(r"sealane_agent_driver_call_seconds_count\{.*\} (\S+)", line):
                late += int(float(found[1]))
        return late

    def _judge_calls(self, case: Case, before: int) -> Case:
        if self._slowest_call() > before:
            case.hung = "a call was answered after more than 10 s"
        return case


def _on_busy(argv: Sequence[str]) -> tuple[str, ...]:
    return tuple(BUSY if word == life.NETWORK else word for word in argv)
