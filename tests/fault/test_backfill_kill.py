"""`kill -9` during a backfill in parts: the same command goes on and ends with the same bits."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import duckdb
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.cli_app import SOURCE, kingpost, write_history

APP = "shop_app.py"
IN_PARTS = ("--rows-per-part", "20", "--workers", "3")
PARTS = 150


def command(shop: Path, *arguments: str) -> list[str]:
    data = ("--data-dir", str(shop / "data"))
    return [sys.executable, "-m", "kingpost.cli", *data, "backfill", APP, *arguments, "--json"]


def values_of(files: Path) -> Mapping[str, NDArray[np.generic]]:
    """Return the columns; of numbers the bits, so that NaN is equal to itself."""
    with duckdb.connect() as database:
        columns = database.read_parquet(str(files)).fetchnumpy()
    arrays = {name: np.asarray(column) for name, column in columns.items()}
    return {
        name: array.view(np.int64) if array.dtype == np.float64 else array
        for name, array in arrays.items()
    }


def assert_same_bits(files: Path, expected: Mapping[str, NDArray[np.generic]]) -> None:
    found = values_of(files)
    assert list(found) == list(expected)
    for name, column in expected.items():
        np.testing.assert_array_equal(found[name], column, err_msg=name)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("shop")
    (directory / APP).write_text(SOURCE)
    write_history(directory)
    kingpost(directory, "ingest", APP, "order", "orders.csv", "--json")
    kingpost(directory, "ingest", APP, "chargeback", "chargebacks.csv", "--json")
    kingpost(directory, "backfill", APP, "--out", "one.parquet", "--json")
    return directory


@pytest.fixture(scope="module")
def in_one_go(shop: Path) -> Mapping[str, NDArray[np.generic]]:
    return values_of(shop / "one.parquet")


def start_and_kill(shop: Path, out: str, *, after_parts: int) -> int:
    """Kill a backfill once it has written some parts; return how many there are."""
    with subprocess.Popen(
        command(shop, "--out", out, *IN_PARTS),
        cwd=shop,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stderr is not None
        while len(list((shop / out).glob("*.parquet"))) < after_parts:
            assert process.poll() is None, "it was through, or failed, before it was killed"
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.stderr.read()  # a worker ends, and closes it, after the part that it is at
    return len(list((shop / out).glob("*.parquet")))


def test_a_killed_backfill_goes_on_where_it_was_and_ends_with_the_same_bits(
    shop: Path, in_one_go: Mapping[str, NDArray[np.generic]]
) -> None:
    first = start_and_kill(shop, "killed", after_parts=2)
    second = start_and_kill(shop, "killed", after_parts=first + 5)
    (shop / "killed" / "part-00149.parquet.7.tmp").write_bytes(b"half a part")

    done = kingpost(shop, "backfill", APP, "--out", "killed", *IN_PARTS, "--json")
    again = kingpost(shop, "backfill", APP, "--out", "killed", *IN_PARTS, "--json")

    assert 2 <= first < second < PARTS
    assert (done["parts"], done["resumed"], done["rows"]) == (PARTS, second, 3000)
    assert again["resumed"] == PARTS
    assert not list((shop / "killed").glob("*.tmp"))
    assert_same_bits(shop / "killed" / "*.parquet", in_one_go)


@pytest.mark.parametrize("workers", ["1", "3"])
def test_any_number_of_workers_gives_the_bits_of_one_go(
    shop: Path, in_one_go: Mapping[str, NDArray[np.generic]], workers: str
) -> None:
    out = f"by-{workers}"

    parts = ("--rows-per-part", "700", "--workers", workers)
    told = kingpost(shop, "backfill", APP, "--out", out, *parts, "--json")

    assert (told["parts"], told["resumed"], told["rows"]) == (5, 0, 3000)
    assert_same_bits(shop / out / "*.parquet", in_one_go)


def test_ray_gives_the_bits_of_one_go(
    shop: Path, in_one_go: Mapping[str, NDArray[np.generic]]
) -> None:
    pytest.importorskip("ray", reason="the extra ray is not installed")

    options = ("--rows-per-part", "700", "--workers", "2", "--on", "ray")
    told = kingpost(shop, "backfill", APP, "--out", "ray", *options, "--json")

    assert (told["parts"], told["resumed"], told["rows"]) == (5, 0, 3000)
    assert_same_bits(shop / "ray" / "*.parquet", in_one_go)


def test_what_was_begun_is_continued_as_of_the_journal_that_it_saw(
    shop: Path, in_one_go: Mapping[str, NDArray[np.generic]], tmp_path: Path
) -> None:
    shutil.copytree(shop, tmp_path, dirs_exist_ok=True)
    parts = ("--rows-per-part", "700", "--workers", "1")
    kingpost(tmp_path, "backfill", APP, "--out", "grown", *parts, "--json")
    (tmp_path / "grown" / "part-00002.parquet").unlink()
    (tmp_path / "late.csv").write_text("id,at,customer,amount\nlate,2018-08-01T00:00:00Z,c1,999\n")
    kingpost(tmp_path, "ingest", APP, "order", "late.csv", "--json")

    told = kingpost(tmp_path, "backfill", APP, "--out", "grown", *parts, "--json")

    assert (told["rows"], told["resumed"]) == (3000, 4)
    assert_same_bits(tmp_path / "grown" / "*.parquet", in_one_go)


@pytest.mark.parametrize(
    ("source", "rows_per_part", "difference"),
    [
        (SOURCE.replace('"6h"', '"7h"'), "700", "the definition of the features was "),
        (f"{SOURCE}# another helper", "700", "the application's source was "),
        (SOURCE, "600", "--rows-per-part was 700, is 600"),
    ],
)
def test_another_definition_or_other_options_are_not_mixed_in(
    shop: Path, tmp_path: Path, source: str, rows_per_part: str, difference: str
) -> None:
    shutil.copytree(shop, tmp_path, dirs_exist_ok=True)
    kingpost(tmp_path, "backfill", APP, "--out", "begun", "--rows-per-part", "700", "--json")
    manifest = (tmp_path / "begun" / "manifest.json").read_bytes()
    (tmp_path / APP).write_text(source)

    refused = subprocess.run(
        command(tmp_path, "--out", "begun", "--rows-per-part", rows_per_part),
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert refused.returncode != 0
    assert "backfill_changed" in refused.stderr
    assert difference in " ".join(refused.stderr.split())
    assert (tmp_path / "begun" / "manifest.json").read_bytes() == manifest
    assert json.loads(manifest)["requests"] == 3000
