"""The tree of an installation, by its settings, and who keeps it up beside a server."""

import logging
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import msgspec

from kingpost.cli.place import data_directory
from kingpost.core import KingpostError, Settings, SystemDisk, id_text
from kingpost.decisions import DataDirectory, RecordNotFound
from kingpost.journal import Entry
from kingpost.proofs import (
    Prover,
    Tree,
    TreeInUse,
    TreePlace,
    VerifierKey,
    Witness,
    WitnessClient,
    proof_json,
)
from kingpost.records import id_in

__all__ = ["entry_id", "open_tree", "proving", "signed_proof", "tree_kept_up", "tree_place"]

CHECKPOINT_EVERY_S = 1.0
"""A checkpoint is signed so often at most."""

_PAUSE_S = 30.0
_WAIT_S = 10.0
_MOST_AT_ONCE = 200_000
_log = logging.getLogger(__name__)


def tree_place(settings: Settings, where: DataDirectory) -> TreePlace:
    """Say where the tree of an installation lies, and what it is called."""
    return TreePlace(
        where.data,
        where.tree,
        where.tree_keys,
        origin=settings.tree_origin,
        default_origin=f"kingpost/{uuid4().hex[:12]}/{where.partition}",
        key_file=Path(settings.tree_key) if settings.tree_key else None,
    )


def entry_id(entry: Entry) -> bytes | None:
    """Return the id that an entry of the journal is asked for by."""
    return id_in(entry.kind, entry.body)


@contextmanager
def open_tree(settings: Settings) -> Generator[Tree]:
    """Open the tree of an installation, to be brought up.

    Raises:
        PartitionRenamed: Its journal lies under another partition's name.
        BadVerifierKey: The setting `tree_witnesses` has something that is none.
    """
    witnesses = [Witness(url, VerifierKey.parse(key)) for key, url in settings.tree_witness_urls]
    tree = Tree(
        tree_place(settings, data_directory(settings)),
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
    prover = Prover(tree_place(settings, where), SystemDisk(), entry_id)

    def prove(identifier: bytes) -> bytes:
        proof = prover.prove(identifier)
        if proof is None:
            raise RecordNotFound(id_text(identifier), str(where.root))
        return msgspec.json.encode(proof_json(proof))

    return prove


def signed_proof(settings: Settings, where: DataDirectory) -> Callable[[bytes], bytes | None]:
    """Return what proves a record as far as the log is signed already: it brings nothing up."""
    place = tree_place(settings, where)
    prover = Prover(place, SystemDisk(), entry_id)

    def prove(identifier: bytes) -> bytes | None:
        if not (place.public / "checkpoint").exists():
            return None
        proof = prover.prove(identifier)
        return None if proof is None else msgspec.json.encode(proof_json(proof))

    return prove


@contextmanager
def tree_kept_up(settings: Settings) -> Generator[None]:
    """Keep the tree up in a thread of this process until the end."""
    stop = threading.Event()
    thread = threading.Thread(target=_keep_up, args=(settings, stop), name="kingpost-tree")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _keep_up(settings: Settings, stop: threading.Event) -> None:
    is_waiting = False
    try:
        with open_tree(settings) as tree:
            while True:
                is_last = stop.is_set()
                try:
                    tree.update(most=_MOST_AT_ONCE)
                    is_waiting = False
                except TreeInUse:
                    pass  # somebody else brings it up at this moment
                except (KingpostError, OSError) as error:
                    if not is_waiting:
                        code = error.code if isinstance(error, KingpostError) else "os_error"
                        _log.error("tree_waits", extra={"code": code, "reason": str(error)})
                    is_waiting = True
                if is_last:
                    return
                stop.wait(_PAUSE_S if is_waiting else CHECKPOINT_EVERY_S)
    except KingpostError as error:
        _log.error("tree_not_kept", extra={"code": error.code, "reason": str(error)})
