"""`kill -9` during a batch: the same command goes on and ends with the same files, to the byte."""

import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from kingpost.core import SystemClock, SystemDisk
from kingpost.decisions import DataDirectory
from kingpost.registry import BatchRun
from tests.cli_app import PreparedShop, kingpost

APP, ROWS, BAD = "shop_app.py", 3000, 30
PER_PART = ("--rows-per-part", "20")
PARTS = ROWS // 20


def write_requests(directory: Path) -> None:
    """Write requests that are new, in two files; of each hundred one breaks the contract."""
    lines = ["id,at,customer,amount"]
    for row in range(ROWS):
        moment = f"2018-08-1{1 + row // 1500}T{row % 24:02}:{row % 60:02}:00Z"
        lines.append(f"n{row},{moment},c{row % 45},{7.5 + row * 7919 % 20_000 / 100:.2f}")
        if row % 100 == 0:
            lines.append(f"bad{row},{moment},c1,-1")
    inputs = directory / "in"
    inputs.mkdir()
    half = len(lines) // 2
    (inputs / "1.csv").write_text("\n".join(lines[:half]) + "\n")
    (inputs / "2.csv").write_text("\n".join([lines[0], *lines[half:]]) + "\n")


def files_of(out: Path) -> Mapping[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(out.glob("*.parquet"))}


def noted(shop: Path) -> list[BatchRun]:
    where = DataDirectory(shop / "data")
    control = where.control_log(disk=SystemDisk(), clock=SystemClock())
    return list(control.batches("risk"))


@pytest.fixture(scope="module")
def shop(prepared_shop: PreparedShop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("scored")
    prepared_shop.copied(directory)
    write_requests(directory)
    return directory


@pytest.fixture(scope="module")
def in_one_go(shop: Path) -> Mapping[str, bytes]:
    told = kingpost(shop, "score", APP, "risk", "in", "--out", "whole", *PER_PART, "--json")
    assert (told["rows"], told["refused"], told["parts"]) == (ROWS, BAD, PARTS)
    return files_of(shop / "whole")


def start_and_kill(shop: Path, out: str, *arguments: str, after_parts: int) -> int:
    """Kill a batch once it has written some parts; return how many there are."""
    with subprocess.Popen(
        [sys.executable, "-m", "kingpost.cli", "--data-dir", str(shop / "data"),
         "score", APP, "risk", "in", "--out", out, *PER_PART, *arguments, "--json"],
        cwd=shop,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        while len(list((shop / out).glob("part-*.parquet"))) < after_parts:
            assert process.poll() is None, "it was through, or failed, before it was killed"
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.stderr.read()  # a worker ends, and closes it, after the part that it is at
    return len(list((shop / out).glob("part-*.parquet")))


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_killed_batch_goes_on_where_it_was_and_ends_with_the_same_bytes(
    shop: Path, in_one_go: Mapping[str, bytes], processes: str
) -> None:
    out, options = f"killed-{processes}", ("--processes", processes)
    first = start_and_kill(shop, out, *options, after_parts=2)
    (shop / out / "part-00149.parquet.7.tmp").write_bytes(b"half a part")
    second = start_and_kill(shop, out, *options, after_parts=first + 5)
    command = ("score", APP, "risk", "in", "--out", out, *PER_PART, *options, "--json")

    done = kingpost(shop, *command)
    again = kingpost(shop, *command)

    assert 2 <= first < second < PARTS
    assert (done["rows"], done["refused"], done["resumed"]) == (ROWS, BAD, second)
    assert again == {**done, "resumed": PARTS, "seconds": again["seconds"]}
    assert not list((shop / out).glob("*.tmp"))
    assert files_of(shop / out) == in_one_go
    mine = [one for one in noted(shop) if one.id == done["id"]]
    assert [(one.state, one.rows, one.output) for one in mine] == [
        ("begun", None, ""),
        ("finished", ROWS, done["output"]),
    ]


def test_a_batch_goes_on_as_of_the_journal_that_it_saw(
    shop: Path, in_one_go: Mapping[str, bytes]
) -> None:
    start_and_kill(shop, "grown", after_parts=3)
    (shop / "late.csv").write_text("id,at,customer,amount\nl1,2018-08-10T23:00:00Z,c1,999\n")
    kingpost(shop, "ingest", APP, "order", "late.csv", "--json")

    kingpost(shop, "score", APP, "risk", "in", "--out", "grown", *PER_PART, "--json")
    kingpost(shop, "score", APP, "risk", "in", "--out", "anew", *PER_PART, "--json")

    assert files_of(shop / "grown") == in_one_go
    assert files_of(shop / "anew") != in_one_go


def test_ray_gives_the_bytes_of_one_go(shop: Path) -> None:
    pytest.importorskip("ray", reason="the extra ray is not installed")
    options = ("--rows-per-part", "700")

    kingpost(shop, "score", APP, "risk", "in", "--out", "here", *options, "--json")
    told = kingpost(
        shop, "score", APP, "risk", "in", "--out", "ray", *options, "--ray", "--processes", "2",
        "--json",
    )  # fmt: skip

    assert (told["rows"], told["refused"]) == (ROWS, BAD)
    assert files_of(shop / "ray") == files_of(shop / "here")
