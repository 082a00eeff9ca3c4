"""The trees of an installation, by its settings, and who keeps them up beside a server."""

import logging
import threading
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import click
import msgspec

from kingpost.cli.place import data_directory
from kingpost.core import KingpostError, Settings, SystemDisk, id_text
from kingpost.decisions import LOGS, DataDirectory, LogName, RecordNotFound
from kingpost.journal import Entry
from kingpost.proofs import (
    Prover,
    Tree,
    TreeInUse,
    VerifierKey,
    Witness,
    WitnessClient,
    proof_json,
)
from kingpost.records import id_in

__all__ = ["LOG_OPTION", "entry_id", "open_tree", "proving", "signed_proof", "trees_kept_up"]

LOG_OPTION = click.option(
    "--log",
    type=click.Choice(LOGS),
    default="records",
    show_default=True,
    help="Decision records with their events, or the control log: what was let run, by whom.",
)
"""Which log a command is about."""

CHECKPOINT_EVERY_S = 1.0
"""A checkpoint is signed so often at most."""

_PAUSE_S = 30.0
_WAIT_S = 10.0
_MOST_AT_ONCE = 200_000
_log = logging.getLogger(__name__)


def entry_id(entry: Entry) -> bytes | None:
    """Return the id that an entry of the journal is asked for by."""
    return id_in(entry.kind, entry.body)


@contextmanager
def open_tree(settings: Settings, log: LogName = "records") -> Generator[Tree]:
    """Open the tree of a log, to be brought up.

    Raises:
        PartitionRenamed: Its journal lies under another partition's name.
        BadVerifierKey: The setting `tree_witnesses` has something that is none.
    """
    witnesses = [Witness(url, VerifierKey.parse(key)) for key, url in settings.tree_witness_urls]
    tree = Tree(
        data_directory(settings).log(log),
        SystemDisk(),
        entry_id,
        WitnessClient(witnesses) if witnesses else None,
    )
    try:
        yield tree
    finally:
        tree.close()


def proving(settings: Settings, where: DataDirectory) -> Callable[[bytes], bytes]:
    """Bring the tree up, and return what proves a record: its proof in JSON.

    Raises:
        TreeInUse: Another process has it for long.
        TreeDamaged, TreeAheadOfJournal: The tree and the journal do not go together.
    """
    with open_tree(settings) as tree:
        tree.update(wait_s=_WAIT_S)
    prover = Prover(where.log("records"), SystemDisk(), entry_id)

    def prove(identifier: bytes) -> bytes:
        proof = prover.prove(identifier)
        if proof is None:
            raise RecordNotFound(id_text(identifier), str(where.root))
        return msgspec.json.encode(proof_json(proof))

    return prove


def signed_proof(where: DataDirectory) -> Callable[[bytes], bytes | None]:
    """Return what proves a record as far as the log is signed already: it brings nothing up."""
    place = where.log("records")
    prover = Prover(place, SystemDisk(), entry_id)

    def prove(identifier: bytes) -> bytes | None:
        if not (place.public / "checkpoint").exists():
            return None
        proof = prover.prove(identifier)
        return None if proof is None else msgspec.json.encode(proof_json(proof))

    return prove


@contextmanager
def trees_kept_up(settings: Settings) -> Generator[None]:
    """Keep the trees of all logs up in a thread of this process until the end."""
    stop = threading.Event()
    thread = threading.Thread(target=_keep_up, args=(settings, stop), name="kingpost-tree")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _keep_up(settings: Settings, stop: threading.Event) -> None:
    try:
        with ExitStack() as opened:
            kept = [_Kept(log, opened.enter_context(open_tree(settings, log))) for log in LOGS]
            while True:
                is_last = stop.is_set()
                for one in kept:
                    one.bring_up(is_last=is_last)
                if is_last:
                    return
                stop.wait(CHECKPOINT_EVERY_S)
    except KingpostError as error:
        _log.error("tree_not_kept", extra={"code": error.code, "reason": str(error)})


@dataclass
class _Kept:
    """A tree that is brought up again and again; one that cannot be is left alone for a while."""

    log: LogName
    tree: Tree
    is_waiting: bool = False
    again_at: float = 0.0

    def bring_up(self, *, is_last: bool) -> None:
        if self.is_waiting and not is_last and time.monotonic() < self.again_at:
            return
        try:
            self.tree.update(most=_MOST_AT_ONCE)
            self.is_waiting = False
        except TreeInUse:
            pass  # somebody else brings it up at this moment
        except (KingpostError, OSError) as error:
            if not self.is_waiting:
                code = error.code if isinstance(error, KingpostError) else "os_error"
                reason = {"log": self.log, "code": code, "reason": str(error)}
                _log.error("tree_waits", extra=reason)
            self.is_waiting, self.again_at = True, time.monotonic() + _PAUSE_S
