"""What benchmarks share: a peer's own locked environment, and one JSON line per figure."""

import json
import os
import shutil
import subprocess
from pathlib import Path

__all__ = ["figure", "peer_python"]

PEERS = Path(__file__).with_name("peers")


def peer_python(name: str) -> Path:
    """Make the locked environment of a peer when it is not there; return its Python."""
    folder = PEERS / name
    uv = os.environ.get("UV") or shutil.which("uv") or ".tool/bin/uv"
    environment = {
        key: value
        for key, value in os.environ.items()
        if key not in ("VIRTUAL_ENV", "UV_FIND_LINKS")
    }
    subprocess.run([uv, "sync", "--locked", "--quiet"], cwd=folder, env=environment, check=True)
    return folder / ".venv" / "bin" / "python"


def figure(
    name: str, value: float, unit: str, peer: str, peer_value: float, *, more_is_better: bool
) -> None:
    """Print a figure beside a peer's; a ratio above 1 means that ours is better."""
    ratio = value / peer_value if more_is_better else peer_value / value
    line = {
        "name": name,
        "value": round(value, 4),
        "unit": unit,
        "peer": peer,
        "peer_value": round(peer_value, 4),
        "ratio": round(ratio, 3),
    }
    print(json.dumps(line), flush=True)
