"""Bundles to release in the small shop: with another threshold, or with a model that is broken."""

import json
from pathlib import Path
from typing import cast

from kingpost.core import SystemClock, SystemDisk
from kingpost.decisions import DataDirectory
from tests.onnx_models import logistic_onnx

__all__ = ["add_bundle", "broken_model"]


def add_bundle(directory: Path, *, threshold: float = 0.5, model: bytes | None = None) -> str:
    """Register and approve a bundle that differs from the newest; return its digest."""
    disk, clock = SystemDisk(), SystemClock()
    where = DataDirectory(directory / "data")
    control = where.control_log(disk=disk, clock=clock)
    document = cast("dict[str, object]", json.loads(control.bundles("risk")[-1].document))
    document["threshold"] = threshold
    if model is not None:
        document["model"] = where.artefacts(disk=disk).put(model)
    body = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    added = control.add_bundle("risk", body.encode())
    control.approve("risk", added.digest, by="ann", reason="a test")
    return added.digest


def broken_model(directory: Path) -> bytes:
    """Return a model of the shop's features that never gives a score."""
    control = DataDirectory(directory / "data").control_log(disk=SystemDisk(), clock=SystemClock())
    document = json.loads(control.bundles("risk")[-1].document)
    return logistic_onnx([0.0] * len(document["feature_names"]), float("nan"))
