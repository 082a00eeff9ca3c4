"""What benchmarks share: a peer's own locked environment, runs of ways in processes of their
own, and one JSON line per figure.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

__all__ = ["PEERS", "Run", "figure", "figure_at", "measured", "peer_python", "run_way", "say"]

T = TypeVar("T")

PEERS = Path(__file__).with_name("peers")


def peer_python(name: str) -> Path:
    """Make the locked environment of a peer when it is not there; return its Python."""
    folder = PEERS / name
    uv = os.environ.get("UV") or shutil.which("uv") or PEERS.parents[1] / ".tool/bin/uv"
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
    ours, theirs = (value, peer_value) if more_is_better else (peer_value, value)
    # nothing of what should not be, beside a bar of nothing, is the bar met
    ratio = ours / theirs if theirs else 1.0
    line = {
        "name": name,
        "value": round(value, 4),
        "unit": unit,
        "peer": peer,
        "peer_value": round(peer_value, 4),
        "ratio": round(ratio, 3),
    }
    print(json.dumps(line), flush=True)


def figure_at(name: str, value: float, unit: str, bar: float, *, more_is_better: bool) -> None:
    """Print a figure beside its bar; a ratio above 1 means that the bar is met."""
    figure(name, value, unit, f"bar of {bar:,g} {unit}", bar, more_is_better=more_is_better)


class Run(NamedTuple):
    """What one way took in a process of its own."""

    seconds: float
    cpu_seconds: float
    peak_mb: int


def measured(work: Callable[[], T]) -> tuple[T, Run]:
    """Do some work in this process and say what it took."""
    start, busy = time.perf_counter(), time.process_time()
    result = work()
    return result, Run(
        time.perf_counter() - start,
        time.process_time() - busy,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    )


def run_way(command: Sequence[str | Path], data: Path, out: Path) -> Run:
    """Run one way in a process of its own; it writes its values to `out`."""
    # touch a gigabyte: a virtual machine has given idle memory away, and the first to ask
    # for it would pay for all
    subprocess.run([sys.executable, "-c", "b'x' * 2**30"], check=True)
    done = subprocess.run(
        [*map(str, command), "--data", str(data), "--out", str(out)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return Run(**json.loads(done.stdout))


def say(text: str) -> None:
    """Tell whoever waits; figures alone go to the standard output."""
    print(text, file=sys.stderr, flush=True)
