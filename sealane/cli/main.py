"""`sealane`: the table of commands, and errors to exit statuses.

A module is imported only when its command is asked for: completion and `--help` stay quick.
Exit status: 0, 1 for a failure, 2 for wrong usage; an error is one line on standard error.
"""

import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import click

from sealane import __version__
from sealane.cli.failures import Several
from sealane.cli.output import printable
from sealane.errors import SealaneError

VERBS = "list, show, create, set, delete, …"


@dataclass(frozen=True)
class Entry:
    """Where a command lives, and its line in `sealane --help`."""

    place: str
    help: str
    hidden: bool = False


SECTIONS: dict[str, dict[str, Entry]] = {
    "See what is": {
        "status": Entry(
            "sealane.cli.status:status", "Is everything that should run running? Nodes, troubles."
        ),
        "events": Entry("sealane.cli.events:events", "What happened, live with --follow."),
        "ps": Entry("sealane.cli.attachment:ps", "What is attached on this host, and what it publishes."),
        "inspect": Entry(
            "sealane.cli.attachment:inspect", "All that is known of a container or a namespace."
        ),
        "agent": Entry("sealane.cli.inventory:agent_group", "The hosts as OpenStack's agents: list, show."),
        "extension": Entry("sealane.cli.inventory:extension", "What the API can do: list, show."),
    },
    "Networks": {
        "network": Entry("sealane.cli.network:network", f"Networks: {VERBS}."),
        "subnet": Entry("sealane.cli.subnet:subnet", f"Subnets of a network: {VERBS}."),
        "subnet-pool": Entry(
            "sealane.cli.subnet_pool:subnet_pool", f"Addresses that subnets are made of: {VERBS}."
        ),
        "address-scope": Entry(
            "sealane.cli.address_scope:address_scope", f"Pools that are routed to each other: {VERBS}."
        ),
        "port": Entry("sealane.cli.port:port", f"Ports of a network: {VERBS}."),
        "security-group": Entry(
            "sealane.cli.security_group:security_group", f"What reaches ports, and their rules: {VERBS}."
        ),
        "address-group": Entry("sealane.cli.address_group:address_group", f"Addresses for rules: {VERBS}."),
        "segment": Entry(
            "sealane.cli.segment:segment", f"Parts of networks, on several physical networks: {VERBS}."
        ),
        "trunk": Entry("sealane.cli.trunk:trunk", f"Ports that carry others by VLAN tags: {VERBS}."),
        "router": Entry("sealane.cli.router:router", f"Routers, and the networks that they join: {VERBS}."),
        "floating-ip": Entry(
            "sealane.cli.floating_ip:floating_ip",
            "Outer addresses of ports: list, create, associate, forward, …",
        ),
        "loadbalancer": Entry(
            "sealane.cli.loadbalancer:loadbalancer", f"Addresses that lead to several servers: {VERBS}."
        ),
        "qos": Entry(
            "sealane.cli.qos:qos", "Quality of service: limits and marks; list, create, limit, mark, …"
        ),
        "log": Entry(
            "sealane.cli.log:log", "Logs of security groups: list, create, …; entries shows the packets."
        ),
        "tap": Entry("sealane.cli.tap:tap", "Copies of what ports carry: list, create, mirror, unmirror, …"),
        "tap-mirror": Entry(
            "sealane.cli.tap_mirror:tap_mirror", "Copies to an address outside: list, create, …"
        ),
        "metering": Entry(
            "sealane.cli.metering:metering", "What crosses routers, counted: label, rule, show."
        ),
        "quota": Entry("sealane.cli.quota:quota", "How many of each a project may have: show, set, reset."),
        "attach": Entry("sealane.cli.attachment:attach", "Put a container or a namespace on a network."),
        "detach": Entry("sealane.cli.attachment:detach", "Take it off again."),
        "host-port": Entry(
            "sealane.cli.hostport:host_port", "An interface of this host on a network: add, remove."
        ),
        "podman": Entry("sealane.cli.podman:podman", "The driver for Podman with netavark: install."),
        "cni": Entry("sealane.cli.cni:cni", "Networks for Podman and containerd, by CNI: install, remove."),
        "exec": Entry("sealane.cli.attachment:exec_", "Run a command of this host in a container's network."),
    },
    "Tenants": {
        "project": Entry("sealane.cli.project:project", f"Whose networks there are: {VERBS}."),
        "user": Entry("sealane.cli.user:user", f"Users, who log in with a password: {VERBS}."),
        "role": Entry("sealane.cli.role:role", "Who may do what in which project: list, add, remove."),
        "rbac": Entry("sealane.cli.rbac:rbac", "What of one project another may use: list, create, delete."),
    },
    "Hosts": {
        "up": Entry("sealane.cli.daemon:up", "Run the central part and a node on this machine."),
        "central": Entry("sealane.cli.daemon:central", "Run the central part only."),
        "node": Entry(
            "sealane.cli.node:node", "Run a node only; --join makes this machine one. List, set, remove."
        ),
        "token": Entry("sealane.cli.token:token", "What other machines join with: create, list, delete."),
        "down": Entry("sealane.cli.daemon:down", "Stop Sealane here and remove all that it made."),
        "fastpath": Entry(
            "sealane.cli.fastpath:fastpath", "Past Open vSwitch: status, flows, reasons, on, off."
        ),
        "lab": Entry("sealane.cli.lab:lab", "Hosts as namespaces on this machine, to try things."),
    },
    "Settings": {
        "config": Entry("sealane.cli.config:config", "Settings, and where each comes from."),
        "openrc": Entry("sealane.cli.openrc:openrc", "Settings with which the `openstack` command works."),
        "completion": Entry("sealane.cli.completion:completion", "Completion for bash and zsh."),
        "reference": Entry("sealane.cli.reference:reference", "Pages of docs/reference.", hidden=True),
    },
}
COMMANDS = {name: entry for section in SECTIONS.values() for name, entry in section.items()}


class LazyGroup(click.Group):
    """A group whose commands are those of COMMANDS."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name, entry in COMMANDS.items() if not entry.hidden]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry.place.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """From the table, so that help imports none of the commands."""
        for title, entries in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, e.help) for name, e in entries.items() if not e.hidden])


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="'sealane COMMAND --help' tells more of each, with examples.",
)
@click.version_option(__version__, prog_name="sealane")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Network virtualization for Docker containers."""
    if ctx.invoked_subcommand is None:
        from sealane.cli.overview import show

        show(ctx)


def run(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command line; returns the exit status."""
    for number, word in enumerate(sys.argv[1:] if arguments is None else arguments, 1):
        if not word.isascii() and any("\ud800" <= c <= "\udfff" for c in word):
            return _fail(f"argument {number} is not UTF-8", 2)
    try:
        outcome = cli.main(arguments, prog_name="sealane", standalone_mode=False)
        return outcome if isinstance(outcome, int) else 0
    except click.exceptions.NoArgsIsHelpError as exc:
        exc.show()
        return 2
    except click.ClickException as exc:
        usage = (
            f"; see '{exc.ctx.command_path} --help'" if isinstance(exc, click.UsageError) and exc.ctx else ""
        )
        return _fail(_told(exc) + usage, exc.exit_code)
    except Several as exc:
        return max(_fail(message, 1) for message in exc.messages)
    except SealaneError as exc:
        return _fail(exc.message, 1)
    except click.Abort:
        return _fail("interrupted", 1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter flushes at exit
        return 1
    except OSError as exc:
        return _fail(str(exc), 1)


def _told(exc: click.ClickException) -> str:
    message = exc.format_message().rstrip(".")
    if isinstance(exc, click.NoSuchOption) and not exc.possibilities:
        message += "; a name that begins with '-' goes after '--'"
    return message


def _fail(message: str, status: int) -> int:
    line = printable(" ".join(message.split()))
    click.echo(f"sealane: {line}", err=True)
    return status


def main() -> None:
    """The console script."""
    sys.exit(run())


if __name__ == "__main__":
    main()
