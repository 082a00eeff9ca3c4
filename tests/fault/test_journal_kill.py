"""Kill -9 while several threads append: what was acknowledged is there afterwards."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kingpost.core import SystemClock, SystemDisk
from kingpost.journal import Journal, JournalInUse, scan

WRITER = """
import os, sys, threading
from pathlib import Path
from kingpost.core import SystemClock, SystemDisk
from kingpost.journal import Entry, Journal

journal = Journal.open(Path(sys.argv[1]), disk=SystemDisk(), clock=SystemClock())
life = sys.argv[2]

def work(thread):
    landed = threading.Semaphore(0)
    for number in range(10**9):
        bodies = [f"{life}-{thread}-{number}-{part}".ljust(300, "x").encode() for part in range(3)]
        entries = [[Entry("event", "acme", "t", body)] for body in bodies]
        answer = []
        first = journal.submit(entries, lambda error: (answer.append(error), landed.release()))
        landed.acquire()
        assert answer == [None]
        lines = [f"{first + at} {body.rstrip(b'x').decode()}" for at, body in enumerate(bodies)]
        os.write(1, ("\\n".join(lines) + "\\n").encode())

for thread in range(6):
    threading.Thread(target=work, args=(thread,), daemon=True).start()
threading.Event().wait()
"""
LIVES = 3
ACKNOWLEDGED_BEFORE_THE_KILL = 10_000


def acknowledged_by(directory: Path, life: int) -> dict[int, str]:
    """Run a writer, kill it in full flight, and return what it had acknowledged."""
    acknowledged: dict[int, str] = {}
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(directory), str(life)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        for line in writer.stdout:
            if line.endswith("\n"):
                offset, body = line.split()
                acknowledged[int(offset)] = body
            if len(acknowledged) == ACKNOWLEDGED_BEFORE_THE_KILL:
                with pytest.raises(JournalInUse, match=f"process {writer.pid};"):
                    Journal.open(directory, disk=SystemDisk(), clock=SystemClock())
                writer.kill()
    assert writer.returncode == -signal.SIGKILL
    return acknowledged


def test_what_was_acknowledged_before_a_kill_is_there_after_it(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    acknowledged: dict[int, str] = {}
    for life in range(LIVES):
        acknowledged |= acknowledged_by(directory, life)

        with Journal.open(directory, disk=SystemDisk(), clock=SystemClock()) as journal:
            next_offset = journal.next_offset
        commits = list(scan(directory, disk=SystemDisk()))
        found = {each.offset: each.entries[0].body.rstrip(b"x").decode() for each in commits}

        assert list(found) == list(range(next_offset))
        assert acknowledged.items() <= found.items()
        assert len(set(found.values())) == len(found)
    assert len(acknowledged) >= LIVES * ACKNOWLEDGED_BEFORE_THE_KILL
