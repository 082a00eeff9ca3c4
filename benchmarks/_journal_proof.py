"""From the id of a record to a verified proof: `proof_ms`.

A million commits of one record each, ten million with FULL=1, with the tree over them; then
random ids, each found, proved and verified as its reader does, JSON and signature included. The
99th percentile counts.
"""

import json
import random
import time
from pathlib import Path

from benchmarks._figures import figure_at, say
from benchmarks._journal_audit import tree_over
from benchmarks._journal_calls import opened
from kingpost.core import SystemClock, SystemDisk, TimeOrderedIds
from kingpost.journal import Entry
from kingpost.proofs import Prover, Trust, proof_json, verify_json
from kingpost.records import id_in

RECORDS, FULL_RECORDS, GROUP, ASKED = 1_000_000, 10_000_000, 2_000, 500
BAR_MS = 20
REST = bytes(range(178))


def run_proof(scratch: Path, *, full: bool) -> bool:
    """Print `proof_ms`."""
    records = FULL_RECORDS if full else RECORDS
    journal, kept = scratch / "data", random.Random(1)
    ids, asked = TimeOrderedIds(SystemClock()), []
    tree = tree_over(journal, scratch)
    start = time.perf_counter()
    with opened(journal) as log:
        for number in range(records // GROUP):
            group = [ids.next() for _ in range(GROUP)]
            asked.append(kept.choice(group))
            log.submit(
                [
                    [Entry("record", "acme", "fraud", b"\xdc\x00\x1a\x05\xc4\x10" + one + REST)]
                    for one in group
                ],
                lambda _: None,
            )
            if number % 100 == 99:
                while log.durable_offset < log.next_offset:
                    time.sleep(0.001)
                tree.update()
        while log.durable_offset < log.next_offset:
            time.sleep(0.001)
    made = tree.update()
    tree.close()
    assert made.size == records
    say(f"{records:,} records and their tree in {time.perf_counter() - start:.0f} s")
    prover = Prover(tree.place, SystemDisk(), lambda entry: id_in(entry.kind, entry.body))
    trust = Trust(tree.place.keys(SystemDisk()).verifiers())
    took: list[float] = []
    busy = time.process_time()
    for identifier in kept.sample(asked, min(ASKED, len(asked))):
        start = time.perf_counter()
        proof = prover.prove(identifier)
        assert proof is not None
        verdict = verify_json(
            json.dumps(proof_json(proof)).encode(), trust, lambda one: id_in(one.kind, one.body)
        )
        took.append((time.perf_counter() - start) * 1e3)
        assert verdict.is_proved, verdict.problems
    busy_ms = (time.process_time() - busy) / len(took) * 1e3
    took.sort()
    p99 = took[len(took) * 99 // 100]
    say(
        f"p50 {took[len(took) // 2]:.2f} ms, p99 {p99:.2f} ms, most {took[-1]:.2f} ms; {busy_ms:.2f} ms of CPU"
    )
    figure_at("proof_ms", p99, "ms", BAR_MS, more_is_better=False)
    return p99 < BAR_MS
