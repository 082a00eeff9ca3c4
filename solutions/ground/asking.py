"""Many requests to a running server, until each has its answer.

A decision that failed, such as one that waited longer than its budget on a busy machine, is
on record and is asked for again, as a caller would do it.
"""

from collections.abc import Sequence

import kingpost as kp
from kingpost.calls import LoadClient, LoadReport

__all__ = ["NotAnswered", "ask_all"]

_TOLD = 3
_ROUNDS = 3
_FAILED = b'"code":"decision_failed"'


class NotAnswered(kp.KingpostError):
    """Some requests were refused, failed or not answered."""

    code = "not_answered"

    def __init__(self, failures: int, examples: tuple[str, ...]) -> None:
        super().__init__(failures, examples)
        self.failures, self.examples = failures, examples

    def __str__(self) -> str:
        told = "; ".join(self.examples)
        return f"{self.failures} requests failed, such as: {told}; see the server's log"


def ask_all(client: LoadClient, requests: Sequence[bytes]) -> tuple[LoadReport, int]:
    """Send requests, and those again whose decision failed.

    Args:
        requests: As from `client.post`, in the order in which they leave.

    Returns:
        What came of them, and how often one was asked again; its latencies add up, since
        the caller waited for both.

    Raises:
        NotAnswered: A request was refused, failed each time or was not answered.
        ServerUnreachable: There is no server.
    """
    report = client.run(requests)
    answers = {answer.call: answer for answer in report.answers}
    retried, wall_s = 0, report.wall_s
    for _ in range(_ROUNDS):
        failed = [call for call, answer in answers.items() if _FAILED in answer.body]
        if not failed:
            break
        again = client.run([requests[call] for call in failed])
        retried, wall_s = retried + len(failed), wall_s + again.wall_s
        for answer in again.answers:
            call = failed[answer.call]
            latency_ns = answers[call].latency_ns + answer.latency_ns
            answers[call] = answer._replace(call=call, latency_ns=latency_ns)
    whole = LoadReport(list(answers.values()), report.complete, wall_s)
    _check(whole, requests)
    return whole, retried


def _check(report: LoadReport, requests: Sequence[bytes]) -> None:
    failed = [answer for answer in report.answers if not 200 <= answer.status < 300]
    unsent = len(requests) - len(report.answers)
    if failed or unsent:
        examples = [
            f"{_path(requests[one.call])} → {one.status or 'no answer'} "
            f"{one.body[:300].decode(errors='replace')}"
            for one in failed[:_TOLD]
        ]
        if unsent:
            examples.append(f"{unsent} were not sent, as all connections were lost")
        raise NotAnswered(len(failed) + unsent, tuple(examples))


def _path(request: bytes) -> str:
    return request.split(b" ", 2)[1].decode()
