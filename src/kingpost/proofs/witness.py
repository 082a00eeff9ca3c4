"""Witnesses: others who sign a checkpoint once they have seen that it continues the last.

The protocol is C2SP's tlog-witness. A witness keeps the last checkpoint that it signed of each
log, on the disk before it answers, and never signs two that do not continue one another:
whoever trusts a few of them knows that everybody is shown the same history.
"""

import http.client
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from kingpost.core import Clock, Disk
from kingpost.proofs.checkpoint import Checkpoint, parse_checkpoint
from kingpost.proofs.errors import BadNote, WitnessRefused
from kingpost.proofs.files import read_whole, write_whole
from kingpost.proofs.merkle import EMPTY_ROOT, is_consistent
from kingpost.proofs.notes import SigningKey, VerifierKey, decoded, parse_note, signed_by
from kingpost.proofs.proof import base64_text

__all__ = ["Witness", "WitnessAnswer", "WitnessClient", "WitnessState"]

SIZE_TYPE = "text/x.tlog.size"
MOST_BYTES = 128 * 1024
_MOST_HASHES = 63
_PAUSE_S = 60.0
_log = logging.getLogger(__name__)


class WitnessAnswer(NamedTuple):
    """An answer of a witness: an HTTP status, its type and its body."""

    status: int
    kind: str
    body: str


class WitnessState:
    """What a witness has signed; any thread may ask it.

    Args:
        directory: Where the last checkpoint of each log is kept.
        key: Its own, of type 4.
        logs: The keys of the logs that it knows, by origin.
    """

    def __init__(
        self,
        directory: Path,
        key: SigningKey,
        logs: Mapping[str, Sequence[VerifierKey]],
        *,
        disk: Disk,
        clock: Clock,
    ) -> None:
        self._directory, self._key, self._logs = directory, key, logs
        self._disk, self._clock = disk, clock
        self._turn = threading.Lock()
        disk.make_directory(directory)

    def add_checkpoint(self, body: bytes) -> WitnessAnswer:
        """Answer a call of `add-checkpoint`; what is signed is durable before it returns."""
        try:
            head, _, whole = body.decode().partition("\n\n")
            first, *lines = head.split("\n")
            old = first.removeprefix("old ")
            hashes = list(map(decoded, lines))
            made = parse_checkpoint(whole)
        except (UnicodeDecodeError, BadNote) as error:
            return _refusal(400, str(error))
        is_number = first != old and old.isascii() and old.isdigit() and str(int(old)) == old
        if (
            not is_number
            or len(hashes) > _MOST_HASHES
            or any(len(one or b"") != 32 for one in hashes)
        ):
            return _refusal(
                400, "expected `old SIZE`, hashes in base64, an empty line, a checkpoint"
            )
        proof = [one for one in hashes if one is not None]
        known = self._logs.get(made.origin)
        if known is None:
            return _refusal(404, "this log is not known here")
        try:
            signed_by(made.note, known)
        except BadNote as error:
            return _refusal(403, error.reason)
        if int(old) > made.size:
            return _refusal(400, "the old size is larger than the checkpoint's")
        with self._turn:
            return self._signed(int(old), made, proof)

    def _signed(self, old: int, made: Checkpoint, proof: Sequence[bytes]) -> WitnessAnswer:
        path = self._directory / f"{self._name(made.origin)}.checkpoint"
        before = read_whole(path, self._disk).decode()
        last = parse_checkpoint(before) if before else None
        size, root = (last.size, last.root) if last else (0, EMPTY_ROOT)
        if old != size:
            return WitnessAnswer(409, SIZE_TYPE, f"{size}\n")
        if made.size == size and made.root != root:
            return WitnessAnswer(409, SIZE_TYPE, f"{size}\n")
        if not is_consistent(size, made.size, root, made.root, proof):
            return _refusal(422, "the proof does not lead from the old root to the new one")
        write_whole(path, made.note.whole.encode(), self._disk)
        line = self._key.sign(made.note.text, at_s=self._clock.now_us() // 1_000_000)
        return WitnessAnswer(200, "text/plain; charset=utf-8", line)

    def _name(self, origin: str) -> str:
        return origin.encode().hex()[:200]


class Witness(NamedTuple):
    """A witness as a log knows it."""

    url: str
    key: VerifierKey


class WitnessClient:
    """Asks witnesses to sign; one that did not answer is left alone for a minute.

    Args:
        timeout_s: How long to wait for each.
    """

    def __init__(self, witnesses: Sequence[Witness], *, timeout_s: float = 3.0) -> None:
        self._witnesses, self._timeout_s = witnesses, timeout_s
        self._sizes: dict[str, int] = {}
        self._again_at: dict[str, float] = {}

    def __call__(
        self, checkpoint: Checkpoint, consistency: Callable[[int], Sequence[bytes]]
    ) -> str:
        """Return the signature lines of those who signed."""
        lines = ""
        for witness in self._witnesses:
            if time.monotonic() < self._again_at.get(witness.url, 0.0):
                continue
            try:
                lines += self.ask(witness, checkpoint, consistency)
                self._sizes[witness.url] = checkpoint.size
            except WitnessRefused as error:
                self._again_at[witness.url] = time.monotonic() + _PAUSE_S
                _log.warning("witness_refused", extra={"url": error.url, "reason": error.reason})
        return lines

    def ask(
        self,
        witness: Witness,
        checkpoint: Checkpoint,
        consistency: Callable[[int], Sequence[bytes]],
    ) -> str:
        """Ask one witness; return its line under the checkpoint.

        Raises:
            WitnessRefused: It did not sign, or not rightly.
        """
        old = self._sizes.get(witness.url, 0)
        status, body = self._offer(witness, checkpoint, consistency, old)
        if status == 409:
            size = body.strip()
            if not size.isdigit() or int(size) > checkpoint.size:
                raise WitnessRefused(witness.url, f"it has signed {size!r} leaves already")
            status, body = self._offer(witness, checkpoint, consistency, int(size))
        if status != 200:
            raise WitnessRefused(witness.url, f"{status} {body.strip()[:200]}")
        try:
            note = parse_note(checkpoint.note.text + "\n" + body)
            signed_by(note, [witness.key])
        except BadNote as error:
            raise WitnessRefused(witness.url, error.reason) from error
        wanted = f"— {witness.key.name} "
        return "".join(f"{line}\n" for line in body.splitlines() if line.startswith(wanted))

    def _offer(
        self,
        witness: Witness,
        checkpoint: Checkpoint,
        consistency: Callable[[int], Sequence[bytes]],
        old: int,
    ) -> tuple[int, str]:
        proof: Sequence[bytes] = consistency(old) if 0 < old < checkpoint.size else ()
        lines = "".join(base64_text(one) + "\n" for one in proof)
        return self._post(witness.url, f"old {old}\n{lines}\n{checkpoint.note.whole}".encode())

    def _post(self, url: str, body: bytes) -> tuple[int, str]:
        parts = urlsplit(url)
        kind = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        connection = kind(parts.netloc, timeout=self._timeout_s)
        try:
            connection.request("POST", parts.path.rstrip("/") + "/add-checkpoint", body)
            answer = connection.getresponse()
            return answer.status, answer.read(MOST_BYTES).decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            raise WitnessRefused(url, str(error)) from error
        finally:
            connection.close()


def _refusal(status: int, reason: str) -> WitnessAnswer:
    return WitnessAnswer(status, "text/plain; charset=utf-8", reason + "\n")
