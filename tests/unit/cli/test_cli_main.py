"""Exit statuses, errors in one line, and the commands that need no API."""

import json
import os
import subprocess
import sys
from dataclasses import fields

import click
import pytest

from sealane.cli.main import COMMANDS, cli
from sealane.config import Settings


def test_every_command_loads_and_has_help(sealane):
    for name in COMMANDS:
        outcome = sealane(name, "--help")
        assert outcome.status == 0
        assert f"sealane {name}" in outcome.out
    assert all(name in sealane("--help").out for name, entry in COMMANDS.items() if not entry.hidden)


@pytest.mark.parametrize(
    "arguments",
    (
        ("nonsense",),
        ("network",),
        ("network", "create"),
        ("network", "list", "-o", "xml"),
        ("network", "create", "blue", "--subnet", "10.1.0.1/24"),
        ("network", "create", "blue", "--subnet", "10.1.0.0/24", "--no-subnet"),
        ("subnet", "create", "--network", "blue", "--cidr", "10.1.0.0/24", "--pool", "10.1.0.9"),
    ),
)
def test_wrong_usage_is_2(sealane, arguments):
    assert sealane(*arguments).status == 2


def test_nothing_asked_shows_where_one_stands_and_what_to_try(sealane):
    outcome = sealane()
    assert (outcome.status, outcome.err) == (0, "")
    assert "Sealane does not run on this machine" in outcome.out and "make up" in outcome.out
    assert all(name in outcome.out for name, entry in COMMANDS.items() if not entry.hidden)


def _leaves(command, path=()):
    if not isinstance(command, click.Group):
        yield path, command
        return
    for name in command.list_commands(click.Context(command)):
        yield from _leaves(command.get_command(click.Context(command), name), (*path, name))


def test_every_command_has_an_example(sealane):
    """Of its own, or at its group."""
    for name in (name for name, entry in COMMANDS.items() if not entry.hidden):
        for path, _ in _leaves(cli.get_command(click.Context(cli), name), (name,)):
            shown = sealane(*path, "--help").out + sealane(*path[:-1], "--help").out
            assert "Example" in shown, path


def test_wrong_usage_is_one_line(sealane):
    outcome = sealane("network", "list", "--nonsense")
    assert outcome.err.count("\n") == 1
    assert outcome.err.startswith("sealane: ")
    assert "sealane network list --help" in outcome.err


def test_nobody_answers(sealane):
    outcome = sealane("network", "list")
    assert (outcome.status, outcome.err.count("\n")) == (1, 1)
    assert "does not answer" in outcome.err


def test_status_without_a_supervisor(sealane):
    outcome = sealane("status")
    assert outcome.status == 1
    assert "'sealane up' starts it" in outcome.err


def test_config_show_tells_where_values_come_from(sealane, tmp_path):
    (tmp_path / "sealane.toml").write_text('log_level = "debug"\n')
    rows = {row["setting"]: row for row in json.loads(sealane("config", "show", "-o", "json").out)}
    assert set(rows) == {f.name for f in fields(Settings)}
    assert rows["log_level"] == {
        "setting": "log_level",
        "value": "debug",
        "from": str(tmp_path / "sealane.toml"),
    }
    assert rows["etc_dir"]["from"] == "environment"
    assert rows["datapath"]["from"] == "default"


def test_a_broken_file_is_named(sealane, tmp_path):
    (tmp_path / "sealane.toml").write_text("log_level = ")
    outcome = sealane("config", "show")
    assert (outcome.status, outcome.err.count("\n")) == (1, 1)
    assert "sealane.toml" in outcome.err


def test_openrc_can_be_evaluated(sealane, tmp_path):
    (tmp_path / "admin.token").write_text("it's\n")
    script = sealane("openrc").out + 'printf "%s %s %s" "$OS_AUTH_TYPE" "$OS_ENDPOINT" "$OS_TOKEN"'
    out = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=20, check=True).stdout
    assert out == "admin_token http://127.0.0.1:9696 it's"


def test_openrc_without_a_token(sealane):
    outcome = sealane("openrc")
    assert (outcome.status, outcome.out) == (1, "")
    assert "admin.token" in outcome.err


@pytest.mark.parametrize("shell", ("bash", "zsh"))
def test_completion_is_for_the_shell(sealane, shell):
    outcome = sealane("completion", shell)
    assert outcome.status == 0
    assert f"_SEALANE_COMPLETE={shell}_complete" in outcome.out


def test_bash_completes_commands():
    environ = os.environ | {
        "_SEALANE_COMPLETE": "bash_complete",
        "COMP_WORDS": "sealane net",
        "COMP_CWORD": "1",
    }
    out = subprocess.run(
        [sys.executable, "-m", "sealane.cli.main"],
        env=environ,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    ).stdout
    assert out.split(",")[-1].strip() == "network"


def test_help_imports_no_command():
    script = (
        "import sys, sealane.cli.main as m; m.run(['--help']); print('sealane.cli.network' in sys.modules)"
    )
    out = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True
    ).stdout
    assert out.splitlines()[-1] == "False"
