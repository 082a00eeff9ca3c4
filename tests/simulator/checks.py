"""What must hold after every start, whatever went wrong before it."""

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import msgspec
import numpy as np

from kingpost.contracts import batch_of, contract_of
from kingpost.core import Clock
from kingpost.decisions.memory import Memory, Tail
from kingpost.decisions.past_events import PastEvents
from kingpost.decisions.recovery import read_memory
from kingpost.decisions.tenant_state import Answered
from kingpost.features import Histories, Requests, feature_matrix
from kingpost.journal import Commit, Entry, Lookup
from kingpost.records import DecisionRecord, Outcome, decode_record
from tests.simulated_disk import SimulatedDisk
from tests.simulator.carrier import Handed
from tests.simulator.workload import IDS, TENANTS
from tests.tiny_app import APPLICATION, Payment, fraud

__all__ = ["Said", "check_commits", "check_memory", "check_recorded_features"]

Said = Callable[[bool, str], None]
"""Told whether something holds, and what it is."""

DECISIONS = {"fraud": fraud}


def check_commits(
    found: Sequence[Commit], handed: Sequence[Handed], acknowledged: int, said: Said
) -> None:
    """Every acknowledged commit is there as it was, in order, and nothing that was not sent."""
    end = found[-1].next_offset if found else 0
    said(end >= acknowledged, f"offset {end} is the end, and {acknowledged} was acknowledged")
    said(len(found) <= len(handed), "there are more commits than were handed over")
    for commit, (offset, next_offset, entries) in zip(found, handed, strict=False):
        said(commit.offset == offset, f"offset {commit.offset} lies where {offset} belongs")
        said(commit.next_offset == next_offset, f"the commit at {offset} is not whole")
        said(list(commit.entries) == entries, f"the commit at {offset} has other bytes")


def check_memory(
    memory: Memory, directory: Path, commits: Sequence[Commit], disk: SimulatedDisk,
    clock: Clock, said: Said,
) -> None:  # fmt: skip
    """What the engine holds is what the journal gives, read at once and commit by commit."""
    held = _canonical(memory)
    clean, _ = read_memory(directory, APPLICATION, DECISIONS, disk=disk, clock=clock)
    stepwise = Memory(APPLICATION, DECISIONS, clock=clock)
    with closing(Lookup(directory, disk=disk)) as lookup:
        tail = Tail(stepwise, PastEvents(lookup))
        for commit in commits:
            tail.add(commit)
        tail.finish()
    for name, other in (("a clean rebuild", clean), ("commit by commit", stepwise)):
        theirs = _canonical(other)
        differing = [part for part in held if held[part] != theirs.get(part)]
        said(held == theirs, f"{differing} differ from {name}")
    records = [
        (decode_record(entry.body).id, offset)
        for commit in commits
        for offset, entry in _placed(commit)
        if entry.kind == "record"
    ]
    index = memory.index
    said(len(index) == len(records), f"{len(index)} records are indexed of {len(records)}")
    lost = [offset for identifier, offset in records if index.offset_of(identifier) != offset]
    said(not lost, f"the index does not find the records at {lost}")


def check_recorded_features(
    commits: Sequence[Commit], requests: Mapping[int, bytes], said: Said
) -> None:
    """Features as recorded are those of the offline computation at their positions, to the bit.

    Args:
        requests: Per offset, the body that asked.
    """
    histories = Histories(APPLICATION.streams.values())
    records: list[DecisionRecord] = []
    for commit in commits:
        histories.add(commit)
        records += [decode_record(e.body) for e in commit.entries if e.kind == "record"]
    contract = contract_of(Payment)
    for tenant in TENANTS:
        erased = max((one.offset for one in histories.erasures(tenant)), default=-1)
        mine = [
            record
            for record in records
            if record.tenant == tenant
            and record.outcome is not Outcome.FAILED
            and record.event_offset > erased
        ]
        if not mine:
            continue
        positions = np.array([record.event_offset for record in mine], np.int64)
        events = [contract.decode(requests[record.event_offset]) for record in mine]
        asked = Requests(batch_of(contract, events), positions, positions)
        values = feature_matrix(fraud.features, asked, histories.of(tenant))
        for row, record in zip(values, mine, strict=True):
            recorded = array("d", record.features).tolist()
            said(
                row.tobytes() == record.features,
                f"the record at {record.event_offset} has features {recorded}, offline {row.tolist()}",
            )


def _placed(commit: Commit) -> Iterator[tuple[int, Entry]]:
    offset = commit.offset
    for entry in commit.entries:
        yield offset, entry
        offset += entry.count


def _canonical(memory: Memory) -> Mapping[str, object]:
    """Write a memory so that two that hold the same are equal."""
    ids, offsets = memory.index.columns()
    found: dict[str, object] = {
        "index": (bytes(ids), bytes(offsets)),
        "contracts": memory.contracts,
        "erasures": {name: every for name, every in memory.erasures.items() if every},
    }
    for tenant in TENANTS:
        state = memory.tenants.get(tenant) or memory.empty()
        for digest in state.online.streams:
            found[f"windows of {tenant} {digest[:8]}"] = _events(state.online.dump(digest))
        for stream, versions in state.keys.items():
            found[f"keys of {tenant} {stream}"] = (
                len(versions),
                versions.ended,
                [versions.find(key) for key in IDS],
            )
        keys = [Answered.of_event("fraud", key) for key in IDS]
        found[f"answered of {tenant}"] = [state.answered.find(key) for key in keys]
    return found


def _events(columns: Mapping[str, memoryview]) -> list[tuple[object, ...]]:
    keys = msgspec.msgpack.decode(columns["keys"], type=list[str])
    names = [name for name in columns if name not in ("keys", "codes", "low")]
    rows = zip(
        [keys[code] for code in columns["codes"].cast("B").cast("i")],
        *(columns[name].cast("B").cast("q") for name in names),
        strict=True,
    )
    return sorted(rows)
