"""`sealane config`."""

from dataclasses import fields

import click

from sealane import config as configuration
from sealane.cli.output import Column, output_option, plain, show_many

COLUMNS = (Column("SETTING", "setting"), Column("VALUE", "value"), Column("FROM", "from"))


@click.group()
def config() -> None:
    """Settings, and where each comes from."""


@config.command()
@output_option
def show(output: str) -> None:
    """All settings: files, then SEALANE_* variables, then options, the later winning.

    \b
    Example:
      sealane config show
      SEALANE_LOG_LEVEL=debug sealane config show -o json
    """
    loaded = configuration.load()
    rows = [
        {"setting": f.name, "value": plain(getattr(loaded.settings, f.name)), "from": loaded.sources[f.name]}
        for f in fields(configuration.Settings)
    ]
    show_many(rows, COLUMNS, output)
