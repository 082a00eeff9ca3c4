"""One run: an engine that serves, is struck by faults, and starts again, several times.

The rule: everything that is random comes from the seed, and nothing runs beside. So a run can
be replayed exactly, and its trace says each step.
"""

import errno
import hashlib
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import NamedTuple
from unittest.mock import patch

from kingpost.contracts import contract_of
from kingpost.core import KingpostError, id_text
from kingpost.decisions import Engine, Reply, take_snapshot
from kingpost.journal import Entry, is_passing, scan
from kingpost.journal.carriers import Ended
from kingpost.journal.writer import SegmentWriter
from kingpost.records import DecisionRecord, Outcome
from tests.simulated_disk import SimulatedDisk
from tests.simulator.carrier import Handed, SteppedCarrier
from tests.simulator.checks import DECISIONS, check_commits, check_memory, check_recorded_features
from tests.simulator.damage import Warnings, examine_damage
from tests.simulator.flaws import flawed
from tests.simulator.opening import DATA, SNAPSHOTS, opened
from tests.simulator.workload import CARDS, IDS, TENANTS, Wish, a_batch, a_wish, ask_of, probes
from tests.tiny_app import APPLICATION, Chargeback, FakeClock, Payment, open_engine

__all__ = ["Broken", "Ran", "Simulation", "simulate"]

FAULTS = ("none", "clean", "kill", "power", "io_error", "full", "read_only")
_CONTRACTS = {one.name: one for one in (contract_of(Payment), contract_of(Chargeback))}
_NUMBERS = {"io_error": errno.EIO, "full": errno.ENOSPC, "read_only": errno.EROFS}


class Broken(AssertionError):
    """A promise was not kept in a run.

    Attributes:
        trace: The steps up to there.
    """

    def __init__(self, seed: int, what: str, trace: Sequence[str], flaw: str | None) -> None:
        super().__init__(seed, what, trace, flaw)
        self.seed, self.what, self.trace, self.flaw = seed, what, trace, flaw

    def __str__(self) -> str:
        flaw = f" --flaw '{self.flaw}'" if self.flaw else ""
        return f"{self.what}\nreplay it: python -m tests.simulator --seed {self.seed}{flaw} -v"


class Ran(NamedTuple):
    """What a run did.

    Attributes:
        commits: How many were acknowledged in all.
        faults: How many times something failed.
        damages: How many damages were made and reported.
    """

    trace: Sequence[str]
    commits: int
    starts: int
    faults: int
    damages: int


class _Answer(NamedTuple):
    wish: Wish
    record: DecisionRecord
    offset: int


@dataclass
class _Known:
    """What the callers know, and what was handed to the journal."""

    handed: list[Handed] = field(default_factory=list[Handed])
    acknowledged: int = 0
    answers: list[_Answer] = field(default_factory=list[_Answer])
    wishes: list[Wish] = field(default_factory=list[Wish])
    requests: dict[int, bytes] = field(default_factory=dict[int, bytes])


def simulate(seed: int, flaw: str | None = None) -> Ran:
    """Run one seed.

    Args:
        flaw: A fault to plant in the code, by its name in `FLAWS`.

    Raises:
        Broken: A promise was not kept.
    """
    entropy = Random(f"entropy {seed}")
    with flawed(flaw), patch("os.urandom", entropy.randbytes):
        return Simulation(seed, flaw).run()


class Simulation:
    """A run that is under way."""

    def __init__(self, seed: int, flaw: str | None = None) -> None:
        self.seed, self._flaw = seed, flaw
        self.trace: list[str] = []
        self._random = Random(f"simulation {seed}")
        self._disk = SimulatedDisk(seed=seed, sector_bytes=self._random.choice((64, 512, 4096)))
        self._clock = FakeClock()
        self._known = _Known()
        self._engine: Engine | None = None
        self._carrier: SteppedCarrier | None = None
        self._warnings = Warnings()
        self._is_dark = False
        self._commits = self._starts = self._faults = self._damages = 0

    def run(self) -> Ran:
        """Live several lives, each of which ends in another way; check after each."""
        log = logging.getLogger("kingpost")
        log.addHandler(self._warnings)
        propagates, log.propagate = log.propagate, False
        try:
            for _ in range(self._random.randint(2, 4)):
                self._start()
                self._live()
            self._start(is_last=True)
            self._ask_all_again()
            self._end("clean")
        except Broken:
            raise
        except Exception as error:  # the run's boundary: a crash breaks the promise, too
            what = f"{type(error).__name__}: {error}"
            raise Broken(self.seed, what, self.trace, self._flaw) from error
        finally:
            log.propagate = propagates
            log.removeHandler(self._warnings)
        return Ran(self.trace, self._commits, self._starts, self._faults, self._damages)

    # what a life consists of

    def _start(self, *, is_last: bool = False) -> None:
        """Open the engine, with a fault under way sometimes, and check what it holds."""
        if not is_last and self._random.random() < 0.2:
            self._arm(self._random.choice(("power", "kill", "io_error", "full")), within=14)
            try:
                self._open()
            except (KingpostError, OSError) as error:
                self._say(f"start failed: {_name(error)}")
            else:
                self._say("started under a fault that has not come")
            self._stop(is_power_loss=self._random.random() < 0.5)
        self._disk.fails, self._disk.is_full = {}, False
        if self._known.handed and self._random.random() < 0.5:
            self._damage()
        self._open()
        self._check()

    def _open(self) -> None:
        self._starts += 1
        self._engine = open_engine(
            DATA,
            disk=self._disk,
            clock=self._clock,
            snapshots=SNAPSHOTS,
            open_journal=partial(opened, self._seat),
        )
        self._hold()

    def _seat(self, writer: SegmentWriter, ended: Ended) -> SteppedCarrier:
        """Make the carrier of a journal that was just recovered."""
        commits = list(scan(DATA, disk=self._disk))
        check_commits(commits, self._known.handed, self._known.acknowledged, self._said)
        self._known.handed = [(c.offset, c.next_offset, list(c.entries)) for c in commits]
        self._known.acknowledged = commits[-1].next_offset if commits else 0
        self._carrier = SteppedCarrier(writer, ended, self._known.handed.append)
        return self._carrier

    def _hold(self) -> None:
        """What the start itself has written is acknowledged; from here on the writer waits."""
        assert self._carrier is not None
        self._carrier.is_held = True
        self._known.acknowledged = self._engine.next_offset if self._engine else 0

    def _live(self) -> None:
        fault = self._random.choice(FAULTS)
        if fault in ("kill", "power", *_NUMBERS):
            self._arm(fault, within=60)
        for _ in range(self._random.randint(3, 16)):
            try:
                self._act()
            except (KingpostError, OSError) as error:
                self._faults += 1
                self._say(f"stopped: {_name(error)}")
                if not is_passing(error) or not self._recovers():
                    break
        self._end(fault)

    def _act(self) -> None:
        action = self._random.choices(
            ("decide", "ingest", "retract", "correct", "erase", "append", "write", "snapshot",
             "snapshot while it writes", "lighten", "clock jump", "room"),
            (6, 5, 2, 2, 1, 1, 8, 1, 1, 1, 1, 1),
        )[0]  # fmt: skip
        getattr(self, f"_{action.replace(' ', '_')}")()

    def _decide(self) -> None:
        known, engine = self._known, self._serving()
        wishes = [a_wish(self._random, known.wishes) for _ in range(self._random.randint(1, 5))]
        known.wishes += wishes
        first = engine.next_offset
        replies: list[Reply] = []

        def answered() -> None:
            offset = first
            for wish, reply in zip(wishes, replies, strict=True):
                if reply.record is not None:
                    known.answers.append(_Answer(wish, reply.record, offset + 1))
                    offset += 2

        landed = self._landed("decide", answered)
        replies[:], has_written = engine.decide([ask_of(wish) for wish in wishes], landed)
        # a whole commit that nobody acknowledged is kept, and its record asks for its body
        offset = first
        for wish, reply in zip(wishes, replies, strict=True):
            if reply.record is not None:
                known.requests[offset] = wish.body
                offset += 2
        self._say(f"decide {[_reply(reply) for reply in replies]}{'' if has_written else ' -'}")

    def _ingest(self) -> None:
        stream, bodies = a_batch(self._random)
        tenant, contract = self._random.choice(TENANTS), _CONTRACTS[stream]
        events = [(contract.decode(body), body) for body in bodies]
        done, _ = self._serving().ingest(tenant, stream, events, self._landed("ingest"))
        self._say(f"ingest {len(events)} of {stream} for {tenant}: {done.accepted} new")

    def _retract(self) -> None:
        tenant, key = self._random.choice(TENANTS), self._random.choice(IDS)
        stream = self._random.choice(sorted(_CONTRACTS))
        change, _ = self._serving().retract(tenant, stream, key, self._landed("retract"))
        self._say(f"retract {key} of {stream} for {tenant}: {change.value}")

    def _correct(self) -> None:
        stream, bodies = a_batch(self._random)
        tenant, event = self._random.choice(TENANTS), _CONTRACTS[stream].decode(bodies[0])
        landed = self._landed("correct")
        change, _ = self._serving().correct(tenant, stream, event, bodies[0], landed)
        self._say(f"correct one of {stream} for {tenant}: {change.value}")

    def _erase(self) -> None:
        tenant, card = self._random.choice(TENANTS), self._random.choice(CARDS)
        landed = self._landed("erase")
        _, keys = self._serving().erase(tenant, "card", card, by="k", reason="", landed=landed)
        self._say(f"erase {card} for {tenant}: {keys} keys")

    def _append(self) -> None:
        entry = Entry("review", TENANTS[0], "fraud", self._random.randbytes(20_000))
        self._serving().append([entry], self._landed("append"))
        self._say("append a review")

    def _write(self) -> None:
        assert self._carrier is not None
        self._carrier.step(self._random.randint(1, 4))

    def _snapshot(self) -> None:
        done = take_snapshot(
            DATA, APPLICATION, DECISIONS, SNAPSHOTS, disk=self._disk, clock=self._clock
        )
        self._say(f"snapshot up to {done.next_offset}")

    def _snapshot_while_it_writes(self) -> None:
        """Take one that holds a group which is written and not yet on the disk."""
        self._disk.before_sync = self._snapshot_or_not
        try:
            self._write()
        finally:
            self._disk.before_sync = None

    def _snapshot_or_not(self) -> None:
        with suppress(KingpostError, OSError):  # of another process: the writer goes on
            self._snapshot()
        if self._random.random() < 0.5:
            self._is_dark = True
            self._disk.stops_at = self._disk.steps
            self._say("power fails before the sync")

    def _lighten(self) -> None:
        lightening = self._serving().lighten()
        while lightening is not None and lightening.step():
            pass
        self._say("lighten")

    def _clock_jump(self) -> None:
        hours = self._random.choice((-30, -1, 0.01, 1, 30))
        self._clock.us += round(hours * 3_600_000_000)
        self._clock.ns += round(abs(hours) * 3_600_000_000_000)
        self._say(f"the clock jumps by {hours} h")

    def _room(self) -> None:
        if self._disk.is_full:
            self._disk.is_full = False
            self._say("there is room again")

    # what goes wrong

    def _arm(self, fault: str, within: int) -> None:
        step = self._disk.steps + self._random.randrange(within)
        if fault == "full" and self._random.random() < 0.5:
            self._disk.is_full = True
            self._say("the disk is full")
        elif fault in _NUMBERS:
            more = 1 if fault == "io_error" else self._random.randint(1, 4)
            self._disk.fails = dict.fromkeys(range(step, step + more), _NUMBERS[fault])
            self._say(f"{fault} at step {step}")
        else:
            self._disk.stops_at = step
            self._say(f"{fault} at step {step}")

    def _recovers(self) -> bool:
        """Let the engine try again, as a server does; give the disk room after a few times."""
        for attempt in range(3):
            try:
                self._serving().recover()
            except (KingpostError, OSError) as error:
                self._say(f"not recovered: {_name(error)}")
                if not is_passing(error):
                    return False
                if attempt:
                    self._disk.fails, self._disk.is_full = {}, False
            else:
                self._hold()
                self._say("recovered")
                self._check()
                return True
        return False

    def _end(self, how: str) -> None:
        if how in ("none", "clean"):
            engine = self._serving()
            with suppress(KingpostError, OSError):
                engine.close()
                if how == "clean":
                    engine.write_snapshot()
            self._say("closed" if how == "none" else "closed, with a snapshot")
        is_dark = self._is_dark or how == "power"
        self._stop(is_power_loss=is_dark or (how == "io_error" and self._random.random() < 0.5))
        self._is_dark = False

    def _stop(self, *, is_power_loss: bool) -> None:
        """End the process wherever it is; of the machine's memory nothing stays at a power loss."""
        self._disk.stops_at = min(self._disk.steps, self._disk.stops_at or self._disk.steps)
        if self._engine is not None:
            with suppress(KingpostError, OSError):
                self._engine.close()
            self._engine = None
        self._disk = self._disk.after_power_loss() if is_power_loss else self._disk.after_kill()
        self._say("power is lost" if is_power_loss else "the process has ended")

    def _damage(self) -> None:
        self._damages += 1
        self._say(examine_damage(self._disk, self._clock, self._random, self._warnings, self._said))

    # what must hold

    def _check(self) -> None:
        engine, known = self._serving(), self._known
        memory = engine._memory  # pyright: ignore[reportPrivateUsage]  what is looked at
        commits = list(scan(DATA, disk=self._disk))
        check_commits(commits, known.handed, known.acknowledged, self._said)
        check_memory(memory, DATA, commits, self._disk, self._clock, self._said)
        for answer in known.answers:
            stored = engine.record(answer.wish.tenant, id_text(answer.record.id))
            what = f"the answered record at {answer.offset}"
            self._said(stored is not None, f"{what} is gone")
            if stored is not None:
                self._said(stored.record == answer.record, f"{what} has changed")
                self._said(stored.offset == answer.offset, f"{what} lies at {stored.offset}")
        check_recorded_features(commits, known.requests, self._said)
        self._say(f"checked up to offset {engine.next_offset}, disk {_digest(self._disk)}")

    def _ask_all_again(self) -> None:
        """Every retry gets its answer; then each card is asked about once more."""
        engine, known = self._serving(), self._known
        assert self._carrier is not None
        for answer in list(known.answers):
            if answer.record.outcome is Outcome.FAILED:
                continue
            replies, _ = engine.decide([ask_of(answer.wish)], self._landed("again"))
            again = replies[0].repeats
            self._said(again == answer.offset, f"a retry of {answer.offset} gave {replies[0]}")
        wishes = probes()
        first = engine.next_offset
        engine.decide([ask_of(wish) for wish in wishes], self._landed("probe"))
        for at, wish in enumerate(wishes):
            known.requests[first + 2 * at] = wish.body
        self._carrier.step(1)
        check_recorded_features(list(scan(DATA, disk=self._disk)), known.requests, self._said)

    def _landed(
        self, what: str, then: Callable[[], None] = lambda: None
    ) -> Callable[[KingpostError | None], None]:
        def landed(error: KingpostError | None) -> None:
            if error is not None:
                self._say(f"{what} is not durable: {error.code}")
                return
            assert self._carrier is not None
            self._commits += 1
            self._known.acknowledged = max(self._known.acknowledged, self._carrier.telling)
            then()

        return landed

    def _serving(self) -> Engine:
        assert self._engine is not None
        return self._engine

    def _said(self, holds: bool, what: str) -> None:
        if not holds:
            self._say(f"BROKEN: {what}")
            raise Broken(self.seed, what, self.trace, self._flaw)

    def _say(self, what: str) -> None:
        self.trace.append(f"{len(self.trace):4} step {self._disk.steps:5}  {what}")


def _reply(reply: Reply) -> str:
    if reply.record is not None:
        return reply.record.outcome.value
    return f"repeats {reply.repeats}" if reply.error is None else reply.error.code


def _name(error: Exception) -> str:
    return error.code if isinstance(error, KingpostError) else str(error)


def _digest(disk: SimulatedDisk) -> str:
    digest = hashlib.sha256()
    for path in disk.paths():
        digest.update(f"{path} ".encode() + disk.content(path))
    return digest.hexdigest()[:16]
