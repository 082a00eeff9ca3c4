"""`kingpost verify`: the records themselves, or a proof, or a whole log."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click
import msgspec

from kingpost.cli.output import Progress, print_result, progress
from kingpost.cli.place import data_directory
from kingpost.cli.proof_files import read_checkpoints, read_keys
from kingpost.cli.tree import entry_id
from kingpost.contracts import Instant
from kingpost.core import Settings, SystemClock, SystemDisk
from kingpost.decisions import noted_removals, verify_records
from kingpost.proofs import (
    BadNote,
    KeyRing,
    TreeDamaged,
    Trust,
    audit_log,
    checkpoint_file,
    parse_checkpoint,
    verify_json,
)
from kingpost.registry import ControlLog

__all__ = ["verify"]

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("path", metavar="[FILE|DIR]", required=False, type=click.Path(path_type=Path))
@click.option("--checkpoint", "kept", type=_FILE, multiple=True, help="One that you have kept.")
@click.option("--key", "keys", multiple=True, help="A log's verifier key, or a file of keys.")
@click.option("--witness", "witnesses", multiple=True, help="A witness's key, or a file of keys.")
@click.option("--witnesses", "quorum", type=click.IntRange(0), help="So many must have signed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def verify(
    settings: Settings,
    path: Path | None,
    kept: Sequence[Path],
    keys: Sequence[str],
    witnesses: Sequence[str],
    quorum: int | None,
    as_json: bool,
) -> None:
    """Decide every recorded request again, by its own bundle, and count what differs.

    With FILE, check a proof of `kingpost prove`, or of `kingpost checkpoint --since`; with DIR,
    check whole logs: those of a data directory that you give a key or a checkpoint of, one tree
    of it, or a tree that was published. That needs no server and no network: only the log's key,
    or a checkpoint, that came to you another way.

    Ends with code 1 when anything differs.
    """
    if path is None:
        _recompute(settings, as_json=as_json)
        return
    trust = Trust(read_keys(keys), read_checkpoints(kept), read_keys(witnesses), quorum or 0)
    if not trust.keys and not trust.kept:
        raise click.UsageError("give --key, the log's verifier key, or --checkpoint, one you kept")
    if path.is_dir():
        with progress("verify", "leaves") as show:
            is_fine, result = _audited(settings, path, trust, show)
    else:
        verdict = verify_json(path.read_bytes(), trust, entry_id)
        is_fine = verdict.is_proved
        result = {"is_proved": is_fine, **verdict.facts, "problems": verdict.problems}
        if not as_json and isinstance(time_us := result.pop("time_us", None), int):
            result["time"] = Instant(time_us).isoformat()
    print_result(result, as_json=as_json)
    if not is_fine:
        raise SystemExit(1)


def _recompute(settings: Settings, *, as_json: bool) -> None:
    with progress("verify", "records") as show:
        report = verify_records(data_directory(settings), on_progress=show)
    print_result(msgspec.to_builtins(report), as_json=as_json)
    if report.different:
        raise SystemExit(1)


def _audited(
    settings: Settings, path: Path, trust: Trust, show: Progress
) -> tuple[bool, dict[str, object]]:
    """Check a log, or those of a data directory that anything trusted is of."""
    logs = path / "tree"
    if not logs.is_dir():
        found, not_checked, missing = [_audit(path, path, trust, show)], [], []
    else:
        trees = [logs / name for name in (settings.partition, "control") if (logs / name).is_dir()]
        origins = {one: _origin(one) for one in trees}
        trusted = {key.name for key in trust.keys} | {one.origin for one in trust.kept}
        # one that does not say what it is called is looked into with all that is trusted
        checked = [one for one in trees if origins[one] in trusted | {""}]
        found = [_audit(path, one, _of(trust, origins[one]), show) for one in checked]
        not_checked = [one.name for one in trees if one not in checked]
        missing = sorted(trusted - set(origins.values()))
    is_fine = bool(found) and not missing and all(one["is_proved"] for one in found)
    return is_fine, {
        "is_proved": is_fine,
        "logs": found,
        "not_checked": not_checked,
        "not_here": missing,
    }


def _of(trust: Trust, origin: str) -> Trust:
    """Return what is trusted of one log; all where it does not say its name."""
    if not origin:
        return trust
    return replace(
        trust,
        keys=[key for key in trust.keys if key.name == origin],
        kept=[one for one in trust.kept if one.origin == origin],
    )


def _origin(tree: Path) -> str:
    try:
        return parse_checkpoint(checkpoint_file(tree, SystemDisk())).origin
    except (BadNote, TreeDamaged):
        return ""


def _audit(path: Path, tree: Path, trust: Trust, show: Progress) -> dict[str, object]:
    """Check a log: with its journal and its salt where both lie there, else the tree alone."""
    disk, journal, salt = SystemDisk(), None, None
    if tree != path:
        journal, secret = path / "journal" / tree.name, path / "tree-keys" / tree.name
        if (secret / "salt").is_file() and journal.is_dir():
            salt = KeyRing(tree, secret, disk=disk).salt()
    audit = audit_log(
        tree,
        trust,
        disk=disk,
        journal=journal,
        salt=salt,
        handovers=KeyRing(tree, tree, disk=disk).handovers(),
        removals=_removals(path, tree.name),
        on_progress=show,
    )
    first = audit.first
    return {
        "log": tree.name if tree != path else str(path),
        "is_proved": audit.is_sound,
        "leaves": audit.size,
        "commits_compared": audit.commits,
        "commits_waiting": audit.waiting,
        "commits_removed": audit.removed,
        "first_bad": None if first is None else first.leaf,
        "first_bad_before": None if first is None else first.until,
        **audit.facts,
        "problems": [
            f"{one.code}: leaf {one.leaf}: {one.text}"
            if one.until == one.leaf + 1
            else f"{one.code}: leaves {one.leaf} to {one.until - 1}: {one.text}"
            for one in audit.findings
        ],
    }


def _removals(root: Path, partition: str) -> Sequence[tuple[int, int]] | None:
    """Read what was noted to have been removed; None where the control log is elsewhere."""
    control = root / "journal" / "control"
    if not control.is_dir():
        return None
    log = ControlLog(control, disk=SystemDisk(), clock=SystemClock())
    return noted_removals(log.retentions(partition))
