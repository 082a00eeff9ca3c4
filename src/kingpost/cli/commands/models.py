"""`kingpost train`, `kingpost models` and `kingpost approve`."""

import getpass
from pathlib import Path

import click

from kingpost.cli.commands.approvers import asked_passphrase
from kingpost.cli.commands.import_model import import_command
from kingpost.cli.commands.optimise_model import optimise_command
from kingpost.cli.commands.register_model import register
from kingpost.cli.commands.show_model import show
from kingpost.cli.declared import chosen_decision
from kingpost.cli.evaluated import moment, told_evaluation
from kingpost.cli.output import print_result, progress
from kingpost.cli.place import data_directory
from kingpost.contracts import Instant
from kingpost.core import KingpostError, Settings, SystemClock, SystemDisk
from kingpost.decisions import (
    MistakeCosts,
    TrainingPlan,
    approved_bundle,
    card_digests,
    load_application,
    read_bundle,
    train_decision,
)
from kingpost.models import OutOfTimeSplit, card_page
from kingpost.registry import Approval, ArtefactStore, ModelVersion, SigningKey

__all__ = ["approve", "models", "train"]

_SHORTEST_DIGEST = 8
_PAGES = (".html", ".htm")


@click.command()
@click.argument("app", type=click.Path(path_type=Path))
@click.argument("decision", required=False)
@click.option("--train-until", help="Learn from requests and labels before this time.")
@click.option("--test-from", help="Judge on requests from this time; --train-until by default.")
@click.option("--test-to", help="Judge on requests before this time.")
@click.option("--entity", help="Field that says whom a request is about, for precision@100.")
@click.option(
    "--missed-cost", help="What a missed positive costs: a number, or the field that says."
)
@click.option("--false-alarm-cost", type=float, help="What a false alarm costs.")
@click.option(
    "--card",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the model card here too: Markdown, or a page with plots if it ends in .html.",
)
@click.option("--by", help="Who trains; the name of this account by default.")
@click.option("--tenant", help="Whose events; the configured tenant by default.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def train(
    settings: Settings,
    app: Path,
    decision: str | None,
    train_until: str | None,
    test_from: str | None,
    test_to: str | None,
    entity: str | None,
    missed_cost: str | None,
    false_alarm_cost: float | None,
    card: Path | None,
    by: str | None,
    tenant: str | None,
    as_json: bool,
) -> None:
    """Train APP's DECISION on the journal, judge it out of time, register and bundle it.

    Without times it is judged on the last seven days and learns from what came before.
    Times are ISO 8601 with an offset. Nothing runs before `kingpost approve`.
    """
    application = load_application(app)
    plan = TrainingPlan(
        split=_split(train_until, test_from, test_to),
        entity=entity,
        costs=_costs(missed_cost, false_alarm_cost),
        threads=settings.threads,
    )
    with progress("train", "steps") as show:
        trained = train_decision(
            application,
            chosen_decision(application, decision),
            data_directory(settings),
            plan,
            tenant=tenant or settings.tenant,
            by=by or getpass.getuser(),
            disk=SystemDisk(),
            clock=SystemClock(),
            progress=lambda stage, done, total: show(done, total, stage),
        )
    if card is not None:
        learned, name = trained.learned, trained.version.name
        is_page = card.suffix.lower() in _PAGES
        text = card_page(name, learned.card_html) if is_page else learned.card
        card.write_text(text, encoding="utf-8")
    result: dict[str, object] = {
        "decision": trained.bundle.decision,
        "model": trained.version.name,
        "version": trained.version.number,
        "bundle": trained.bundle.digest,
        "threshold": trained.version.threshold,
        **trained.version.metrics,
        **({} if trained.evaluation is None else told_evaluation(trained.evaluation)),
    }
    print_result(result, as_json=as_json)
    if trained.evaluation is not None and not trained.evaluation.may_run and not as_json:
        click.echo("it did not pass its evaluation gates: no approval without --override", err=True)
    elif not as_json:
        click.echo(
            f"approve it with: kingpost approve {app} {trained.bundle.decision} "
            f"--bundle {trained.bundle.digest[:12]} --reason …",
            err=True,
        )


def _split(
    train_until: str | None, test_from: str | None, test_to: str | None
) -> OutOfTimeSplit | None:
    if train_until is None and test_from is None and test_to is None:
        return None
    if train_until is None or test_to is None:
        raise click.UsageError("--train-until and --test-to belong together")
    moments = [moment(text) for text in (train_until, test_from or train_until, test_to)]
    return OutOfTimeSplit(*moments)


def _costs(missed: str | None, false_alarm: float | None) -> MistakeCosts | None:
    if missed is None and false_alarm is None:
        return None
    if missed is None or false_alarm is None:
        raise click.UsageError("--missed-cost and --false-alarm-cost belong together")
    try:
        return MistakeCosts(float(missed), false_alarm)
    except ValueError:
        return MistakeCosts(missed, false_alarm)


class _Models(click.Group):
    """A group whose first command is meant where none is named: `kingpost models app.py`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, *ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Models)
def models() -> None:
    """List models, bundles and approvals; import a model of another library.

    Without a command it lists: `kingpost models APP [DECISION]`.
    """


for command in (import_command, register, show, optimise_command):
    models.add_command(command)


@models.command("list")
@click.argument("app", type=click.Path(path_type=Path))
@click.argument("decision", required=False)
@click.option("--card", "card_of", type=int, metavar="VERSION", help="Print this one's card.")
@click.option("--html", is_flag=True, help="The card as a page with plots, not in Markdown.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the card to this file instead.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def list_models(
    settings: Settings,
    app: Path,
    decision: str | None,
    card_of: int | None,
    html: bool,
    out: Path | None,
    as_json: bool,
) -> None:
    """List the models, bundles and approvals of APP's DECISION: what runs, who approved it."""
    if card_of is None and (html or out is not None):
        raise click.UsageError("--html and --out go with --card")
    application = load_application(app)
    chosen = chosen_decision(application, decision)
    where = data_directory(settings)
    control = where.control_log(disk=SystemDisk(), clock=SystemClock())
    versions = control.models(chosen.model.name)
    if card_of is not None:
        found = [version for version in versions if version.number == card_of]
        if not found:
            raise click.BadParameter(f"there is no version {card_of}", param_hint="--card")
        digests = card_digests(control, chosen.name, found[0])
        card = _card(found[0], digests, where.artefacts(disk=SystemDisk()), html=html)
        if out is not None:
            out.write_text(card, encoding="utf-8")
        if as_json:
            shown: dict[str, object] = {"model": found[0].name, "version": card_of}
            print_result(
                shown | ({"card": card} if out is None else {"out": str(out)}), as_json=True
            )
        elif out is None:
            click.echo(card, nl=False)
        return
    try:
        running = approved_bundle(control, chosen.name).digest
    except KingpostError:
        running = ""
    bundles: list[object] = [
        {
            "digest": registered.digest,
            "model_version": read_bundle(registered).model_number,
            "approved": any(one.bundle == registered.digest for one in approvals),
            "runs": registered.digest == running,
        }
        for approvals in [control.approvals(chosen.name)]
        for registered in control.bundles(chosen.name)
    ]
    listed: list[object] = [_version(version) for version in versions]
    approved: list[object] = [
        _approval(one)
        | {"position": f"control:{offset}"}
        | ({"does_not_count": problem} if problem else {})
        for one, problem, offset in control.judged_approvals(chosen.name)
    ]
    evaluated: list[object] = [told_evaluation(one) for one in control.evaluations(chosen.name)]
    print_result(
        {
            "decision": chosen.name,
            "models": listed,
            "bundles": bundles,
            **({"evaluations": evaluated} if evaluated else {}),
            "approvals": approved,
        },
        as_json=as_json,
    )


class NoCardPage(KingpostError):
    """A model version without a card with plots: an imported one, or one from before them."""

    code = "no_card_page"

    def __init__(self, name: str, number: int) -> None:
        super().__init__(name, number)
        self.name, self.number = name, number

    def __str__(self) -> str:
        return (
            f"version {self.number} of model {self.name!r} has no card with plots; "
            "leave out --html for its Markdown"
        )


def _card(
    version: ModelVersion, digests: tuple[str, str], store: ArtefactStore, *, html: bool
) -> str:
    card, card_html = digests
    if not html:
        return store.get(card).decode()
    if not card_html:
        raise NoCardPage(version.name, version.number)
    return card_page(version.name, store.get(card_html).decode())


def _version(version: ModelVersion) -> dict[str, object]:
    return {
        "name": version.name,
        "version": version.number,
        "registered": Instant(version.registered_at_us).isoformat(),
        "by": version.by,
        "data": version.data.digest[:12],
        "rows": version.data.rows,
        "features": version.features[:12],
        "code": version.code[:12],
        "onnx": version.artefacts.onnx[:12],
        "metrics": {name: round(value, 4) for name, value in version.metrics.items()},
    }


def _approval(one: Approval) -> dict[str, object]:
    return {
        "bundle": one.bundle,
        "by": one.by,
        "reason": one.reason,
        "at": Instant(one.at_us).isoformat(),
        **({"results": one.results} if one.results else {}),
        **({"override": one.override} if one.override else {}),
    }


class NoSuchBundle(KingpostError):
    """The beginning of a digest that names no bundle, or several."""

    code = "no_such_bundle"

    def __init__(self, decision: str, digest: str, found: int) -> None:
        super().__init__(decision, digest, found)
        self.decision, self.digest, self.found = decision, digest, found

    def __str__(self) -> str:
        many = f"{self.found} bundles begin" if self.found else "no bundle begins"
        return (
            f"decision {self.decision!r}: {many} with {self.digest!r}; "
            f"give at least {_SHORTEST_DIGEST} digits of one that `kingpost models` lists"
        )


@click.command()
@click.argument("app", type=click.Path(path_type=Path))
@click.argument("decision", required=False)
@click.option("--bundle", help="The beginning of its digest; the newest bundle by default.")
@click.option("--reason", required=True, help="Why it may run.")
@click.option("--by", help="Who approves; the name of this account by default.")
@click.option(
    "--key",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Sign with this key, which `kingpost approvers new-key` made; needed where the setting "
    "`approvers` names some.",
)
@click.option(
    "--override",
    default="",
    metavar="WHY",
    help="Let it run although it did not pass its evaluation gates; recorded with the approval.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def approve(
    settings: Settings,
    app: Path,
    decision: str | None,
    bundle: str | None,
    reason: str,
    by: str | None,
    key: Path | None,
    override: str,
    as_json: bool,
) -> None:
    """Approve a bundle of APP's DECISION, so that it may run: who, what digest, why.

    The approval is written to the control journal. A server takes the bundle that was
    approved last, when it starts. A bundle whose decision declares evaluation gates has to have
    passed them.
    """
    application = load_application(app)
    chosen = chosen_decision(application, decision)
    control = data_directory(settings).control_log(disk=SystemDisk(), clock=SystemClock())
    known = [registered.digest for registered in control.bundles(chosen.name)]
    wanted = known[-1:] if bundle is None else [one for one in known if one.startswith(bundle)]
    if len(wanted) != 1 or (bundle is not None and len(bundle) < _SHORTEST_DIGEST):
        raise NoSuchBundle(chosen.name, bundle or "", len(wanted))
    signing = None if key is None else SigningKey.read(key, asked_passphrase)
    made = control.approve(
        chosen.name,
        wanted[0],
        by=by or getpass.getuser(),
        reason=reason,
        key=signing,
        override=override,
    )
    print_result({"decision": chosen.name, **_approval(made)}, as_json=as_json)
