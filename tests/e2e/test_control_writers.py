"""Several processes that register at once: each waits its turn, and no number is given twice."""

import subprocess
import sys
from pathlib import Path

from kingpost.core import SystemClock, SystemDisk
from kingpost.registry import ControlLog

WRITER = """
import sys
from pathlib import Path
from kingpost.core import SystemClock, SystemDisk
from kingpost.registry import ControlLog

log = ControlLog(Path(sys.argv[1]), disk=SystemDisk(), clock=SystemClock(), wait_s=60)
for number in range(5):
    log.add_bundle("risk", f"{sys.argv[2]}-{number}".encode())
    log.approve("risk", log.bundles("risk")[-1].digest, by=sys.argv[2], reason="a test")
"""


def test_writers_in_several_processes_wait_for_each_other(tmp_path: Path) -> None:
    directory = tmp_path / "journal" / "control"

    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(directory), name])
        for name in ("ada", "bob", "eve")
    ]

    assert [writer.wait() for writer in writers] == [0, 0, 0]
    log = ControlLog(directory, disk=SystemDisk(), clock=SystemClock())
    assert len({bundle.digest for bundle in log.bundles("risk")}) == 15
    approved = [approval.by for approval in log.approvals("risk")]
    assert sorted(approved) == ["ada"] * 5 + ["bob"] * 5 + ["eve"] * 5
