"""Parts of a batch scored by a Ray cluster (extra `ray`).

The rule: nothing is shared but Ray's object store. The application's source, the model and
the history go into it once; a unit goes to a worker, and its part comes back as the bytes of
its files, which the run writes. So the workers need Kingpost installed, and no disk in common.
"""

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from kingpost.core import SystemDisk
from kingpost.decisions.application import Application, load_application
from kingpost.decisions.batch.inputs import Unit
from kingpost.decisions.batch.part import write_part
from kingpost.decisions.batch.past import BatchPast
from kingpost.decisions.batch.plan import BatchWorkerFailed
from kingpost.decisions.ray_work import RayWorkFailed, ray_work
from kingpost.decisions.served import ServedDecision
from kingpost.decisions.sources import pack_sources, unpack_sources
from kingpost.decisions.whole_files import WholeFiles
from kingpost.models import OnnxScorer

__all__ = ["Shipment", "WrittenUnit", "ray_units"]


@dataclass(frozen=True)
class Shipment:
    """What a worker needs, as it goes through the object store.

    Attributes:
        sources: The application's source, packed.
        application: The application's file, relative to the root of the sources.
        onnx: The bundle's model.
    """

    sources: bytes
    application: str
    decision: str
    bundle: bytes
    model: bytes
    onnx: bytes
    threshold: float
    past: BatchPast


@dataclass(frozen=True)
class WrittenUnit:
    """A part as the bytes of its files, the part itself the last of them; and its rows."""

    part: int
    rows: int
    files: tuple[tuple[str, bytes], ...]


class UnitWorker:
    """Scores units for one batch; in a process of Ray."""

    def __init__(self, shipment: Shipment, threads: int) -> None:
        self._sources = tempfile.TemporaryDirectory(prefix="kingpost-batch-")
        root = Path(self._sources.name)
        unpack_sources(shipment.sources, root)
        decision = load_application(root / shipment.application).decisions[shipment.decision]
        self._served = ServedDecision(
            decision,
            shipment.bundle,
            shipment.model,
            OnnxScorer(shipment.onnx),
            shipment.threshold,
        )
        self._past, self._threads = shipment.past, threads

    def compute(self, unit: Unit, /) -> WrittenUnit:
        """Score a unit."""
        with tempfile.TemporaryDirectory(prefix="kingpost-part-") as directory:
            place = WholeFiles(Path(directory), disk=SystemDisk())
            write_part(self._served, self._past, unit, place, threads=self._threads)
            names = sorted(place.names(), reverse=True)  # the refused rows, then the part
            files = tuple((name, (place.path / name).read_bytes()) for name in names)
            return WrittenUnit(unit.part, unit.rows + len(unit.refused), files)


def ray_units(
    application: Application,
    served: ServedDecision,
    onnx: bytes,
    past: BatchPast,
    units: Iterable[Unit],
    workers: int,
    *,
    threads: int,
    address: str | None = None,
) -> Iterator[WrittenUnit]:
    """Score units by so many workers of a Ray cluster; yield each with its bytes.

    Args:
        onnx: The bundle's model.
        threads: For the features, of each worker, and the CPUs that it asks of Ray.
        address: Of a cluster; a local one is started, and ended after use, without.

    Raises:
        ExtraMissing: Ray is not installed.
        BatchWorkerFailed: The cluster cannot be reached, or a part failed too often.
    """
    shipment = Shipment(
        pack_sources(application.sources),
        application.path.as_posix(),
        served.decision.name,
        served.bundle,
        served.model,
        onnx,
        served.threshold,
        past,
    )
    try:
        yield from ray_work(
            UnitWorker, (shipment, threads), units, workers, threads=threads, address=address
        )
    except RayWorkFailed as error:
        raise BatchWorkerFailed(str(error)) from error
