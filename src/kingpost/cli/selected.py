"""Which records a command is about: the options of those that take many."""

from collections.abc import Callable
from typing import TypeVar

import click

from kingpost.contracts import Instant, NaiveTime
from kingpost.decisions import RecordSelection

__all__ = ["read_selection", "selection_options"]

Command = TypeVar("Command", bound=Callable[..., object])
_OPTIONS = (
    click.option("--since", help="Decided at this time or later, as 2026-03-01T00:00:00Z."),
    click.option("--until", help="Decided before this time."),
    click.option("--decision", help="Only records of this decision."),
    click.option("--version", help="Only records of this bundle: its digest, or how it begins."),
    click.option("--subject", help="Only requests of whom a field names, as customer=C42."),
    click.option("--tenant", help="Only records of this tenant."),
)


def selection_options(command: Command) -> Command:
    """Give a command the options that `read_selection` reads."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def read_selection(
    since: str | None,
    until: str | None,
    decision: str | None,
    version: str | None,
    subject: str | None,
    tenant: str | None,
) -> RecordSelection:
    """Read the options.

    Raises:
        click.BadParameter: A time has no offset, or a subject is no field and a value.
    """
    return RecordSelection(
        since_us=_moment(since, "--since"),
        until_us=_moment(until, "--until"),
        decision=decision,
        version=version,
        subject=_subject(subject),
        tenant=tenant,
    )


def _moment(text: str | None, option: str) -> int | None:
    if text is None:
        return None
    try:
        return Instant.parse(text).us
    except (ValueError, NaiveTime):
        problem = f"{text!r} is no time with an offset, as 2026-03-01T00:00:00Z"
        raise click.BadParameter(problem, param_hint=option) from None


def _subject(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    entity, equals, name = text.partition("=")
    if not (entity and equals and name):
        problem = f"{text!r} names nobody; write a field and its value, as customer=C42"
        raise click.BadParameter(problem, param_hint="--subject")
    return entity, name
