"""`kingpost dead-letters`: messages to other systems that nobody took."""

from datetime import UTC, datetime

import click

from kingpost.calls import DeadLetter, DeadLetterNotFound
from kingpost.cli.letters import opened_dead_letters
from kingpost.cli.output import print_result, printable
from kingpost.core import Settings, SystemClock

__all__ = ["dead_letters"]

_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_TENANT = click.option("--tenant", help="Whose; the configured tenant when left out.")
_SHOWN = ("id", "route", "died_at", "attempts", "reason")


@click.group("dead-letters")
def dead_letters() -> None:
    """List, show, replay and discard messages nobody took."""


@dead_letters.command("list")
@click.option("--route", default="", help="Only those of a route.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@_TENANT
@_JSON
@click.pass_obj
def list_letters(
    settings: Settings, route: str, limit: int, tenant: str | None, as_json: bool
) -> None:
    """List dead letters, the latest first."""
    with opened_dead_letters(settings) as letters:
        found = letters.find(tenant or settings.tenant, route=route, limit=limit)
    facts = [_facts(one) for one in found]
    if as_json:
        print_result({"dead_letters": facts}, as_json=True)
        return
    for one in facts:
        click.echo(printable("  ".join(str(one[name]) for name in _SHOWN)))
    if not facts:
        click.echo("no dead letters")


@dead_letters.command("show")
@click.argument("identifier")
@click.option("--payload", "with_payload", is_flag=True, help="With what it says.")
@_TENANT
@_JSON
@click.pass_obj
def show(
    settings: Settings, identifier: str, with_payload: bool, tenant: str | None, as_json: bool
) -> None:
    """Show a dead letter, and why it is one."""
    with opened_dead_letters(settings) as letters:
        found = letters.get(tenant or settings.tenant, identifier)
    if found is None:
        raise DeadLetterNotFound(identifier)
    facts = _facts(found)
    if with_payload:
        facts["payload"] = found.message.payload.decode(errors="replace")
    print_result(facts, as_json=as_json)


@dead_letters.command("replay")
@click.argument("identifiers", nargs=-1, required=True, metavar="IDENTIFIER...")
@_TENANT
@_JSON
@click.pass_obj
def replay(
    settings: Settings, identifiers: tuple[str, ...], tenant: str | None, as_json: bool
) -> None:
    """Put dead letters back into the outbox, with their ids, behind what waits.

    A receiver that has taken one before knows its id, and drops it.
    """
    now_us = SystemClock().now_us()
    with opened_dead_letters(settings) as letters:
        for one in identifiers:
            if not letters.replay(tenant or settings.tenant, one, now_us=now_us):
                raise DeadLetterNotFound(one)
    print_result({"replayed": list(identifiers)}, as_json=as_json)


@dead_letters.command("discard")
@click.argument("identifiers", nargs=-1, required=True, metavar="IDENTIFIER...")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_TENANT
@_JSON
@click.pass_obj
def discard(
    settings: Settings, identifiers: tuple[str, ...], yes: bool, tenant: str | None, as_json: bool
) -> None:
    """Forget dead letters for good."""
    if not yes:
        click.confirm(f"forget {len(identifiers)} messages for good?", abort=True, err=True)
    with opened_dead_letters(settings) as letters:
        for one in identifiers:
            if not letters.discard(tenant or settings.tenant, one):
                raise DeadLetterNotFound(one)
    print_result({"discarded": list(identifiers)}, as_json=as_json)


def _facts(letter: DeadLetter) -> dict[str, object]:
    message = letter.message
    return {
        "id": message.id,
        "route": message.route,
        "order_key": message.order_key,
        "content_type": message.content_type,
        "size_bytes": len(message.payload),
        "created_at": _time(letter.created_us),
        "died_at": _time(letter.died_us),
        "attempts": letter.attempts,
        "reason": letter.reason,
    }


def _time(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1e6, UTC).isoformat(timespec="seconds")
