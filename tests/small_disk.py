"""A small file system of its own, to be filled up: a tmpfs, mounted for one test.

Where mounting is not permitted, the test runs itself once more in a user namespace, where
it is. Where that is not permitted either it is skipped, with the reason; with
`KINGPOST_TEST_SERVICES=required` that is a failure.
"""

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

__all__ = ["Filler", "remount", "runs_in_a_namespace", "small_disk"]

_INSIDE = "KINGPOST_TEST_IN_NAMESPACE"


@contextmanager
def small_disk(directory: Path, size_bytes: int) -> Generator[Path, None, None]:
    """Mount an empty file system of a size at a directory."""
    directory.mkdir(parents=True, exist_ok=True)
    _run("mount", "-t", "tmpfs", "-o", f"size={size_bytes},mode=700", "tmpfs", str(directory))
    try:
        yield directory
    finally:
        _run("umount", "--lazy", str(directory))


def remount(directory: Path, options: str) -> None:
    """Change how it is mounted, as `ro` or `size=…`."""
    _run("mount", "-o", f"remount,{options}", str(directory))


def runs_in_a_namespace(request: pytest.FixtureRequest, tmp_path: Path) -> bool:
    """Return False where this process may mount; else run the test where it may, and True."""
    try:
        with small_disk(tmp_path / "try", 1 << 20):
            return False
    except (OSError, subprocess.CalledProcessError) as error:
        reason = str(error)
    inside = ["unshare", "-Urm", sys.executable, "-m", "pytest", "-q", request.node.nodeid]
    if os.environ.get(_INSIDE) is None and _can_unshare():
        root = request.config.rootpath
        done = subprocess.run(inside, cwd=root, env={**os.environ, _INSIDE: "1"}, check=False)
        assert done.returncode == 0
        return True
    if os.environ.get("KINGPOST_TEST_SERVICES") == "required":
        pytest.fail(f"no file system can be mounted here: {reason}")
    pytest.skip(f"no file system can be mounted here: {reason}")


class Filler:
    """A file that takes all the room there is."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "filler"

    def fill(self) -> None:
        """Take what is free now."""
        with suppress(OSError), self._path.open("ab", buffering=0) as file:
            while True:
                file.write(bytes(64 * 1024))

    def free(self) -> None:
        """Give all of it back."""
        self._path.unlink()


def _can_unshare() -> bool:
    with suppress(OSError):
        return subprocess.run(["unshare", "-Urm", "true"], check=False).returncode == 0
    return False


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
