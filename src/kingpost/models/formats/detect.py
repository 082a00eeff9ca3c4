"""Which library's file a model is: told by its name and its first bytes, never by running it."""

from pathlib import Path
from typing import Literal

from kingpost.models.errors import BadModelFile

__all__ = ["MOST_BYTES", "Format", "detect_format"]

Format = Literal[
    "onnx", "lightgbm", "xgboost", "sklearn", "torch", "saved_model", "keras", "tflite"
]

MOST_BYTES = 1 << 30
"""The largest model taken: protocol buffers end at 2 GiB, and a conversion needs room."""

_SUFFIXES: dict[str, Format] = {
    ".onnx": "onnx",
    ".ubj": "xgboost",
    ".joblib": "sklearn",
    ".pkl": "sklearn",
    ".pickle": "sklearn",
    ".skops": "sklearn",
    ".pt2": "torch",
    ".keras": "keras",
    ".h5": "keras",
    ".tflite": "tflite",
}
_LIGHTGBM = b"tree\n"
_KNOWN = (
    "expected .onnx, a LightGBM text file (.txt), XGBoost .json or .ubj, scikit-learn .joblib, "
    ".pkl or .skops, PyTorch .pt2, a SavedModel directory, .keras, .h5 or .tflite"
)


def detect_format(path: Path) -> Format:
    """Tell the format of a model file, or of a directory.

    Raises:
        BadModelFile: There is none, it is too large, or it is of no known format.
    """
    if not path.exists():
        raise BadModelFile(str(path), "there is no such file", _KNOWN)
    if path.is_dir():
        if not (path / "saved_model.pb").is_file():
            raise BadModelFile(str(path), "the directory holds no saved_model.pb", _KNOWN)
        _check_size(path, sum(one.stat().st_size for one in path.rglob("*") if one.is_file()))
        return "saved_model"
    _check_size(path, path.stat().st_size)
    suffix = path.suffix.lower()
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    with path.open("rb") as file:
        first = file.read(4096)
    if first.startswith(_LIGHTGBM):
        return "lightgbm"
    if suffix == ".json" and b'"learner"' in first:
        return "xgboost"
    if suffix in (".pt", ".pth"):
        raise BadModelFile(
            str(path),
            "a .pt or .pth file holds weights or a pickle, not a program",
            "export it with torch.export.export(…) and torch.export.save(…, 'model.pt2'), or give "
            "import_model the nn.Module itself",
        )
    raise BadModelFile(str(path), "it is of no known format", _KNOWN)


def _check_size(path: Path, size_bytes: int) -> None:
    if not 0 < size_bytes <= MOST_BYTES:
        raise BadModelFile(
            str(path), f"it has {size_bytes:,} bytes", f"expected 1 to {MOST_BYTES:,}"
        )
