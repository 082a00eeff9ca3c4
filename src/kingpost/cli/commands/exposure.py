"""`kingpost exposure`: who has collected how many answers, and who is suspected."""

import time

import click

from kingpost.cli.exposure import open_extraction
from kingpost.cli.output import print_result
from kingpost.contracts import Instant
from kingpost.core import KingpostError, Settings
from kingpost.serving import Who

__all__ = ["exposure"]


class NothingKept(KingpostError):
    """A caller of whom nothing is kept."""

    code = "nothing_kept"

    def __init__(self, decision: str, principal: str) -> None:
        super().__init__(decision, principal)
        self.decision, self.principal = decision, principal

    def __str__(self) -> str:
        return (
            f"nothing is kept of {self.principal!r} for {self.decision!r}; "
            "`kingpost exposure list` shows of whom there is"
        )


@click.group()
def exposure() -> None:
    """Show who has collected how many answers, and forgive who was suspected wrongly."""


@exposure.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def list_callers(settings: Settings, as_json: bool) -> None:
    """List the callers whose answers count, a few more than were given after a crash."""
    store = open_extraction(settings)
    now_us = time.time_ns() // 1000
    rows: list[object] = []
    for who in store.callers():
        suspect = store.suspected(who)
        is_suspected = suspect is not None and suspect.until_us > now_us
        rows.append(
            {
                **who._asdict(),
                "answers": sum(number for _, number in store.spent(who, 0)),
                "suspected": suspect.pattern if suspect and is_suspected else None,
                "until": _moment(suspect.until_us) if suspect and is_suspected else None,
            }
        )
    print_result({"callers": rows}, as_json=as_json)


@exposure.command("forgive")
@click.argument("decision")
@click.argument("principal")
@click.option("--tenant", help="Whose it is; the configured tenant by default.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def forgive(
    settings: Settings, decision: str, principal: str, tenant: str | None, as_json: bool
) -> None:
    """Forget what counts for PRINCIPAL's answers of DECISION, and that it is suspected.

    A running server takes note within a second of the caller's next request that it refuses.
    """
    store = open_extraction(settings)
    who = Who(decision, tenant or settings.tenant, principal)
    if who not in store.callers():
        raise NothingKept(decision, principal)
    store.forgive(who)
    print_result({"forgiven": principal, "decision": decision}, as_json=as_json)


def _moment(at_us: int) -> str:
    return Instant(at_us // 1_000_000 * 1_000_000).isoformat()
