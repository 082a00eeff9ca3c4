"""`kingpost config`: what is set, where, and what is wrong with it."""

import os
import sys
from dataclasses import fields

import click

from kingpost.cli.chosen import SettingsPlace
from kingpost.cli.output import print_result
from kingpost.core import SECRET_SETTINGS, CheckedSettings, Settings

__all__ = ["config"]

_HIDDEN = "(set, not shown)"


@click.group()
def config() -> None:
    """Show the settings of this installation, or check them."""


@config.command("show")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def show(place: SettingsPlace, as_json: bool) -> None:
    """Show each setting and where its value comes from; secrets are not shown."""
    place.read(os.environ)  # what cannot be read is an error here
    _print(place.check(os.environ), as_json=as_json)


@config.command("check")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def check(place: SettingsPlace, as_json: bool) -> None:
    """Check the file and the environment; every problem is told, not only the first.

    Exit code 1 when there is one.
    """
    checked = _with_roles(place.check(os.environ))
    _print(checked, as_json=as_json, with_problems=True)
    sys.exit(1 if checked.problems else 0)


def _with_roles(checked: CheckedSettings) -> CheckedSettings:
    """Add what a server will say of the roles when it starts."""
    from kingpost.access import BadRoles, read_roles

    for name in ("oidc_roles", "jwt_roles", "tls_principals"):
        try:
            read_roles(getattr(checked.settings, name), setting=name)
        except BadRoles as error:
            checked = checked._replace(problems=(*checked.problems, error))
    return checked


def _print(checked: CheckedSettings, *, as_json: bool, with_problems: bool = False) -> None:
    rows: list[dict[str, object]] = [
        {
            "setting": one.name,
            "value": _shown(checked.settings, one.name),
            "source": checked.sources.get(one.name, "default"),
        }
        for one in fields(Settings)
    ]
    problems: list[object] = [str(problem) for problem in checked.problems]
    if as_json:
        found: dict[str, object] = {"ok": not problems, "problems": problems, "settings": rows}
        print_result(found, as_json=True)
        return
    width = max(len(one.name) for one in fields(Settings))
    for row in rows:
        value = "-" if row["value"] == "" else row["value"]
        click.echo(f"{row['setting']!s:<{width}}  {value}  ({row['source']})")
    if with_problems:
        for problem in checked.problems:
            click.echo(f"error [{problem.code}]: {problem}", err=True)
        click.echo(f"{len(problems)} problems" if problems else "no problems", err=True)


def _shown(settings: Settings, name: str) -> object:
    value: object = getattr(settings, name)
    if name in SECRET_SETTINGS:
        return _HIDDEN if value else ""
    return value if isinstance(value, int) else str(value)
