"""What is found instead of computed: scores of an expensive model.

    make bench B=caches

`scores`: what finding and keeping a score costs, and what an entry takes. `decisions`: whole
decisions (contract, features, model, gate, record on the disk) of a model that takes 5 ms a
row, half of whose requests repeat, with and without a cache. `embeddings`: what finding and keeping
one in SQLite costs.
"""

import random
import sys
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import kingpost as kp
from benchmarks._figures import say
from kingpost.contracts import contract_of
from kingpost.core import SystemClock, SystemDisk
from kingpost.decisions import Application, Ask, Cache, Engine, ServedDecision
from kingpost.models import (
    EMBEDDING_MIGRATIONS,
    EmbeddingCache,
    MemoryEmbeddings,
    ScoreCache,
    SqliteEmbeddings,
)
from kingpost.storage import migrate, open_database

MODEL_S = 0.005
REQUESTS, BATCH = 400, 4
_MODEL = b"m" * 32


class Parcel(kp.Event):
    """Something to be looked at."""

    id: kp.Key[str]
    at: kp.EventTime
    weight: float
    height: float
    width: float


class Damage(kp.Event):
    """What became of it."""

    parcel: kp.Key[str]
    at: kp.EventTime
    known_at: kp.KnownTime
    damaged: bool


class Expensive:
    """Takes 5 ms of the processor for a row."""

    def score(self, rows: NDArray[np.float32]) -> Sequence[float]:
        end = time.perf_counter() + MODEL_S * len(rows)
        while time.perf_counter() < end:
            pass
        return [float(row.sum()) % 1 for row in rows]


damages = kp.stream(Damage)
damaged = kp.decision(
    "damaged",
    request=Parcel,
    features=[kp.field("weight"), kp.field("height"), kp.field("width")],
    model=kp.model("damaged", label=damages.label("damaged")),
)


def _scores() -> None:
    rows = np.random.default_rng(1).normal(size=(20_000, 30)).astype(np.float32)
    for batch in (1, 64):
        kept = ScoreCache(len(rows), 1 << 30, None, SystemClock())
        asking = ["acme"] * batch
        for named in ("keeping", "finding"):
            begun = time.perf_counter()
            for start in range(0, len(rows) - batch, batch):
                part = rows[start : start + batch]
                kept.scores(_MODEL, asking, part, lambda some: [0.5] * len(some))
            took_us = (time.perf_counter() - begun) / len(rows) * 1e6
            say(f"{named} a score of 30 features, {batch} at a time: {took_us:.2f} us a row")
    tracemalloc.start()
    kept = ScoreCache(len(rows), 1 << 30, None, SystemClock())
    before, _ = tracemalloc.get_traced_memory()
    kept.scores(_MODEL, ["acme"] * len(rows), rows, lambda some: np.zeros(len(some)).tolist())
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    told = kept.held_bytes / len(rows)
    say(
        f"an entry of 30 features takes {(after - before) / len(rows):.0f} bytes, counted {told:.0f}"
    )


def _decisions(cache: Cache | None, bodies: Sequence[bytes]) -> float:
    decision = replace(damaged, model=replace(damaged.model, cache=cache))
    streams = {one.name: one for one in (contract_of(Parcel), contract_of(Damage))}
    application = Application(Path(), Path("caches.py"), streams, {"damaged": decision}, {})
    served = {"damaged": ServedDecision(decision, b"b" * 32, _MODEL, Expensive(), 0.5)}
    parcel, landed = streams["parcel"], threading.Event()
    with tempfile.TemporaryDirectory() as name:
        engine = Engine.open(
            Path(name) / "data", application, served, disk=SystemDisk(), clock=SystemClock()
        )
        begun = time.perf_counter()
        for start in range(0, len(bodies), BATCH):
            asks = [
                Ask("damaged", "acme", "k", parcel.decode(body), body, "0" * 32, None, None, 0)
                for body in bodies[start : start + BATCH]
            ]
            landed.clear()
            engine.decide(asks, lambda _: landed.set())
            landed.wait(30)
        took_s = time.perf_counter() - begun
        engine.close()
    return took_s


def _embeddings() -> None:
    texts = [f"a sentence of some length, number {number}" * 3 for number in range(20_000)]
    made = np.random.default_rng(1).normal(size=(32, 384)).astype(np.float32)
    with tempfile.TemporaryDirectory() as name:
        connection = open_database(Path(name) / "embeddings.sqlite")
        migrate(connection, "embeddings", EMBEDDING_MIGRATIONS)
        stores = (MemoryEmbeddings(1 << 30), SqliteEmbeddings(connection, 1 << 30))
        for store in stores:
            cache = EmbeddingCache(store)
            for named in ("keeping", "finding"):
                begun = time.perf_counter()
                for start in range(0, len(texts), 32):
                    cache.vectors(
                        _MODEL,
                        texts[start : start + 32],
                        lambda some: made[: len(some)],
                        tenant="a",
                    )
                took_us = (time.perf_counter() - begun) / len(texts) * 1e6
                say(f"{type(store).__name__}, {named} one of 384, 32 at a time: {took_us:.1f} us")
        size = (Path(name) / "embeddings.sqlite").stat().st_size / len(texts)
        say(
            f"in the file it takes {size:.0f} bytes, counted {stores[1].held()[1] / len(texts):.0f}"
        )
        connection.close()


def main() -> int:
    _scores()
    _embeddings()
    choose, seen, bodies = random.Random(1), list[str](), list[bytes]()
    for number in range(REQUESTS):
        if number % 2 and seen:
            sizes = choose.choice(seen)
        else:
            sizes = f'"weight":{choose.random()},"height":{choose.random()},"width":{number}'
            seen.append(sizes)
        bodies.append(f'{{"id":"p{number}","at":"2024-01-01T00:00:00Z",{sizes}}}'.encode())
    without_s, with_s = _decisions(None, bodies), _decisions(kp.cache(), bodies)
    for named, took_s in (("without a cache", without_s), ("with a cache", with_s)):
        say(f"5 ms a row, half repeat, {named}: {REQUESTS / took_s:.0f} decisions/s")
    say(f"{without_s / with_s:.2f} times as many")
    return 0 if without_s / with_s > 1.5 else 1


if __name__ == "__main__":
    sys.exit(main())
