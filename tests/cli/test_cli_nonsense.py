"""Odd values for every option and argument of the nouns: an error is one line, never a trace."""

import random

import click
import pytest

from sealane.cli.main import cli

ODD = (
    "",
    " ",
    "-",
    "--",
    "0",
    "-1",
    "99999999999999999999",
    "1e9",
    "nan",
    "a" * 300,
    "ü😀\u202e",
    "\x1b[31m",
    "a\nb",
    "a\tb",
    "'\"\\",
    "%s%n%00",
    "../../etc/passwd",
    "a=b=c",
    "=",
    "a,b",
    "10.1.0.0/33",
    "10.1.0.5",
    "::1",
    "fe80::1%lo",
    "::ffff:10.1.0.1",
    "10.1.0.9-10.1.0.2",
    "10.1.0.0/24=10.1.0.9",
    "ff:ff:ff:ff:ff:ff",
    "00000000-0000-4000-8000-000000000000",
    "[]",
    '{"a": {"b": [1, null]}}',
    "none",
    "all",
    "name:desc",
    "blue",
    "web",
)
NOUNS = ("network", "subnet", "port", "quota", "agent", "extension")


def leaves(command, path):
    if not isinstance(command, click.Group):
        yield path, command
        return
    for name in command.list_commands(click.Context(command)):
        yield from leaves(command.get_command(click.Context(command), name), (*path, name))


COMMANDS = [leaf for noun in NOUNS for leaf in leaves(cli.get_command(click.Context(cli), noun), (noun,))]


def words(command, chance):
    """A command line of two of its options and all its arguments."""
    options = [p for p in command.params if isinstance(p, click.Option) and p.name not in ("file", "count")]
    for option in chance.sample(options, min(2, len(options))):
        yield option.opts[0]
        if not option.is_flag:
            yield chance.choice(ODD)
    yield "--"
    for _ in [p for p in command.params if isinstance(p, click.Argument)]:
        yield chance.choice(ODD)


@pytest.mark.parametrize(
    ("path", "command"), COMMANDS, ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_nonsense(path, command, sealane):
    sealane("network", "create", "blue", "--subnet", "10.1.0.0/24")
    sealane("port", "create", "web", "--network", "blue")
    chance = random.Random(" ".join(path))
    for _ in range(25):
        given = (*path, *words(command, chance))
        outcome = sealane(*given)
        assert outcome.status in (0, 1, 2), given
        lines = outcome.err.splitlines()
        assert all(line.startswith("sealane: ") for line in lines), (given, outcome.err)
        assert (outcome.status == 0) == (not lines), (given, outcome)
        assert "\x1b" not in outcome.out + outcome.err, given
