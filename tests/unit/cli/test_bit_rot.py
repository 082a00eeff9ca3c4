"""A scan of every byte: each damage is told with its file and byte, and put back by what it says."""

import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from kingpost.cli.doctor import Finding, examine, rot_checks
from kingpost.cli.main import command_line
from kingpost.core import Settings, SystemDisk
from kingpost.journal import Entry, Journal
from kingpost.registry import ArtefactStore
from tests.stopped_clock import StoppedClock

DISK = SystemDisk()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    with Journal.open(
        root / "journal" / "data", disk=DISK, clock=StoppedClock(), segment_bytes=64 * 1024
    ) as journal:
        for at in range(60):
            journal.append([Entry("event", "acme", "t", f"{at} ".encode() * 400)])
    ArtefactStore(root / "artefacts", disk=DISK).put(b"a model")
    with closing(sqlite3.connect(root / "access.sqlite")) as connection:
        connection.execute("CREATE TABLE keys (name TEXT)")
        connection.executemany("INSERT INTO keys VALUES (?)", [["ann" * 400]] * 40)
        connection.commit()
    return root


def nobody(done: int, total: int | None = None, stage: str | None = None) -> None:
    pass


def scanned(root: Path) -> Sequence[Finding]:
    return list(examine(rot_checks(Settings(data_dir=root), nobody)))


def spoil(path: Path, byte: int, size: int = 1) -> None:
    content = bytearray(path.read_bytes())
    content[byte : byte + size] = bytes(one ^ 0xFF for one in content[byte : byte + size])
    path.write_bytes(content)


def run(root: Path, *arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(command_line, ["--data-dir", str(root), *arguments])
    return done.exit_code, done.output + str(done.exception or "")


def test_what_is_whole_is_well(root: Path) -> None:
    assert [finding.state for finding in scanned(root)] == ["ok"] * 4


def test_each_damage_is_found_and_put_back_as_the_finding_says(root: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    assert run(root, "backup", str(backup))[0] == 0
    segments = sorted((root / "journal" / "data").glob("*.log"))
    artefact = next((root / "artefacts").glob("sha256/??/*"))
    spoil(segments[0], 4200)
    spoil(segments[0], 6500)
    spoil(segments[1], 20)
    spoil(artefact, 3)
    spoil(root / "access.sqlite", 4096, 400)

    found = [finding for finding in scanned(root) if finding.state == "fail"]

    told = " ".join(finding.found for finding in found)
    assert len(found) == 5
    assert f"{segments[0]} is damaged at byte 4096" in told
    assert f"{segments[1]} is damaged at byte 0" in told
    assert str(artefact) in told
    assert str(root / "access.sqlite") in told
    for finding in found:
        _, _, only = finding.mend.partition("--only ")
        assert run(root, "restore", str(backup), "--only", only)[0] == 0
    assert [finding.state for finding in scanned(root)] == ["ok"] * 4


def test_a_backup_does_not_lie_in_what_it_backs_up(root: Path, tmp_path: Path) -> None:
    code, told = run(root, "backup", str(root / "backup"))
    assert code != 0
    assert "lies in" in told
    code, told = run(tmp_path / "nowhere", "backup", str(tmp_path / "backup"))
    assert code != 0
    assert "does not exist" in told


def test_what_postgresql_keeps_is_named_and_not_backed_up(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KINGPOST_JOB_STORE", "postgresql://user:secret@db/jobs")

    code, told = run(root, "backup", str(tmp_path / "backup"))

    assert code == 0
    assert "not in this backup: job_store; use pg_dump" in told
    assert "secret" not in told
    monkeypatch.delenv("KINGPOST_JOB_STORE")
    shutil.rmtree(root)
    code, told = run(root, "restore", str(tmp_path / "backup"), "--json")
    assert '"not_in_it":["job_store"]' in told


def test_an_upgrade_is_asked_for_a_backup_or_told_to_go_without(root: Path) -> None:
    shutil.copytree(root, root.parent / "before")

    code, told = run(root, "upgrade", "--apply")

    assert code != 0
    assert "--no-backup" in told
    assert run(root, "upgrade", "--apply", "--dry-run", "--no-backup")[0] != 0
