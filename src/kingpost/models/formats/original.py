"""A model as its own library runs it, beside the ONNX that a converter made of it."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module, metadata
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from kingpost.core import ExtraMissing
from kingpost.models.errors import LibraryMissing

__all__ = [
    "Original",
    "Outputs",
    "heavy_library",
    "library_of_extra",
    "said_by",
    "version_of",
]

_MOST_SAID = 400

Outputs = Callable[[NDArray[np.float32]], NDArray[np.float64]]
"""Rows, float32 (rows, features), to what the model gives: (rows,), (rows, 1) or (rows, 2)."""


@dataclass(frozen=True, eq=False)
class Original:
    """A model that was loaded by the library that made it.

    Attributes:
        onnx: What the converter wrote.
        outputs: What the library itself gives for rows.
        library: The library and its version.
        output: Which output of `onnx` corresponds; empty where there is one or it is plain.
    """

    onnx: bytes
    outputs: Outputs
    library: str
    output: str = ""


def library_of_extra(name: str, extra: str) -> ModuleType:
    """Import a library that an extra brings.

    Raises:
        ExtraMissing: It is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise ExtraMissing(name, extra) from error


def heavy_library(name: str, install: str) -> ModuleType:
    """Import a library that no extra brings.

    Args:
        install: What to give to `pip install`.

    Raises:
        LibraryMissing: It, or something that it needs, is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise LibraryMissing(name, install) from error


def version_of(*distributions: str) -> str:
    """Return the first distribution that is installed, with its version."""
    for name in distributions:
        try:
            return f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            continue
    return distributions[0]


def said_by(error: Exception) -> str:
    """Return what a library says of its failure, not more than a few lines of it."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= _MOST_SAID else f"{text[:_MOST_SAID]}…"
