"""Data directories of every earlier format: upgraded, verified, served, with the same answers."""

import hashlib
import json
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from kingpost.cli.main import command_line
from kingpost.core import KingpostError
from kingpost.storage import DatabaseNewer
from tests.served_shop import ServedShop

FORMATS = Path(__file__).parents[1] / "data" / "formats"
EVERY = sorted(int(path.name) for path in FORMATS.iterdir() if path.is_dir())


def unpacked(number: int, directory: Path) -> dict[str, Any]:
    """Lay out a data directory of a format; return what was answered then."""
    with tarfile.open(FORMATS / str(number) / "data.tar.gz") as archive:
        archive.extractall(directory, filter="data")
    (directory / "shop_app.py").write_text((FORMATS / "shop_app.txt").read_text())
    return json.loads((FORMATS / str(number) / "answers.json").read_text())


def kingpost(directory: Path, *arguments: str) -> dict[str, Any]:
    """Run a command in this process; return what it prints, or raise its error."""
    done = CliRunner().invoke(
        command_line, ["--data-dir", str(directory / "data"), *arguments, "--json"]
    )
    if isinstance(done.exception, KingpostError):
        raise done.exception
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def contents(directory: Path) -> dict[str, str]:
    # SQLite leaves what is shared among readers beside a database that it only reads
    passing = ("-shm", "-wal", "lock")
    files = (
        one for one in directory.rglob("*") if one.is_file() and not one.name.endswith(passing)
    )
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


@pytest.mark.parametrize("number", EVERY)
def test_an_earlier_format_opens_upgrades_replays_and_answers_alike(
    number: int, tmp_path: Path
) -> None:
    then = unpacked(number, tmp_path)
    before = contents(tmp_path / "data")

    seen = kingpost(tmp_path, "upgrade")
    assert contents(tmp_path / "data") == before
    done = kingpost(tmp_path, "upgrade", "--apply", "--backup", str(tmp_path / "kept"))
    again = kingpost(tmp_path, "upgrade")

    assert done["done"] is bool(seen["to_do"])
    assert again["to_do"] == 0
    after = contents(tmp_path / "data")
    journal = {name: digest for name, digest in before.items() if name.startswith("journal/")}
    assert journal.items() <= after.items()
    if done["done"]:
        kingpost(tmp_path, "restore", str(tmp_path / "kept"), "--check")
    examined = kingpost(tmp_path, "doctor", str(tmp_path / "shop_app.py"), "--scan")
    assert examined["state"] != "fail"
    verified = kingpost(tmp_path, "verify")
    assert verified["verified"] == verified["records"] == len(then["answers"])
    assert verified["different"] == verified["reads_different"] == 0
    with ServedShop(tmp_path, then["secret"], "--no-watch") as shop:
        for one in then["answers"]:
            headers = {"content-type": "application/json", "idempotency-key": one["key"]}
            answer = shop.client.post(
                "/v1/decisions/risk", content=one["body"], headers=headers
            ).json()
            assert answer == {**answer, **one["answer"]}
        for one in then.get("direct", []):
            scored = shop.client.post("/v2/models/risk.model/infer", json=one["request"])
            assert scored.json()["outputs"] == one["answer"]["outputs"]
        fresh = shop.decide(b'{"id":"new","at":"2026-01-13T12:00:00Z","customer":"c1","amount":20}')
        assert fresh.status_code == httpx.codes.OK
        shop.end()
    # the server has signed what was approved before there was a tree over it
    assert (tmp_path / "data" / "tree" / "control" / "checkpoint").is_file()
    key = kingpost(tmp_path, "tree", "keys", "--log", "control")["keys"][0]
    assert kingpost(tmp_path, "verify", str(tmp_path / "data"), "--key", key)["is_proved"]
    found = kingpost(tmp_path, "upgrade")["formats"]
    records = {
        row["found"]: row["how_many"] for row in found if row["what"].endswith("data: records")
    }
    assert records.pop(5) == (1 if number < 5 else 1 + len(then["answers"]))
    assert records == ({number: len(then["answers"])} if number < 5 else {})


def test_formats_from_one_to_the_present_one_are_there() -> None:
    assert list(range(1, 6)) == EVERY


def test_a_later_format_is_refused_and_nothing_is_changed(tmp_path: Path) -> None:
    unpacked(1, tmp_path)
    with closing(sqlite3.connect(tmp_path / "data" / "access.sqlite")) as connection:
        connection.execute("UPDATE format SET version = 99")
        connection.commit()
    before = contents(tmp_path / "data")

    for arguments in (["upgrade"], ["upgrade", "--apply", "--no-backup"]):
        with pytest.raises(DatabaseNewer):
            kingpost(tmp_path, *arguments)

    assert contents(tmp_path / "data") == before
