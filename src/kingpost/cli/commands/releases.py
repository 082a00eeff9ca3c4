"""`kingpost release`, `promote`, `rollback`, `releases` and `history`.

They write to the control log, or read it; servers that run follow within a second.
"""

import getpass
from collections.abc import Sequence

import click
import msgspec
from msgspec import structs

from kingpost.cli.output import print_result
from kingpost.cli.place import data_directory
from kingpost.core import Settings, SystemClock, SystemDisk, duration_us
from kingpost.decisions import Releases
from kingpost.registry import (
    DEFAULT_JUDGED,
    Judged,
    Mode,
    ReleasePlan,
    ReleaseState,
    Stage,
)
from kingpost.serving import release_document, release_event_document

__all__ = ["history", "promote", "release", "releases", "rollback"]

_BY = click.option("--by", help="Who does it; the name of this account by default.")
_REASON = click.option("--reason", required=True, help="Why; whoever asks later reads it.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.command()
@click.argument("decision")
@click.argument("bundle")
@click.option(
    "--canary",
    type=click.FloatRange(0, 100, min_open=True),
    metavar="PERCENT",
    help="It answers this part of the requests until it is promoted; 10 by default.",
)
@click.option(
    "--stages",
    metavar="PERCENT,…",
    help="One part after the other, as 5,25,100; reaching 100 promotes it.",
)
@click.option("--stage-time", default="10m", help="How long a stage lasts at least; 10m.")
@click.option(
    "--stage-requests",
    type=click.IntRange(0),
    default=1000,
    help="How many requests it has answered in a stage at least; 1000.",
)
@click.option("--by-key", multiple=True, metavar="VALUE", help="It answers this value always.")
@click.option("--by-prefix", multiple=True, metavar="TEXT", help="And values that begin so.")
@click.option(
    "--assign-by",
    default="",
    metavar="FIELD",
    help="All requests of one value of this field go to one bundle, as customer; the key of the "
    "request's event by default.",
)
@click.option("--shadow", is_flag=True, help="It decides every request once more, for nobody.")
@click.option("--blue-green", is_flag=True, help="It answers all requests at once.")
@click.option(
    "--margin",
    "margins",
    multiple=True,
    metavar="MEASURE=PERCENT",
    help="By how much a rate may exceed the champion's, as errors=1; off judges it not. "
    "Measures: errors, latency, score, undecided, business.",
)
@click.option(
    "--alpha",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.01,
    help="The chance to end a release of something no worse; 0.01.",
)
@_REASON
@_BY
@_JSON
@click.pass_obj
def release(
    settings: Settings,
    decision: str,
    bundle: str,
    canary: float | None,
    stages: str | None,
    stage_time: str,
    stage_requests: int,
    by_key: tuple[str, ...],
    by_prefix: tuple[str, ...],
    assign_by: str,
    shadow: bool,
    blue_green: bool,
    margins: tuple[str, ...],
    alpha: float,
    reason: str,
    by: str | None,
    as_json: bool,
) -> None:
    """Release an approved BUNDLE of DECISION beside the champion.

    BUNDLE is the beginning of its digest, as `kingpost models` lists it. It is judged against
    the champion and rolled back by itself when it is worse; `kingpost promote` makes it
    champion, `kingpost rollback` ends it.
    """
    if sum(map(bool, (canary is not None or stages, shadow, blue_green))) > 1:
        raise click.UsageError("choose one of --canary or --stages, --shadow and --blue-green")
    if canary is not None and stages:
        raise click.UsageError("--stages says all parts: leave out --canary")
    mode: Mode = "shadow" if shadow else "blue_green" if blue_green else "canary"
    shares: Sequence[float] = ()
    if mode == "canary":
        named = bool(by_key or by_prefix)
        shares = _shares(stages) if stages else [canary or 10] if canary or not named else []
    plan = ReleasePlan(
        mode=mode,
        by=assign_by,
        keys=by_key,
        prefixes=by_prefix,
        stages=tuple(
            Stage(share=share / 100, min_us=duration_us(stage_time), min_requests=stage_requests)
            for share in shares
        ),
        judged=_judged(margins),
        alpha=alpha,
    )
    made = _releases(settings).start(
        decision, bundle, plan, by=by or getpass.getuser(), reason=reason
    )
    _print(release_event_document(made), as_json=as_json)


@click.command()
@click.argument("decision")
@click.argument("bundle", default="")
@_REASON
@_BY
@_JSON
@click.pass_obj
def promote(
    settings: Settings, decision: str, bundle: str, reason: str, by: str | None, as_json: bool
) -> None:
    """Make the bundle of DECISION that is being released champion, now.

    With BUNDLE that one, whatever is being released. One of other code than a server runs is
    taken when the server is started with that code.
    """
    done, who = _releases(settings), by or getpass.getuser()
    made = (
        done.roll_back(decision, to=bundle, by=who, reason=reason)
        if bundle
        else done.promote(decision, by=who, reason=reason)
    )
    _print(release_event_document(made), as_json=as_json)


@click.command()
@click.argument("decision")
@click.option("--to", default="", metavar="BUNDLE", help="The beginning of a digest.")
@_REASON
@_BY
@_JSON
@click.pass_obj
def rollback(
    settings: Settings, decision: str, to: str, reason: str, by: str | None, as_json: bool
) -> None:
    """End the release of DECISION; where none goes on, go back to the champion before."""
    made = _releases(settings).roll_back(decision, to=to, by=by or getpass.getuser(), reason=reason)
    _print(release_event_document(made), as_json=as_json)


@click.command()
@click.argument("decision")
@_JSON
@click.pass_obj
def releases(settings: Settings, decision: str, as_json: bool) -> None:
    """Say what runs of DECISION and what is being released."""
    shown = release_document(decision, _state(settings, decision), [], "")
    _print(shown, as_json=as_json, without=("versions", "problem", "history"))


@click.command()
@click.argument("decision")
@_JSON
@click.pass_obj
def history(settings: Settings, decision: str, as_json: bool) -> None:
    """List the steps of DECISION's releases, the latest first."""
    shown = release_document(decision, _state(settings, decision), [], "")
    _print(shown, as_json=as_json, without=("versions", "problem", "live"))


def _releases(settings: Settings) -> Releases:
    clock = SystemClock()
    control = data_directory(settings).control_log(disk=SystemDisk(), clock=clock)
    return Releases(control, clock=clock)


def _state(settings: Settings, decision: str) -> ReleaseState:
    return _releases(settings).control.releases(decision)


def _shares(text: str) -> Sequence[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise click.BadParameter(
            f"{text!r} is no list of percents, as 5,25,100", param_hint="--stages"
        ) from error


def _judged(margins: Sequence[str]) -> tuple[Judged, ...]:
    judged: dict[str, Judged] = {one.measure: one for one in DEFAULT_JUDGED}
    for text in margins:
        name, _, value = text.partition("=")
        if name not in judged:
            known = ", ".join(f"{one}=…" for one in judged)
            raise click.BadParameter(f"{text!r} is none of {known}", param_hint="--margin")
        if value == "off":
            del judged[name]
            continue
        try:
            judged[name] = structs.replace(judged[name], margin=float(value) / 100)
        except ValueError as error:
            raise click.BadParameter(
                f"{value!r} is no number of percent", param_hint="--margin"
            ) from error
    return tuple(judged.values())


def _print(document: msgspec.Struct, *, as_json: bool, without: Sequence[str] = ()) -> None:
    built = msgspec.to_builtins(document)
    print_result(
        {name: value for name, value in built.items() if name not in without}, as_json=as_json
    )
