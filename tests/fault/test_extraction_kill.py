"""A budget of answers survives `kill -9`: however often a thief's server dies, it is not anew."""

import signal
import subprocess
import sys
from pathlib import Path

import httpx

from kingpost.access import create_key
from kingpost.core import SystemClock, SystemDisk
from kingpost.journal import scan
from tests.e2e.tiny_server import open_keys
from tests.fault.exposed_server import BUDGET
from tests.tiny_app import payment

LOST = 3
"""Answers that a killed server may have counted and not given, of so large a budget."""


def ask(directory: Path, secret: str, start: int, most: int) -> int:
    """Ask about strangers until it is refused, or so often; then kill the server."""
    command = [sys.executable, "-m", "tests.fault.exposed_server", str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        answers = 0
        try:
            assert process.stdout is not None
            url = process.stdout.readline().decode().strip()
            headers = {"authorization": f"Bearer {secret}"}
            with httpx.Client(base_url=url, headers=headers) as client:
                for number in range(start, start + most):
                    body = payment(f"p{number}", card=f"x{number}")
                    answer = client.post("/v1/decisions/fraud", content=body)
                    if answer.status_code == 429:
                        assert answer.json()["code"] == "extraction_budget_spent"
                        assert int(answer.headers["retry-after"]) > 0
                        break
                    assert answer.status_code == 200
                    assert len(str(answer.json()["answer"]["score"])) <= 3
                    answers += 1
        finally:
            process.send_signal(signal.SIGKILL)
    return answers


def test_a_killed_server_forgets_no_answer_that_counts(tmp_path: Path) -> None:
    made = create_key(open_keys(tmp_path), SystemClock(), tenant="acme", scopes=["decide"])

    found = [ask(tmp_path, made.secret, 1000 * turn, 30) for turn in range(5)]

    assert BUDGET - LOST * len(found) <= sum(found) <= BUDGET
    records = [
        entry
        for commit in scan(tmp_path / "data", disk=SystemDisk())
        for entry in commit.entries
        if entry.kind == "record"
    ]
    assert len(records) == sum(found)
