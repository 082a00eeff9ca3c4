"""The files of an exported model: what MLflow loads, and beside it how.

The rule: the ONNX file is, byte for byte, what is served. A function has no file: its
application's sources lie in its place, and Kingpost loads them.
"""

import io
import zipfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from kingpost.decisions.declare import Decision
from kingpost.integrations import MLMODEL, OursInMlModel, write_mlmodel
from kingpost.registry import ModelVersion

__all__ = ["function_files", "model_files"]

_LIGHTGBM = b"tree\n"
_LOADER = "kingpost_function"
_LOADER_SOURCE = b'''"""Loads the function of a Kingpost application for MLflow."""

import json
from pathlib import Path

import numpy as np

from kingpost.decisions import load_application


class Function:
    def __init__(self, predict):
        self._predict = predict

    def predict(self, rows, params=None):
        return self._predict(np.array(rows, np.float32))


def _load_pyfunc(path):
    told = json.loads(Path(path).read_text())
    application = load_application(Path(__file__).parent / told["application"])
    return Function(application.decisions[told["decision"]].model.predict)
'''


def model_files(
    decision: Decision, version: ModelVersion, onnx: bytes, native: bytes
) -> Mapping[str, bytes]:
    """Return the files of a model that is served as ONNX, with LightGBM's own where it is one."""
    packages = version.environment.packages
    needs = ["numpy", "onnx", "onnxruntime"]
    flavours: dict[str, Mapping[str, object]] = {
        "onnx": {
            "data": "model.onnx",
            "onnx_version": packages.get("onnx", ""),
            "providers": ["CPUExecutionProvider"],
            "code": None,
        },
        "python_function": _loaded_by("mlflow.onnx", "model.onnx", version),
    }
    files = {"model.onnx": onnx}
    if native.startswith(_LIGHTGBM):
        files["model.lgb"] = native
        needs.append("lightgbm")
        flavours["lightgbm"] = {
            "data": "model.lgb",
            "lgb_version": packages.get("lightgbm", ""),
            "model_class": "lightgbm.basic.Booster",
            "code": None,
        }
    outputs = _tensor("float32", [-1, 2])
    return files | _described(decision, version, flavours, outputs, needs)


def function_files(
    decision: Decision, version: ModelVersion, application: str, sources: bytes
) -> Mapping[str, bytes]:
    """Return the files of a model that is a function.

    Args:
        application: The file that declares the decision, as its bundle names it.
        sources: The bundle's archive of them.
    """
    told = {"application": application, "decision": decision.name}
    files = {"function.json": msgspec.json.encode(told), f"code/{_LOADER}.py": _LOADER_SOURCE}
    with zipfile.ZipFile(io.BytesIO(sources)) as packed:
        files |= {f"code/{name}": packed.read(name) for name in packed.namelist()}
    loaded = {**_loaded_by(_LOADER, "function.json", version), "code": "code"}
    outputs = _tensor("float64", [-1])
    needs = ("kingpost", "numpy")
    return files | _described(decision, version, {"python_function": loaded}, outputs, needs)


def _loaded_by(module: str, data: str, version: ModelVersion) -> dict[str, object]:
    return {
        "loader_module": module,
        "data": data,
        "env": {"virtualenv": "python_env.yaml"},
        "python_version": version.environment.python,
    }


def _described(
    decision: Decision,
    version: ModelVersion,
    flavours: Mapping[str, Mapping[str, object]],
    outputs: str,
    needs: Sequence[str],
) -> dict[str, bytes]:
    packages = version.environment.packages
    made = datetime.fromtimestamp(version.registered_at_us / 1e6, UTC)
    environment = {
        "python": version.environment.python,
        "build_dependencies": ["pip"],
        "dependencies": ["-r requirements.txt"],
    }
    required = "".join(f"{one}=={packages[one]}\n" for one in needs if one in packages)
    return {
        MLMODEL: write_mlmodel(
            flavours,
            OursInMlModel(
                features=decision.features.names,
                onnx=version.artefacts.onnx,
                threshold=version.threshold,
            ),
            created=f"{made:%Y-%m-%d %H:%M:%S.%f}",
            inputs=_tensor("float32", [-1, len(decision.features)]),
            outputs=outputs,
        ),
        "requirements.txt": required.encode(),
        "python_env.yaml": msgspec.yaml.encode(environment),
    }


def _tensor(dtype: str, shape: list[int]) -> str:
    spec = {"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": shape}}
    return msgspec.json.encode([spec]).decode()
