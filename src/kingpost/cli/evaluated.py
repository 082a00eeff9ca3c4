"""What the commands share that judge a bundle: the times they take and what they say of it."""

from datetime import datetime

import click

from kingpost.contracts import EPOCH, Instant
from kingpost.registry import BundleEvaluation

__all__ = ["moment", "told_evaluation"]


def moment(text: str) -> datetime:
    """Read a time that an option gives.

    Raises:
        click.BadParameter: It is no ISO 8601 time with an offset.
    """
    try:
        return EPOCH + (Instant.parse(text) - Instant(0))
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is no ISO 8601 time: {error}") from error


def told_evaluation(one: BundleEvaluation) -> dict[str, object]:
    """Return what a command says of an evaluation."""
    return {
        "bundle": one.bundle,
        "gates": one.verdict,
        "may_run": one.may_run,
        "not_passed": list(one.not_passed),
        "results": one.results,
        "champion": one.champion,
        "evaluated": Instant(one.at_us).isoformat(),
        "evaluated_by": one.by,
    }
