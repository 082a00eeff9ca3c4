"""`kingpost models show`: one version, and how it takes batches on this machine."""

from pathlib import Path

import click
import msgspec

from kingpost.cli.declared import NothingDeclared, chosen_decision
from kingpost.cli.output import print_result
from kingpost.cli.place import data_directory
from kingpost.contracts import Instant
from kingpost.core import Settings, SystemClock, SystemDisk
from kingpost.decisions import load_application, read_bundle, ready_model
from kingpost.monitoring import decode_profile

__all__ = ["show"]


@click.command()
@click.argument("app", type=click.Path(path_type=Path))
@click.argument("decision", required=False)
@click.option("--version", "number", type=int, help="The newest by default.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def show(
    settings: Settings, app: Path, decision: str | None, number: int | None, as_json: bool
) -> None:
    """Show a version of the model of APP's DECISION: where it comes from, how it takes batches.

    It is tried here and now, as a server tries it when it starts: batching is `any` where a row
    has the same bits alone and in batches, and `one_by_one` where it is scored alone.
    """
    chosen = chosen_decision(load_application(app), decision)
    where = data_directory(settings)
    control = where.control_log(disk=SystemDisk(), clock=SystemClock())
    store = where.artefacts(disk=SystemDisk())
    versions = {version.number: version for version in control.models(chosen.model.name)}
    wanted = max(versions, default=0) if number is None else number
    if wanted not in versions:
        raise NothingDeclared("version", str(wanted), tuple(map(str, versions)))
    version = versions[wanted]
    made = version.artefacts
    profile = decode_profile(store.get(made.profile)) if made.profile else None
    finding = ready_model(chosen, store.get(made.onnx), profile).finding
    bundles: list[object] = [
        registered.digest
        for registered in control.bundles(chosen.name)
        if read_bundle(registered).model_number == wanted
    ]
    parameters = {str(name): value for name, value in version.parameters.items()}
    result: dict[str, object] = {
        "model": version.name,
        "version": version.number,
        "registered": Instant(version.registered_at_us).isoformat(),
        "by": version.by,
        "artefact": made.onnx,
        "bytes": len(store.get(made.onnx)),
        "threshold": version.threshold,
        "batching": finding.batching,
        "batching_because": str(finding),
        "bundles": bundles,
        "parameters": parameters,
        "metrics": dict(version.metrics),
    }
    lineage = version.parameters.get("lineage")
    if isinstance(lineage, str):
        result["lineage"] = msgspec.json.decode(store.get(lineage))
    print_result(result, as_json=as_json)
