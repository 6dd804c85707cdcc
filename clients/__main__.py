"""`make clients`: gophercloud, on which Terraform's provider rests, and Ansible, as a tenant in a lab.

Both come as they are: gophercloud from Debian, Ansible from PyPI into a virtual environment of its own.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from sealane.cli.api import Api
from sealane.lab.lab import Lab

HERE = Path(__file__).resolve().parent
ANSIBLE = HERE.parent / ".venv" / "ansible"
PACKAGES = ("ansible==12.3.0", "openstacksdk==4.4.1")
"""The collection of this Ansible asks for `openstack.version`, which later SDKs have no more."""
LONG = 900.0  # seconds that an installation or a whole playbook may take
USER = {
    "OS_AUTH_TYPE": "password",
    "OS_AUTH_URL": "http://127.0.0.1:9696/v3",
    "OS_IDENTITY_API_VERSION": "3",
    "OS_USERNAME": "ann",
    "OS_PASSWORD": "sesame",
    "OS_USER_DOMAIN_ID": "default",
    "OS_PROJECT_NAME": "acme",
    "OS_PROJECT_DOMAIN_ID": "default",
}


def main() -> int:
    lab = Lab("clients", hosts=1)
    lab.down()  # of a run that was killed
    with lab, tempfile.TemporaryDirectory(prefix="clients.") as directory:
        api = Api(f"unix:{lab.plan.api_socket}")
        _populate(lab, api)
        before = _everything(api)
        _gopher(lab, Path(directory))
        _ansible(lab, Path(directory))
        if left := _everything(api) - before:
            print(f"clients: left behind: {sorted(left)}", file=sys.stderr)
            return 1
    print("clients: all is as it should be, and nothing is left")
    return 0


def _populate(lab: Lab, api: Api) -> None:
    """A tenant with a user, and an outside."""
    lab.exec("host1", "sealane", "project", "create", "acme")
    words = ("sealane", "user", "create", "ann", "--project", "acme", "--password-file", "-")
    lab.exec("host1", *words, stdin="sesame\n")
    outside = api.create("networks", {"name": "outside", "router:external": True})
    api.create("subnets", {"network_id": outside["id"], "cidr": "203.0.113.0/24", "ip_version": 4})


def _everything(api: Api) -> set[tuple[str, str]]:
    kinds = ("networks", "subnets", "ports", "routers", "floatingips", "security-groups")
    return {(kind, one["id"]) for kind in kinds for one in api.list(kind) if one.get("name") != "default"}


def _gopher(lab: Lab, directory: Path) -> None:
    program = directory / "gopher"
    environment = {
        **os.environ,
        "GO111MODULE": "off",
        "GOPATH": "/usr/share/gocode",
        "GOCACHE": str(directory),
    }
    _run(["go", "build", "-o", str(program), str(HERE / "gopher" / "main.go")], environment)
    _in_lab(lab, str(program), OS_DOMAIN_ID="default")


def _ansible(lab: Lab, directory: Path) -> None:
    """Make all, find that nothing is to be done, take all down."""
    if not (ANSIBLE / "bin" / "ansible-playbook").exists():
        _run([sys.executable, "-m", "venv", str(ANSIBLE)])
        _run([str(ANSIBLE / "bin" / "pip"), "install", "--quiet", *PACKAGES])
    python = f"ansible_python_interpreter={ANSIBLE}/bin/python"
    play = [f"{ANSIBLE}/bin/ansible-playbook", "-i", "localhost,", "-c", "local", "-e", python]
    for state, changes in (("present", True), ("present", False), ("absent", True)):
        words = (*play, "-e", f"state={state}", str(HERE / "playbook.yml"))
        told = _in_lab(lab, *words, ANSIBLE_HOME=str(directory), ANSIBLE_LOCALHOST_WARNING="false")
        if ("changed=0 " not in told) is not changes:
            raise SystemExit(f"clients: '{state}' should{'' if changes else ' not'} have changed something")


def _in_lab(lab: Lab, *words: str, **more: str) -> str:
    given = [f"{name}={value}" for name, value in (USER | more).items()]
    return _run(lab.command("host1", ["env", *given, *words]))


def _run(words: list[str], environment: dict[str, str] | None = None) -> str:
    """What it says, which is also shown; ends the program when it fails."""
    done = subprocess.run(
        words, env=environment, stdout=subprocess.PIPE, text=True, timeout=LONG, check=False
    )
    print(done.stdout, flush=True)
    if done.returncode:
        raise SystemExit(f"clients: {Path(words[0]).name} failed ({done.returncode})")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
