"""Does a release cost anybody an answer: swapped, released, promoted and rolled back under load.

A server answers as fast as it is asked, while a second bundle becomes canary, champion, and
makes way again, several times. Every request must be answered.
"""

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator

from benchmarks._figures import figure_at, say
from benchmarks._serving_house import SharedModel, kingpost_server, serving
from benchmarks._serving_rest import our_bodies
from kingpost.calls import LoadClient
from kingpost.core import SystemClock, SystemDisk
from kingpost.decisions import DataDirectory

__all__ = ["run_swaps"]

ROUNDS, PAUSE_S, IN_FLIGHT = 3, 1.5, 32


def run_swaps(model: SharedModel) -> bool:
    """Print `swap_errors`, of requests while bundles were swapped; say whether it is 0."""
    second = _second_bundle(model)
    stopped = threading.Event()
    with serving(kingpost_server(model, "--no-watch"), model) as server:
        headers = {"authorization": f"Bearer {model.secret}"}
        client = LoadClient("127.0.0.1", server.port, headers, IN_FLIGHT)

        def calls() -> Iterator[bytes]:
            for body in our_bodies(model.rows):
                if stopped.is_set():
                    return
                yield client.post("/v1/decisions/classify", body)

        swapping = threading.Thread(target=_swap, args=(model, second, stopped))
        swapping.start()
        report = client.run(calls())
        swapping.join()
    errors = sum(answer.status != 200 for answer in report.answers)
    bundles = Counter(
        json.loads(answer.body)["bundle"] for answer in report.answers if answer.status == 200
    )
    say(
        f"swaps: {len(report.answers):,} answers at {report.per_second():,.0f}/s, of "
        f"{len(bundles)} bundles, {min(bundles.values()):,} of the rarer one; {errors} failed"
    )
    figure_at("swap_errors", errors, "requests", 0, more_is_better=False)
    return not errors and len(bundles) == 2


def _swap(model: SharedModel, second: str, stopped: threading.Event) -> None:
    try:
        time.sleep(PAUSE_S)
        for _ in range(ROUNDS):
            _kingpost(model, "release", "classify", second[:12], "--canary", "30")
            _kingpost(model, "promote", "classify")
            _kingpost(model, "rollback", "classify")
    finally:
        stopped.set()


def _kingpost(model: SharedModel, *arguments: str) -> None:
    command = [sys.executable, "-m", "kingpost.cli", "--data-dir", str(model.data), *arguments]
    subprocess.run([*command, "--reason", "benchmark"], check=True, stdout=subprocess.DEVNULL)
    time.sleep(PAUSE_S)


def _second_bundle(model: SharedModel) -> str:
    """Approve the same bundle with another threshold; the one that runs is approved before."""
    control = DataDirectory(model.data).control_log(disk=SystemDisk(), clock=SystemClock())
    document = json.loads(control.bundles("classify")[-1].document)
    document["threshold"] = round(document["threshold"] / 2, 6)
    body = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    second = control.add_bundle("classify", body.encode())
    first = control.approvals("classify")[-1].bundle
    for digest in (second.digest, first):  # the newest approval is what the server starts with
        control.approve("classify", digest, by="bench", reason="benchmark")
    return second.digest
