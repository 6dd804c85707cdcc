"""A real Keystone, as Debian packages it, on loopback with a database in a file."""

import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import create_server
from typing import Any

PATIENCE = 150.0
"""Seconds: it imports much."""
CONFIG = """[DEFAULT]
log_file = {here}/log
[database]
connection = sqlite:///{here}/keystone.db
[token]
provider = fernet
[fernet_tokens]
key_repository = {here}/fernet
[credential]
key_repository = {here}/credential
[identity]
password_hash_rounds = 4
"""


@dataclass
class Keystone:
    url: str
    token: str = ""

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """The answer's body; a log-in's has the token in it as well."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"X-Auth-Token": self.token, "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/v3/{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as response:
            raw = response.read()
            found = json.loads(raw) if raw else {}
            return {**found, "issued": response.headers.get("X-Subject-Token")}

    def log_in(self, name: str, password: str, project: str | None = None) -> str:
        user = {"name": name, "domain": {"id": "default"}, "password": password}
        auth: Any = {"identity": {"methods": ["password"], "password": {"user": user}}}
        if project is not None:
            auth["scope"] = {"project": {"name": project, "domain": {"id": "default"}}}
        return str(self.call("POST", "auth/tokens", {"auth": auth})["issued"])

    def project(self, name: str) -> str:
        return str(self.call("POST", "projects", {"project": {"name": name}})["project"]["id"])

    def user(self, name: str, password: str, project: str, role: str) -> str:
        made = self.call("POST", "users", {"user": {"name": name, "password": password}})["user"]["id"]
        (found,) = self.call("GET", f"roles?name={role}")["roles"]
        self.call("PUT", f"projects/{project}/users/{made}/roles/{found['id']}")
        return str(made)


@contextmanager
def keystone(here: Path) -> Iterator[Keystone]:
    with create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    found = Keystone(f"http://127.0.0.1:{port}")
    config = here / "keystone.conf"
    config.write_text(CONFIG.format(here=here))
    for name in ("fernet", "credential"):
        (here / name).mkdir(mode=0o700)
    _manage(config, "db_sync")
    for command in ("fernet_setup", "credential_setup"):
        _manage(config, command, "--keystone-user", "root", "--keystone-group", "root")
    _manage(config, "bootstrap", "--bootstrap-password", "first", "--bootstrap-public-url", f"{found.url}/v3")
    with (here / "server").open("ab") as log:
        process = subprocess.Popen(
            ["/usr/bin/keystone-wsgi-public", "--host", "127.0.0.1", "--port", str(port)],
            env={**_environment(), "OS_KEYSTONE_CONFIG_FILES": str(config)},
            stdout=log,
            stderr=log,
        )
    try:
        found.token = _first(found, here / "server")
        yield found
    finally:
        process.kill()
        process.wait(30)


def _environment() -> dict[str, str]:
    """Of the distribution's Python, not of the virtual environment."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OS_", "PYTHON", "VIRTUAL_ENV"))}
    return {**kept, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


def _manage(config: Path, *arguments: str) -> None:
    subprocess.run(
        ["/usr/bin/keystone-manage", "--config-file", str(config), *arguments],
        env=_environment(),
        check=True,
        capture_output=True,
        timeout=PATIENCE,
    )


def _first(found: Keystone, log: Path) -> str:
    """The bootstrap user's token, once the server answers."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return found.log_in("admin", "first", "admin")
        except OSError:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
