"""Personal content: encrypting, opening, new subjects, an erasure. `make bench B=personal_content`.

An event has a key, a time, a subject and an amount, and three texts of 20 characters that are
encrypted. The key store is a file; its sizes are those before the erasure.
"""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Annotated

import kingpost as kp
from kingpost.contracts import Instant, contract_of
from kingpost.subjects import MasterKey, SqliteSubjectKeys, SubjectName, SubjectVault

EVENTS = 20_000
SUBJECTS = (1_000, 100_000)
Text = Annotated[str, kp.Personal()]


class Claim(kp.Event):
    id: kp.Key[str]
    at: kp.EventTime
    customer: kp.Subject[str]
    amount: float
    name: Text
    street: Text
    note: Text


def claim(number: int) -> Claim:
    return Claim(
        id=f"c-{number}",
        at=Instant(1_533_081_600_000_000 + number),
        customer=f"customer-{number % 500}",
        amount=12.5,
        name=f"Ann Example {number:8d}",
        street=f"Long Street {number:8d}",
        note=f"nothing new {number:8d}",
    )


def us_each(work: Callable[[Claim], object], events: list[Claim]) -> float:
    """Time some work per event, microseconds, the median of three."""
    took: list[float] = []
    for _ in range(3):
        started = perf_counter()
        for event in events:
            work(event)
        took.append((perf_counter() - started) / len(events) * 1e6)
    return round(median(took), 1)


def main() -> None:
    contract, events = contract_of(Claim), [claim(number) for number in range(EVENTS)]
    figures: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as name:
        vault = SubjectVault(SqliteSubjectKeys(Path(name) / "keys.sqlite"), MasterKey(b"m" * 32))
        contract.desk.vault = vault
        vault.prepare({SubjectName("acme", "customer", one.customer) for one in events}, 0)
        bodies = {one.id: contract.protect("acme", one, 1).body for one in events}
        plain = {one.id: contract.encode(one) for one in events}
        figures["encode_us"] = us_each(contract.encode, events)
        figures["encrypt_us"] = us_each(lambda one: contract.protect("acme", one, 1), events)
        figures["decode_us"] = us_each(lambda one: contract.decode(plain[one.id]), events)
        figures["open_us"] = us_each(lambda one: contract.decode_stored(bodies[one.id]), events)
        figures["bytes"] = [len(plain["c-7"]), len(bodies["c-7"])]
        contract.desk.vault = None
        vault.close()
    for number in SUBJECTS:
        figures[f"of_{number}_subjects"] = erasures(number)
    print(json.dumps(figures))


def erasures(number: int) -> dict[str, float]:
    """Make keys, together and one by one, and erase subjects among so many."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "keys.sqlite"
        vault = SubjectVault(SqliteSubjectKeys(path), MasterKey(b"m" * 32))
        names = [SubjectName("acme", "customer", f"customer-{one}") for one in range(number)]
        vault.prepare(names[:-20], 0)
        alone, gone = list[float](), list[float]()
        for one in names[-20:]:
            started = perf_counter()
            vault.prepare([one], 0)
            alone.append(perf_counter() - started)
        started = perf_counter()
        vault.prepare([SubjectName("acme", "customer", f"new-{one}") for one in range(100)], 0)
        together = perf_counter() - started
        size = path.stat().st_size
        for one in names[-20:]:
            started = perf_counter()
            vault.destroy([(one, 1)])
            gone.append(perf_counter() - started)
        vault.close()
    return {
        "new_subject_ms": round(median(alone) * 1e3, 2),
        "100_new_subjects_ms": round(together * 1e3, 2),
        "destroy_ms": round(median(gone) * 1e3, 1),
        "store_mb": round(size / 1e6, 2),
    }


if __name__ == "__main__":
    main()
