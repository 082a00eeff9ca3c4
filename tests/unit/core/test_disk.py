"""The machine's own disk."""

import errno
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from kingpost.core import SystemDisk


@pytest.mark.parametrize("count", [1, 3, 3_000])
def test_buffers_are_written_one_after_the_other(tmp_path: Path, count: int) -> None:
    file = SystemDisk().open(tmp_path / "file", write=True, create=True)
    buffers = [b"%d," % number for number in range(count)]

    file.write_durable(5, buffers)

    assert file.read_at(5, 10**6) == b"".join(buffers)
    file.close()


def test_where_the_system_has_no_durable_write_it_writes_and_syncs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int, buffers: Sequence[bytes], place: int, flags: int = 0) -> int:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "pwritev", refuse)
    file = SystemDisk().open(tmp_path / "file", write=True, create=True)

    file.write_durable(0, [b"one", b"two"])
    file.write_durable(6, [b"three"])

    assert file.read_at(0, 100) == b"onetwothree"
    file.close()


def test_a_claim_excludes_others_until_it_is_given_up(tmp_path: Path) -> None:
    disk = SystemDisk()
    claim = disk.lock(tmp_path / "lock")

    with pytest.raises(BlockingIOError):
        disk.lock(tmp_path / "lock")

    claim.release()
    disk.lock(tmp_path / "lock").release()


def test_a_directory_that_does_not_exist_has_no_names(tmp_path: Path) -> None:
    disk = SystemDisk()
    assert disk.list(tmp_path / "a" / "b") == []

    disk.make_directory(tmp_path / "a" / "b")
    file = disk.open(tmp_path / "a" / "b" / "old", write=True, create=True)
    file.close()
    disk.rename(tmp_path / "a" / "b" / "old", tmp_path / "a" / "b" / "new")

    assert disk.list(tmp_path / "a" / "b") == ["new"]
