"""`sealane openrc`: for `eval "$(sealane openrc)"`."""

import shlex

import click

from sealane import config
from sealane.cli.api import read_token


@click.command()
def openrc() -> None:
    """Print settings with which the `openstack` command talks to Sealane.

    The token stands for an admin: what is printed is a secret.

    \b
    Example:
      eval "$(sealane openrc)"
      openstack network list
    """
    settings = config.load().settings
    url = settings.api_url if settings.api_url.startswith("http") else f"http://{settings.api_bind}"
    variables = {
        # keystoneauth's plugin that uses a token and an endpoint as they are, without an identity service
        "OS_AUTH_TYPE": "admin_token",
        "OS_ENDPOINT": url,
        "OS_TOKEN": read_token(settings),
    }
    for name, value in variables.items():
        click.echo(f"export {name}={shlex.quote(value)}")
