"""The observer beside a server: started again when it dies, and never left behind."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kingpost.cli.kept_process import KeptProcess
from tests.cli_app import PreparedShop, kingpost
from tests.served_shop import Load, ServedShop, recorded, until

LIVE = "import sys; sys.stdin.read()"
DEAF = "import time; time.sleep(600)"


def command(source: str) -> list[str]:
    return [sys.executable, "-c", source]


def is_running(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def begun(process: KeptProcess, *, other_than: int | None = None) -> int:
    """Wait for it to run, and return its id."""
    until(lambda: process.pid not in (None, other_than), "the observer runs")
    assert process.pid is not None
    return process.pid


def test_an_observer_that_dies_is_started_again() -> None:
    process = KeptProcess(command(LIVE), pause_s=0.01)
    first = begun(process)

    os.kill(first, signal.SIGKILL)

    second = begun(process, other_than=first)
    process.close()
    assert not is_running(second)


def test_an_observer_that_cannot_be_started_is_tried_again(tmp_path: Path) -> None:
    program = tmp_path / "observer"
    process = KeptProcess([str(program)], pause_s=0.01)
    time.sleep(0.1)
    assert process.pid is None

    program.write_text("#!/bin/sh\ncat\n")
    program.chmod(0o700)

    begun(process)
    process.close()


def test_an_observer_ends_when_its_server_closes_it() -> None:
    process = KeptProcess(command(LIVE))
    pid = begun(process)

    process.close()

    assert not is_running(pid)
    assert process.pid is None


def test_an_observer_that_does_not_end_is_ended(caplog: pytest.LogCaptureFixture) -> None:
    process = KeptProcess(command(DEAF))
    pid = begun(process)

    process.close(patience_s=0.1)

    assert not is_running(pid)
    assert "kept_process_killed" in caplog.text


def test_an_observer_does_not_outlive_a_server_that_was_killed() -> None:
    source = f"""
    import time
    from kingpost.cli.kept_process import KeptProcess

    process = KeptProcess({command(LIVE)!r})
    while process.pid is None:
        time.sleep(0.01)
    print(process.pid, flush=True)
    time.sleep(600)
    """
    server = subprocess.Popen(command(textwrap.dedent(source)), stdout=subprocess.PIPE, text=True)
    with server:
        assert server.stdout is not None
        pid = int(server.stdout.readline())
        assert is_running(pid)
        server.kill()

    until(lambda: not is_running(pid), "the observer ended")


def observers_of(server: int) -> list[int]:
    """Return the children of a server; a thread of it may end while they are read."""
    children: list[int] = []
    for task in Path(f"/proc/{server}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            children += map(int, (task / "children").read_text().split())
    return children


def observed(directory: Path) -> int:
    """Count the records that the observer has seen."""
    connection = sqlite3.connect(directory / "data" / "observed.sqlite")
    try:
        row = connection.execute("SELECT sum(records) FROM record_scopes").fetchone()
    finally:
        connection.close()
    return row[0] or 0


def restarted(server: int, before: list[int]) -> Callable[[], bool]:
    """Ask once per turn: between two questions the one that was killed may be reaped."""
    return lambda: observers_of(server) not in ([], before)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="children are found in /proc")
def test_a_server_goes_on_while_its_observer_dies_and_nothing_is_missed(
    prepared_shop: PreparedShop, tmp_path: Path
) -> None:
    secret = prepared_shop.copied(tmp_path)
    with ServedShop(tmp_path, secret) as shop:
        until(lambda: bool(observers_of(shop.process.pid)), "the observer runs")
        load = Load(shop, "a")
        try:
            for _ in range(3):
                until(lambda: observed(tmp_path) > 0, "something was observed")
                (observer,) = before = observers_of(shop.process.pid)
                os.kill(observer, signal.SIGKILL)
                until(restarted(shop.process.pid, before), "another observer runs")
        finally:
            report = load.stop()
        assert all(answer.status == 200 for answer in report.answers)
        count = len(recorded(tmp_path))
        assert count >= len(report.answers)
        until(lambda: observed(tmp_path) == count, "everything was observed")
        (observer,) = observers_of(shop.process.pid)
        shop.end(signal.SIGKILL)

    until(lambda: not is_running(observer), "the observer ended with its server")
    again = kingpost(tmp_path, "watch", "shop_app.py", "--once", "--json")
    assert again["records"] == 0
    assert observed(tmp_path) == count
