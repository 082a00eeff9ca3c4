"""Worker processes of jobs that tests kill, and what became of the jobs."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from kingpost.core import SystemDisk
from kingpost.journal import scan
from kingpost.records import decode_record
from tests.served_shop import ServedShop

__all__ = ["Workers", "decided", "ended"]

LEASE = "1s"


class Workers:
    """`kingpost job-worker`, processes that are killed and started again."""

    def __init__(self, directory: Path, url: str, secret: str, number: int) -> None:
        self._directory, self._url = directory, url
        self._environment = {**os.environ, "KINGPOST_API_KEY": secret}
        self.log = directory / "workers.log"
        self.running = [self._start() for _ in range(number)]

    def kill_one(self, at: int) -> None:
        with self.running[at] as worker:
            worker.send_signal(signal.SIGKILL)
        self.running[at] = self._start()

    def end(self) -> Sequence[int]:
        """Ask all of them to stop, and return what they ended with."""
        for worker in self.running:
            worker.send_signal(signal.SIGTERM)
        codes: list[int] = []
        for worker in self.running:
            with worker:
                codes.append(worker.wait(60))
        return codes

    def _start(self) -> "subprocess.Popen[bytes]":
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "kingpost.cli", "--data-dir", str(self._directory / "data"),
                 "job-worker", "--url", self._url, "--lease", LEASE, "--at-once", "2"],
                cwd=self._directory,
                env=self._environment,
                stderr=log,
            )  # fmt: skip


def ended(server: ServedShop) -> Counter[str]:
    found: Counter[str] = Counter()
    after = ""
    while after is not None:
        page = server.client.get("/v1/jobs", params={"limit": "200", "after": after}).json()
        found.update(job["state"] for job in page["jobs"])
        after = page["next"]
    return found


def decided(directory: Path) -> Counter[str | None]:
    return Counter(
        decode_record(entry.body).idempotency_key
        for commit in scan(directory / "data" / "journal" / "data", disk=SystemDisk())
        for entry in commit.entries
        if entry.kind == "record"
    )
