"""`kingpost doctor`: look at everything that has to be right, and say what to do."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from kingpost.cli.chosen import SettingsPlace
from kingpost.cli.doctor import (
    Finding,
    door_checks,
    examine,
    installation_checks,
    machine_checks,
    reach_checks,
    rot_checks,
    worst,
)
from kingpost.cli.output import print_result, progress
from kingpost.core import CheckedSettings, SystemClock

__all__ = ["doctor"]

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command()
@click.argument("app", type=click.Path(path_type=Path), required=False)
@click.option("--scan", is_flag=True, help="Read every byte too, and find what is damaged.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def doctor(place: SettingsPlace, app: Path | None, scan: bool, as_json: bool) -> None:
    """Examine this machine and this installation, and with APP what would run.

    With --scan every byte of journals, artefacts, databases and snapshots is read, also beside a
    running server. Nothing is changed. Each line says ok, warn or fail, and what to do about it; exit code
    1 when something fails.
    """
    findings: list[Finding] = []
    for finding in _findings(place.check(os.environ), app, scan=scan):
        findings.append(finding)
        if not as_json:
            _print(finding)
    state = worst(findings)
    if as_json:
        rows: list[object] = [finding._asdict() for finding in findings]
        print_result({"state": state, "findings": rows}, as_json=True)
    sys.exit(1 if state == "fail" else 0)


def _findings(checked: CheckedSettings, app: Path | None, *, scan: bool) -> Iterator[Finding]:
    for problem in checked.problems:
        yield Finding("settings", "fail", str(problem), "correct it: kingpost config check")
    if not checked.problems:
        number = len(checked.sources)
        yield Finding("settings", "ok", f"{number} set, the others have their defaults")
    settings, clock = checked.settings, SystemClock()
    yield from examine(machine_checks(settings, clock))
    yield from examine(installation_checks(settings, app, clock))
    yield from examine(reach_checks(settings))
    yield from examine(door_checks(settings))
    if scan:
        with progress("scan", "bytes") as show:
            yield from examine(rot_checks(settings, show))


def _print(finding: Finding) -> None:
    state = click.style(f"{finding.state:<4}", fg=_COLOURS[finding.state])
    click.echo(f"{state}  {finding.check}: {finding.found}")
    if finding.mend:
        click.echo(f"      {finding.mend}")
