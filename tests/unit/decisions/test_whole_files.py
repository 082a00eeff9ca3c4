"""Files that appear whole or not at all, in a directory that one process fills."""

from pathlib import Path

import pytest

from kingpost.core import SystemDisk
from kingpost.decisions.whole_files import WholeFiles


def test_a_file_has_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    files = WholeFiles(tmp_path / "out", disk=SystemDisk())

    def break_down(path: Path) -> None:
        path.write_bytes(b"half")
        raise ArithmeticError

    with files.claimed("lock"):
        files.place_bytes("a", b"whole")
        with pytest.raises(ArithmeticError):
            files.place("b", break_down)
        there = [name for name in files.names() if not name.endswith(".tmp")]
    with files.claimed("lock"):
        left = sorted(files.names())

    assert sorted(there) == left == ["a", "lock"]
    assert (tmp_path / "out/a").read_bytes() == b"whole"


def test_a_directory_is_claimed_by_one(tmp_path: Path) -> None:
    files = WholeFiles(tmp_path, disk=SystemDisk())

    with files.claimed("lock"), pytest.raises(BlockingIOError), files.claimed("lock"):
        pass


def test_what_is_not_wanted_any_more_gets_no_name(tmp_path: Path) -> None:
    files = WholeFiles(tmp_path, disk=SystemDisk(), is_wanted=lambda: False)

    files.place_bytes("a", b"late")

    assert list(files.names()) == []
