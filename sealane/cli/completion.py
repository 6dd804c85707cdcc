"""`sealane completion`: for `eval "$(sealane completion bash)"` in ~/.bashrc."""

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(("bash", "zsh")))
def completion(shell: str) -> None:
    """Print the completion of this command for a shell to evaluate.

    \b
    Example:
      eval "$(sealane completion bash)"   # in ~/.bashrc
    """
    from sealane.cli.main import cli

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(cli, {}, "sealane", "_SEALANE_COMPLETE").source())
