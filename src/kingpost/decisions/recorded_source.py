"""Running the source that a bundle recorded, in a process of its own.

The rule: the source is what the bundle names by digest, unpacked into a directory of its own
and imported by another process, so what runs is what was bundled, whatever was deployed since.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from kingpost.core import KingpostError
from kingpost.decisions.bundle import Bundle
from kingpost.decisions.data_directory import DataDirectory
from kingpost.decisions.errors import ReplayFailed
from kingpost.decisions.sources import unpack_sources
from kingpost.registry import ArtefactStore

__all__ = ["WorkPlace", "run_recorded", "work_on_job", "work_place"]

_JOB, _RESULT = "job.json", "result.json"
Job = TypeVar("Job", bound=msgspec.Struct)
Found = TypeVar("Found")


class WorkPlace(msgspec.Struct, frozen=True, kw_only=True):
    """Where the process finds the installation.

    Attributes:
        partition: The name of the data partition.
        control_dir: Where the control log and the artefacts are.
        listed: All partitions with their data directories; none where it is alone.
        key_store: Where the keys of data subjects are.
    """

    data_dir: str
    control_dir: str
    partition: str
    listed: tuple[tuple[str, str], ...]
    key_store: str = ""

    def directory(self) -> DataDirectory:
        """Return the data directory that is meant."""
        listed = tuple((name, Path(root)) for name, root in self.listed)
        return DataDirectory(
            Path(self.data_dir),
            self.partition,
            listed,
            Path(self.control_dir),
            key_store=self.key_store,
        )


def work_place(where: DataDirectory) -> WorkPlace:
    """Write down where an installation lies."""
    return WorkPlace(
        data_dir=str(where.root.resolve()),
        control_dir=str((where.control_root or where.root).resolve()),
        partition=where.partition,
        listed=tuple((name, str(place.resolve())) for name, place in where.listed),
        key_store=where.key_store,
    )


class _Told(msgspec.Struct, frozen=True, kw_only=True):
    """What the process tells: what it found, or why it could not."""

    found: msgspec.Raw = msgspec.Raw(b"null")
    problem: str = ""


def work_on_job(kind: type[Job], run: Callable[[Job], object]) -> None:
    """Do what the process is there for, in the directory that it was given as its argument."""
    work = Path(sys.argv[1])
    job = msgspec.json.decode((work / _JOB).read_bytes(), type=kind)
    try:
        told = _Told(found=msgspec.Raw(msgspec.json.encode(run(job))))
    except KingpostError as error:
        told = _Told(problem=f"[{error.code}] {error}")
    (work / _RESULT).write_bytes(msgspec.json.encode(told))


def run_recorded(
    bundle: Bundle,
    store: ArtefactStore,
    worker: str,
    job: Callable[[Path], msgspec.Struct],
    kind: type[Found],
) -> Found:
    """Run a module beside a bundle's source; return what it found.

    Args:
        worker: The module, which calls `work_on_job`.
        job: Makes what it is told, of the path of the unpacked application's file.
        kind: What it finds.

    Raises:
        ReplayFailed: It found nothing, or ended without a result.
        ArtefactMissing, ArtefactCorrupt: The source was altered.
    """
    source = store.get(bundle.source)
    with tempfile.TemporaryDirectory(prefix="kingpost-recorded-") as name:
        work = Path(name)
        root = work / "source"
        unpack_sources(source, root)
        (work / _JOB).write_bytes(msgspec.json.encode(job(root / bundle.application)))
        run = subprocess.run(
            # -P: a module that happens to lie in the working directory is not imported
            [sys.executable, "-P", "-m", worker, str(work)],
            cwd=work,
            env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        result = work / _RESULT
        if run.returncode != 0 or not result.exists():
            said = run.stderr.decode(errors="replace").strip().splitlines()[-3:]
            raise ReplayFailed(
                bundle.decision,
                bundle.digest,
                f"the process ended with code {run.returncode}: {' | '.join(said)}",
            )
        told = msgspec.json.decode(result.read_bytes(), type=_Told)
    if told.problem:
        raise ReplayFailed(bundle.decision, bundle.digest, told.problem)
    return msgspec.json.decode(told.found, type=kind)
