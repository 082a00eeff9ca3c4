"""The file `MLmodel`: which flavours a model comes in, its signature, and what we add.

The rule: nothing in it is run, and a file that it names lies beside it or is refused.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, cast

import msgspec

from kingpost.integrations.mlflow.errors import BadMlflowModel

__all__ = ["MLMODEL", "Flavour", "MlModel", "OursInMlModel", "read_mlmodel", "write_mlmodel"]

MLMODEL = "MLmodel"
"""The name of the file."""

Flavour = Literal["onnx", "lightgbm", "xgboost", "sklearn"]

_MOST_BYTES = 1 << 20
_FILE_OF: Mapping[Flavour, str] = {
    "onnx": "data",
    "lightgbm": "data",
    "xgboost": "data",
    "sklearn": "pickled_model",
}
"""Flavours that can be imported, the best first, and the key under which each names its file."""


class OursInMlModel(msgspec.Struct, frozen=True, kw_only=True):
    """What an export of Kingpost's says of itself, in the file's `metadata`.

    Attributes:
        features: Names, in the order in which the model takes them.
        onnx: SHA-256 of the model that is served.
    """

    features: tuple[str, ...] = ()
    onnx: str = ""
    threshold: float | None = None


class _Metadata(msgspec.Struct, frozen=True):
    kingpost: OursInMlModel | None = None


class _Signature(msgspec.Struct, frozen=True):
    inputs: str | None = None
    outputs: str | None = None


class _Column(msgspec.Struct, frozen=True):
    type: str = ""
    name: str | int | None = None


class MlModel(msgspec.Struct, frozen=True):
    """What is read of the file."""

    flavors: dict[str, dict[str, object]]
    signature: _Signature | None = None
    metadata: _Metadata | None = None
    mlflow_version: str = ""

    @property
    def ours(self) -> OursInMlModel | None:
        """What Kingpost wrote, where the model is an export of its own."""
        return None if self.metadata is None else self.metadata.kingpost

    @property
    def inputs(self) -> str:
        """The signature's inputs, in JSON; empty where there are none."""
        return (self.signature and self.signature.inputs) or ""

    @property
    def outputs(self) -> str:
        """The signature's outputs, in JSON; empty where there are none."""
        return (self.signature and self.signature.outputs) or ""

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the model's columns; none where only a tensor is described."""
        if self.ours is not None:
            return self.ours.features
        if not self.inputs:
            return ()
        try:
            columns = msgspec.json.decode(self.inputs, type=list[_Column])
        except msgspec.MsgspecError:
            return ()
        names = [one.name for one in columns if one.type != "tensor"]
        if len(names) != len(columns) or not all(isinstance(name, str) for name in names):
            return ()
        return tuple(cast("list[str]", names))

    def file_of(self, directory: Path, uri: str, wanted: str = "") -> tuple[Flavour, Path]:
        """Choose the flavour to import; return it with its file.

        Raises:
            BadMlflowModel: There is none that can be imported, or its file is not there.
        """
        for flavour, key in _FILE_OF.items():
            name = self.flavors.get(flavour, {}).get(key)
            if wanted in ("", flavour) and isinstance(name, str):
                return flavour, _beside(directory, name, uri)
        raise BadMlflowModel(
            uri,
            f"its flavours are {', '.join(sorted(self.flavors)) or 'none'}"
            + (f", and {wanted} was asked for" if wanted else ""),
            f"expected one of {', '.join(_FILE_OF)}: log it as ONNX (mlflow.onnx.log_model)",
        )


def read_mlmodel(directory: Path, uri: str) -> MlModel:
    """Read the file of a model that was brought here.

    Raises:
        BadMlflowModel: There is none, or it cannot be read.
    """
    path = directory / MLMODEL
    if not path.is_file() or path.stat().st_size > _MOST_BYTES:
        raise BadMlflowModel(
            uri, f"it has no file {MLMODEL} of at most {_MOST_BYTES:,} bytes", "log it with MLflow"
        )
    try:
        return msgspec.yaml.decode(path.read_bytes(), type=MlModel)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadMlflowModel(
            uri, f"its {MLMODEL} cannot be read: {error}", "log it again"
        ) from error


def write_mlmodel(
    flavours: Mapping[str, Mapping[str, object]],
    ours: OursInMlModel,
    *,
    created: str,
    inputs: str,
    outputs: str,
) -> bytes:
    """Write the file for a model of ours.

    Args:
        created: When, as MLflow writes it: `2026-11-28 14:52:30.932513`.
        inputs, outputs: The signature, in JSON.
    """
    return msgspec.yaml.encode(
        {
            "flavors": flavours,
            "metadata": {"kingpost": ours},
            "signature": {"inputs": inputs, "outputs": outputs, "params": None},
            "utc_time_created": created,
        }
    )


def _beside(directory: Path, name: str, uri: str) -> Path:
    found = (directory / name).resolve()
    if not found.is_relative_to(directory.resolve()) or not found.is_file():
        raise BadMlflowModel(
            uri, f"its {MLMODEL} names a file {name!r} that it does not bring", "log it again"
        )
    return found
