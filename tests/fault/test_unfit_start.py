"""An installation that cannot start says why, by a code, and ends with 1; no traceback."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli_app import PreparedShop

# root, but files' permissions hold for it too
AS_ANYBODY = (
    ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
    if os.getuid() == 0 and shutil.which("setpriv")
    else []
)


@pytest.fixture(scope="module")
def shop(prepared_shop: PreparedShop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("shop")
    prepared_shop.copied(directory)
    return directory


@pytest.fixture
def installed(shop: Path, tmp_path: Path) -> Path:
    shutil.copy(shop / "shop_app.py", tmp_path)
    shutil.copytree(shop / "data", tmp_path / "data")
    return tmp_path


def start(directory: Path, *arguments: str) -> str:
    """Start the server, which must refuse; return what it says."""
    done = subprocess.run(
        [*AS_ANYBODY, sys.executable, "-m", "kingpost.cli", *(arguments or ("--data-dir", "data")), "run",
         "shop_app.py", "--port", "0"],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )  # fmt: skip
    assert done.returncode == 1, done
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    return done.stderr.splitlines()[-1]


def damage(path: Path, byte: int, size: int = 64) -> None:
    with path.open("r+b") as file:
        file.seek(byte)
        file.write(b"\xa5" * size)


def first_segment(partition: Path) -> Path:
    return min(partition.glob("*.log"))


DAMAGES: list[tuple[str, Callable[[Path], object]]] = [
    ("database_unreadable", lambda data: (data / "access.sqlite").write_text("no database" * 999)),
    ("storage_failed", lambda data: damage(data / "access.sqlite", 4096, 16384)),
    ("journal_corrupt", lambda data: damage(first_segment(data / "journal" / "data"), 6000)),
    ("journal_corrupt", lambda data: damage(first_segment(data / "journal" / "data"), 0)),
    ("journal_corrupt", lambda data: damage(first_segment(data / "journal" / "control"), 4200)),
    ("bundle_mismatch", lambda data: shutil.rmtree(data / "artefacts")),
]


@pytest.mark.parametrize(("code", "harm"), DAMAGES)
def test_damaged_files_are_named_and_left_as_they_are(
    code: str, harm: Callable[[Path], object], installed: Path
) -> None:
    harm(installed / "data")
    before = contents(installed / "data")

    said = start(installed)

    assert said.startswith(f"error [{code}]: ")
    assert contents(installed / "data").items() >= before.items()


def contents(directory: Path) -> dict[Path, bytes]:
    # the writer's lock names a process, and SQLite's shared memory is nobody's data
    return {
        path: path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and path.name != "lock" and not path.name.endswith(("-shm", "-wal"))
    }


@pytest.mark.parametrize(
    "content",
    [b"port = ", b"prot = 1", b'port = "x"', b'tenant = "\xe9"', b"\xff\xfep\x00", b"a = " + b"[" * 9999],
    ids=["toml", "unknown", "kind", "latin-1", "utf-16", "deep"],
)  # fmt: skip
def test_a_corrupt_settings_file_is_named(content: bytes, installed: Path) -> None:
    (installed / "kingpost.toml").write_bytes(content)

    said = start(installed)

    assert said.startswith("error [bad_setting]: kingpost.toml")


def test_a_settings_file_that_is_missing_or_a_directory_is_named(installed: Path) -> None:
    assert start(installed, "--config", "none.toml").startswith("error [bad_setting]: none.toml")
    assert start(installed, "--config", "data").startswith("error [bad_setting]: data")


def test_a_port_that_is_taken_is_said_so(installed: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "kingpost.cli", "--data-dir", "data", "run", "shop_app.py",
             "--port", str(port)],
            cwd=installed, capture_output=True, text=True, check=False, timeout=180,
        )  # fmt: skip

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error [port_in_use]: ")
    assert "Traceback" not in done.stderr


def test_a_data_directory_that_is_a_file_is_named(installed: Path) -> None:
    assert start(installed, "--data-dir", "shop_app.py").startswith("error [system_refused]: ")


@pytest.mark.skipif(
    os.getuid() == 0 and shutil.which("setpriv") is None, reason="root may read everything"
)
@pytest.mark.parametrize(
    ("path", "mode", "code"),
    [
        ("data/access.sqlite", 0o000, "database_unreadable"),
        ("data/journal/data", 0o500, "journal_read_only"),
        ("data/journal/control", 0o000, "system_refused"),
        ("data", 0o000, "system_refused"),
    ],
)
def test_a_place_without_permission_is_named(
    path: str, mode: int, code: str, installed: Path
) -> None:
    place = installed / path
    usual = place.stat().st_mode
    for file in place.glob("*"):
        file.chmod(0o400)
    place.chmod(mode)

    said = start(installed)

    place.chmod(usual)
    assert said.startswith(f"error [{code}]: ")
    assert "permission" in said.lower()
