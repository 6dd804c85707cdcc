"""`sealane openrc`: for `eval "$(sealane openrc)"`."""

import shlex
from collections.abc import Mapping

import click

from sealane import config
from sealane.cli.api import read_token
from sealane.config import Settings
from sealane.errors import BadRequest


@click.command()
@click.option("--user", metavar="NAME", help="To log in as this user, who is asked for his password.")
@click.option("--project", metavar="NAME", help="To log in to; left out: the user's own.")
def openrc(user: str | None, project: str | None) -> None:
    """Print settings with which the `openstack` command talks to Sealane.

    Without --user the token stands for an admin: what is printed is a secret.

    \b
    Example:
      eval "$(sealane openrc)"
      openstack network list
      eval "$(sealane openrc --user ann --project acme)"
    """
    settings = config.load().settings
    if user is None and project is not None:
        raise click.UsageError("--project goes with --user")
    variables = _of_admin(settings) if user is None else _of_user(settings, user, project)
    for name, value in variables.items():
        click.echo(f"unset {name}" if value is None else f"export {name}={shlex.quote(value)}")


def _of_admin(settings: Settings) -> Mapping[str, str | None]:
    return {
        # keystoneauth's plugin that uses a token and an endpoint as they are, without an identity service
        "OS_AUTH_TYPE": "admin_token",
        "OS_ENDPOINT": _url(settings),
        "OS_TOKEN": read_token(settings),
    }


def _of_user(settings: Settings, user: str, project: str | None) -> Mapping[str, str | None]:
    """What an admin's settings would leave over has to go: the client takes what there is."""
    if not user:
        raise BadRequest("the name of the user is empty; give one")
    return {
        "OS_ENDPOINT": None,
        "OS_TOKEN": None,
        "OS_AUTH_TYPE": "password",
        "OS_AUTH_URL": f"{_url(settings)}/v3",
        "OS_IDENTITY_API_VERSION": "3",
        "OS_USERNAME": user,
        "OS_USER_DOMAIN_ID": "default",
        "OS_PROJECT_NAME": project,
        "OS_PROJECT_DOMAIN_ID": "default" if project else None,
    }


def _url(settings: Settings) -> str:
    return settings.api_url if settings.api_url.startswith("http") else f"http://{settings.api_bind}"
