"""`kingpost features`: the catalogue of an application's features."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import msgspec

from kingpost.cli.declared import NothingDeclared
from kingpost.cli.output import print_result, printable
from kingpost.cli.place import data_directory
from kingpost.cli.stores import open_review_sources
from kingpost.core import Settings, SystemClock, SystemDisk
from kingpost.decisions import (
    Application,
    Catalogue,
    DriftState,
    FeatureStatistics,
    load_application,
    read_catalogue,
)
from kingpost.registry import ControlLog
from kingpost.serving import (
    FeatureDocument,
    FeaturesDocument,
    drift_by_decision,
    drift_of,
    feature_document,
    feature_line,
    statistics_of,
)

__all__ = ["list_features", "show"]

_APP = click.argument("app", type=click.Path(path_type=Path))
_TENANT = click.option("--tenant", help="Whose monitors; the configured tenant by default.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_DIGITS = 12


@click.command("list")
@_APP
@click.option("--text", default="", help="Words in its name, description, owner, tags or fields.")
@click.option("--kind", type=click.Choice(["field", "function", "window", "look-up"]), default=None)
@click.option("--stream", default="", help="Only those that read a stream.")
@click.option("--owner", default="", help="Only those of an owner.")
@click.option("--tag", default="", help="Only those with a tag.")
@click.option("--decision", default="", help="Only those that a decision takes.")
@_TENANT
@_JSON
@click.pass_obj
def list_features(
    settings: Settings,
    app: Path,
    text: str,
    kind: str | None,
    stream: str,
    owner: str,
    tag: str,
    decision: str,
    tenant: str | None,
    as_json: bool,
) -> None:
    """List the features that APP declares: what each is, who owns it, who uses it."""
    opened = _Opened(settings, app, tenant)
    found = opened.catalogue.find(
        text=text, kind=kind or "", stream=stream, owner=owner, tag=tag, decision=decision
    )
    drift = opened.drift()
    document = FeaturesDocument([feature_line(one, drift_of(one, drift)) for one in found])
    if as_json:
        print_result(_built(document), as_json=True)
        return
    rows = [
        (
            one.name,
            one.version[:_DIGITS],
            one.summary,
            one.owner or "-",
            ", ".join(one.decisions),
            ", ".join(f"{model.model} {model.number}" for model in one.models) or "-",
            "drifted" if "beyond" in one.drift.values() else "",
        )
        for one in document.features
    ]
    _print_table(("feature", "version", "what it is", "owner", "decisions", "models", ""), rows)
    if not rows:
        click.echo("no feature is like that")


@click.command("show")
@_APP
@click.argument("name")
@_TENANT
@_JSON
@click.pass_obj
def show(settings: Settings, app: Path, name: str, tenant: str | None, as_json: bool) -> None:
    """Show what is known of the feature NAME: lineage, versions, statistics.

    Also of one that APP declares no longer, as long as a bundle had it.
    """
    opened = _Opened(settings, app, tenant)
    feature = opened.catalogue.named(name)
    if feature is None:
        raise NothingDeclared("feature", name, tuple(opened.catalogue.features))
    document = feature_document(feature, opened.statistics(feature.name))
    if as_json:
        print_result(_built(document), as_json=True)
        return
    _print_feature(document)


class _Opened:
    """An application, what was bundled of it, and what was observed where there is anything."""

    def __init__(self, settings: Settings, app: Path, tenant: str | None) -> None:
        application = load_application(app)
        where = data_directory(settings)
        control = where.control_log(disk=SystemDisk(), clock=SystemClock())
        self.catalogue: Catalogue = read_catalogue(application.decisions, control)
        self._tenant = tenant or settings.tenant
        self._bundles = _approved(application, control)
        self._sources = (
            open_review_sources(where, application.decisions) if where.observed.is_file() else None
        )

    def drift(self) -> Mapping[str, Mapping[str, DriftState]]:
        if self._sources is None:
            return {}
        return drift_by_decision(self._bundles, self._sources, self._tenant)

    def statistics(self, name: str) -> Sequence[FeatureStatistics]:
        if self._sources is None:
            return ()
        return statistics_of(
            self.catalogue.features[name],
            self._bundles,
            self._sources,
            self._tenant,
            SystemClock().now_us(),
        )


def _approved(application: Application, control: ControlLog) -> Mapping[str, bytes]:
    """Return the digest of the bundle that may run, per decision that has one."""
    found: dict[str, bytes] = {}
    for name in application.decisions:
        approvals = control.approvals(name)
        if approvals:
            found[name] = bytes.fromhex(approvals[-1].bundle)
    return found


def _built(document: msgspec.Struct) -> Mapping[str, object]:
    return msgspec.json.decode(msgspec.json.encode(document), type=dict[str, object])


def _print_feature(document: FeatureDocument) -> None:
    for one in document.declared:
        facts: dict[str, object] = {
            "feature": one.name,
            "version": one.version,
            "what it is": one.summary,
            "description": one.description,
            "owner": one.owner,
            "tags": ", ".join(one.tags),
            "type": f"{one.type}, {'exact' if one.exact else 'by a sketch'}",
            "when empty": "missing" if one.default is None else f"{one.default:g}",
            "reads": ", ".join(one.reads),
            "held for": one.retention,
            "takes": ", ".join(one.takes),
            "feeds": ", ".join(one.feeds),
            "consent to": ", ".join(one.purposes),
            "decisions": ", ".join(one.decisions),
            "declared at": one.declared_at,
        }
        print_result({name: said for name, said in facts.items() if said}, as_json=False)
        click.echo()
    if not document.declared:
        click.echo(f"{printable(document.name)} is declared no longer\n")
    _print_table(
        ("version", "first bundled", "decisions", "models", ""),
        [
            (
                one.version[:_DIGITS],
                one.first_bundled or "not yet",
                ", ".join(one.decisions),
                ", ".join(f"{model.model} {model.number}" for model in one.models) or "-",
                "declared" if one.declared else "",
            )
            for one in document.versions
        ],
    )
    for one in document.statistics:
        click.echo()
        facts = {"decision": one.decision, "drift": one.state.replace("_", " ")}
        if one.psi is not None:
            facts["index"] = f"{one.psi:.3f}, limit {one.limit:.3f} ({one.window})"
        for name, spread in (("reference", one.reference), ("last 24 hours", one.live)):
            if spread is not None:
                facts[name] = (
                    f"{spread.rows:,} rows, missing {_share(spread.missing_share)}, "
                    f"median {_number(spread.median)}"
                ) + ("" if spread.mean is None else f", mean {_number(spread.mean)}")
        if one.fresh_until is not None:
            facts["fresh until"] = one.fresh_until
        print_result(facts, as_json=False)


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.2%}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"


def _print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if not rows:
        return
    shown = [head, *rows]
    widths = [max(len(row[at]) for row in shown) for at in range(len(head))]
    for row in shown:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo(printable(line.rstrip()))
