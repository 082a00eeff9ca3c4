"""Servers for benchmarks/serving.py: each alone on one core, the load on the other.

One model (LightGBM, 200 trees, 31 leaves, 30 features), trained once in the peers'
environment, is served by all of them.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks._figures import PEERS, peer_python
from kingpost.access import MIGRATIONS, SqliteKeys, create_key
from kingpost.contracts import Contract, Event, batch_of
from kingpost.core import SystemClock, SystemDisk
from kingpost.decisions import DataDirectory, TrainingPlan, load_application, train_decision
from kingpost.integrations import Intake
from kingpost.models import OutOfTimeSplit
from kingpost.storage import migrate, open_database

__all__ = [
    "CLIENT_CORE",
    "Running",
    "Server",
    "SharedModel",
    "kingpost_server",
    "pin_to",
    "serving",
    "train_shared",
]

APP = Path(__file__).with_name("_serving_app.py")
SERVER_CORE, CLIENT_CORE = 0, 1
LABELLED_FROM = datetime(2024, 1, 1, tzinfo=UTC)
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0"}


@dataclass(frozen=True)
class SharedModel:
    """The model, and a data directory in which Kingpost is ready to serve it.

    Attributes:
        folder: Holds model.txt, model.onnx, model.joblib and rows.npy.
        data: Kingpost's data directory.
        secret: An API key that may decide.
    """

    folder: Path
    data: Path
    secret: str

    @property
    def rows(self) -> np.ndarray:
        """Rows to ask with, float64, shape (rows, features)."""
        return np.load(self.folder / "rows.npy")


class Server(NamedTuple):
    """How one server is started.

    Attributes:
        command: With `{port}` where its port stands, and `{grpc}` where a second one does.
        folder: Where it runs.
    """

    command: Sequence[str]
    folder: Path = PEERS
    both_cores: bool = False


class Running(NamedTuple):
    """A server that listens."""

    process: "subprocess.Popen[bytes]"
    port: int
    grpc_port: int

    def pids(self) -> Sequence[int]:
        """Return the processes of the server, its own first."""
        return _tree(self.process.pid)

    def cpu_s(self) -> float:
        """Return the CPU time of its processes so far."""
        ticks = 0
        for pid in self.pids():
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


def train_shared(directory: Path) -> SharedModel:
    """Train the model, and make the data directory of an installation that serves it."""
    folder = directory / "models"
    folder.mkdir()
    python = peer_python("serving")
    subprocess.run([python, PEERS / "serving" / "train.py", folder], check=True)
    os.environ["MODELS"] = str(folder)
    disk, clock = SystemDisk(), SystemClock()
    where = DataDirectory(directory / "data")
    application = load_application(APP)
    decision = application.decisions["classify"]
    labelled = np.load(folder / "labelled.npz")
    with Intake.open(
        where.data, list(application.streams.values()), disk=disk, clock=clock
    ) as intake:
        _ingest(intake, application.streams, labelled["x"], labelled["y"])
    end = LABELLED_FROM + timedelta(minutes=len(labelled["x"]))
    split = OutOfTimeSplit(end - timedelta(minutes=800), end - timedelta(minutes=400), end)
    trained = train_decision(
        application, decision, where, TrainingPlan(split=split), tenant="bench", by="bench",
        disk=disk, clock=clock,
    )  # fmt: skip
    control = where.control_log(disk=disk, clock=clock)
    control.approve("classify", trained.bundle.digest, by="bench", reason="benchmark")
    connection = open_database(where.root / "access.sqlite")
    migrate(connection, "access", MIGRATIONS)
    key = create_key(SqliteKeys(connection), clock, tenant="bench", scopes=["decide"])
    connection.close()
    return SharedModel(folder, where.root, key.secret)


def _ingest(
    intake: Intake, streams: Mapping[str, Contract[Event]], x: np.ndarray, y: np.ndarray
) -> None:
    """Bring labelled rows, one a minute: what a trainer is given, though this one learns nothing."""
    rows, outcomes = [], []
    row, outcome = streams["row"], streams["outcome"]
    for number, (values, label) in enumerate(zip(x.tolist(), y.tolist(), strict=True)):
        at = (LABELLED_FROM + timedelta(minutes=number)).isoformat()
        fields = {f"f{place}": value for place, value in enumerate(values)}
        rows.append(row.convert({"id": f"known-{number}", "at": at, **fields}))
        outcomes.append(
            outcome.convert(
                {"row": f"known-{number}", "at": at, "known_at": at, "positive": bool(label)}
            )
        )
    intake.accept_batch("bench", row, batch_of(row, rows))
    intake.accept_batch("bench", outcome, batch_of(outcome, outcomes))


def pin_to(core: int) -> None:
    """Keep this process on one core, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})


def kingpost_server(model: SharedModel, *arguments: str) -> Server:
    """Say how Kingpost serves the model: everything on, as a user runs it."""
    command = [sys.executable, "-m", "kingpost.cli", "--data-dir", str(model.data), "run", str(APP)]
    return Server([*command, "--port", "{port}", *arguments], Path(__file__).parents[1])


@contextmanager
def serving(server: Server, model: SharedModel) -> Generator[Running, None, None]:
    """Run a server until the block ends; nothing of it is left behind."""
    ports = [_free_port(), _free_port()]
    filled = [str(part).format(port=ports[0], grpc=ports[1]) for part in server.command]
    process = subprocess.Popen(
        filled if server.both_cores else _pinned(filled),
        cwd=server.folder,
        env=os.environ | _ONE_THREAD | {"MODELS": str(model.folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait_for(ports[0], process)
        yield Running(process, *ports)
    finally:
        left = _tree(process.pid)
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pid in left[1:]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _pinned(command: list[str]) -> list[str]:
    if not hasattr(os, "sched_setaffinity"):
        return command
    start = "import os,sys; os.sched_setaffinity(0,{int(sys.argv[1])}); os.execv(sys.argv[2],sys.argv[2:])"
    return [sys.executable, "-c", start, str(SERVER_CORE), *command]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(1200):
        if process.poll() is not None:
            raise SystemExit(f"a server ended with code {process.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit("a server never listened")


def _tree(pid: int) -> list[int]:
    """Return a process and all its descendants; some start theirs in sessions of their own."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found = [pid]
    for one in found:
        found.extend(parents.get(one, []))
    return found
