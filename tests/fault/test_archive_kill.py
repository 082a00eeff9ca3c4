"""`kingpost archive` killed again and again: what it leaves is whole, and the next run goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from kingpost.decisions import SealedFiles, open_sealed
from kingpost.journal import finished_segments
from tests.s3_server import BUCKET, CREDENTIALS, s3_server
from tests.sealed_journal import SealedJournal

INFERENCES = 3_000


def _started(root: Path, endpoint: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "kingpost.cli", "--data-dir", str(root), "archive"],
        stdout=subprocess.DEVNULL,
        env={
            **os.environ,
            **CREDENTIALS,
            "KINGPOST_ARCHIVE_STORE": f"s3://{BUCKET}/killed",
            "KINGPOST_ARCHIVE_ENDPOINT": endpoint,
        },
    )


def test_killed_at_any_moment_it_leaves_whole_files_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    house = SealedJournal(tmp_path)
    for _ in range(INFERENCES):
        house.ask()
    house.close()
    segments = finished_segments(house.where.data, disk=house.disk)
    sealed_root = tmp_path / "sealed"
    between = 0
    with s3_server() as server:
        for kill in range(12):
            if kill >= 6 and between:
                break
            process = _started(tmp_path, server.endpoint)
            had = len(list(sealed_root.glob("manifests/data/*.json")))
            while process.poll() is None:
                if kill < 3:  # while it seals: after one manifest more than there was
                    if len(list(sealed_root.glob("manifests/data/*.json"))) > had:
                        break
                elif _unnamed(server.listed()) > 0:  # a segment without its manifest
                    break
                time.sleep(0.002)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            between += kill >= 3 and _unnamed(server.listed()) > 0
            for path in sealed_root.rglob("*.parquet"):
                with duckdb.connect() as database:  # whole, or it could not be read
                    database.execute("SELECT count(*) FROM read_parquet(?)", [str(path)])

        done = _started(tmp_path, server.endpoint)
        assert done.wait() == 0
        keys = server.listed()
    assert between > 0
    assert _unnamed(keys) == 0
    assert sum("/manifests/" in key for key in keys) == len(segments) > 5
    assert len(SealedFiles(house.where, disk=house.disk).read()) == len(segments)
    assert list(sealed_root.rglob("*.tmp")) == []
    with open_sealed(house.where, disk=house.disk) as sealed:
        count = "SELECT count(*), count(DISTINCT journal_offset) FROM inferences"
        assert sealed.query(count).rows == [(INFERENCES, INFERENCES)]


def _unnamed(keys: list[str]) -> int:
    """Count the segments whose manifest is not there."""
    return sum("/segments/" in key for key in keys) - sum("/manifests/" in key for key in keys)
