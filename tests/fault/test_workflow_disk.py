"""A full disk under workflows is a pause: nothing fails, and no step is done again."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli_app import kingpost
from tests.small_disk import Filler, runs_in_a_namespace, small_disk
from tests.workflow_house import eventually

APP = """
import os
import time
from pathlib import Path

import kingpost as kp

RAN = Path(__file__).with_name("ran.log")

@kp.step
def work(number: int) -> str:
    with RAN.open("a") as log:
        log.write(f"{number}\\n")
    time.sleep(0.01)
    return os.urandom(4000).hex()

@kp.workflow
def long(steps: int) -> int:
    for number in range(steps):
        try:
            work(number)
        except Exception as error:
            raise AssertionError(f"a workflow must not meet {error!r}") from error
    return steps
"""
STEPS = 300


def test_a_full_disk_is_waited_for_and_no_step_is_done_again(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if runs_in_a_namespace(request, tmp_path):
        return
    (tmp_path / "long_app.py").write_text(APP)
    log, ran = tmp_path / "worker.log", tmp_path / "ran.log"
    with small_disk(tmp_path / "data", 24 << 20) as data:
        kingpost(
            tmp_path, "workflows", "start", "long_app.py", "long",
            "--input", f'{{"steps": {STEPS}}}', "--key", "l", "--json",
        )  # fmt: skip
        command = [sys.executable, "-m", "kingpost.cli", "--data-dir", str(data), "work"]
        with (
            log.open("wb") as told,
            subprocess.Popen(
                [*command, "long_app.py"], cwd=tmp_path, stderr=told, env=os.environ
            ) as worker,
        ):
            try:
                eventually(lambda: ran.exists() and len(numbers(ran)) > 20, "it works", 60)
                filler = Filler(data)
                eventually(lambda: is_waiting(log, filler), "it waits for room", 60)
                met = numbers(ran)
                filler.free()
                eventually(lambda: len(numbers(ran)) == STEPS, "it went on", 120)
                eventually(lambda: state(tmp_path) == "done", "it is done", 60)
            finally:
                worker.send_signal(signal.SIGTERM)
        assert 20 < len(met) < STEPS
        assert numbers(ran) == list(range(STEPS))
        refused = full(tmp_path, data)
    assert refused.startswith("error [workflow_store_failed]"), refused
    assert "Traceback" not in refused


def numbers(ran: Path) -> list[int]:
    return [int(line) for line in ran.read_text().split()]


def is_waiting(log: Path, filler: Filler) -> bool:
    filler.fill()
    return b"workflow_store_waits" in log.read_bytes()


def state(directory: Path) -> object:
    return kingpost(directory, "workflows", "show", "default:l", "--json")["state"]


def full(directory: Path, data: Path) -> str:
    """Try to start a workflow while the disk is full; return what is said."""
    Filler(data).fill()
    command = [sys.executable, "-m", "kingpost.cli", "--data-dir", str(data), "workflows", "start"]
    done = subprocess.run(
        [*command, "long_app.py", "long", "--input", '{"steps": 1}'],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr
