"""Kill -9 while snapshots are written, a full disk, and a server that takes them by itself."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kingpost.cli.due_process import DueProcess
from kingpost.contracts import contract_of
from kingpost.core import SystemClock, SystemDisk
from kingpost.decisions import take_snapshot
from kingpost.decisions.memory import Memory
from kingpost.decisions.recovery import read_memory
from kingpost.journal import Entry, Journal
from tests.cli_app import PreparedShop
from tests.served_shop import ServedShop, order, until
from tests.small_disk import Filler, runs_in_a_namespace, small_disk
from tests.tiny_app import APPLICATION, Payment, fraud, payment

DECISIONS = {"fraud": fraud}
WRITER = """
import sys
from pathlib import Path
from kingpost.core import SystemDisk
from kingpost.decisions import take_snapshot
from tests.tiny_app import APPLICATION, fraud

data, snapshots = map(Path, sys.argv[1:])
print("begun", flush=True)
for line in sys.stdin:
    done = take_snapshot(data, APPLICATION, {"fraud": fraud}, snapshots, disk=SystemDisk())
    print(done.next_offset, flush=True)
"""
KILLS = 12


def write_payments(journal: Journal, first: int, number: int) -> None:
    for at in range(first, first + number):
        body = payment(f"p{at}", 10.0 + at % 7, card=f"c{at % 50}", minute=at % 4)
        journal.submit([[Entry("event", "acme", "payment", body)]], lambda _: None)
        if at % 11 == 5:
            key = contract_of(Payment).key_body(f"p{at - 3}")
            journal.submit([[Entry("retraction", "acme", "payment", key)]], lambda _: None)


def held(memory: Memory) -> object:
    """Return what a memory holds, whichever way its keys are numbered."""
    found: dict[object, object] = {}
    for tenant, state in memory.tenants.items():
        for digest in state.online.streams:
            columns = state.online.dump(digest)
            rows = zip(*(columns[one].cast("q") for one in sorted(columns) if one[0] in "tpv"))
            found[tenant, digest] = sorted(rows)
        for stream, versions in state.keys.items():
            found[tenant, stream] = len(versions), versions.ended
    return found


def test_a_snapshot_that_was_killed_half_way_is_never_believed(tmp_path: Path) -> None:
    data, snapshots, disk = tmp_path / "data", tmp_path / "snapshots", SystemDisk()
    chance = random.Random(4)
    made = kills = 0
    with Journal.open(data, disk=disk, clock=SystemClock()) as journal:
        write_payments(journal, 0, 20_000)
        for life in range(KILLS):
            command = [sys.executable, "-c", WRITER, str(data), str(snapshots)]
            with subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            ) as writer:
                assert writer.stdin is not None
                assert writer.stdout is not None
                writer.stdout.readline()
                write_payments(journal, 20_000 + 1000 * life, 1000)
                writer.stdin.write("go\n" * 2)
                writer.stdin.flush()
                if life % 3 == 0:
                    made += int(writer.stdout.readline()) > 0
                time.sleep(chance.uniform(0, 0.15))
                writer.kill()
            kills += writer.returncode == -signal.SIGKILL

            found, mark = read_memory(data, APPLICATION, DECISIONS, disk=disk, snapshots=snapshots)
            full, full_mark = read_memory(data, APPLICATION, DECISIONS, disk=disk)
            assert mark == full_mark
            assert held(found) == held(full)
    assert kills == KILLS
    assert made >= 3
    take_snapshot(data, APPLICATION, DECISIONS, snapshots, disk=disk)
    assert not [name for name in disk.list(snapshots) if name.endswith(".tmp")]


def test_a_full_disk_refuses_a_snapshot_and_keeps_the_one_before(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    if runs_in_a_namespace(request, tmp_path):
        return
    data, disk = tmp_path / "data", SystemDisk()
    with (
        small_disk(tmp_path / "small", 8 << 20) as small,
        Journal.open(data, disk=disk, clock=SystemClock()) as journal,
    ):
        snapshots, filler = small / "snapshots", Filler(small)
        write_payments(journal, 0, 5000)
        first = take_snapshot(data, APPLICATION, DECISIONS, snapshots, disk=disk)
        write_payments(journal, 5000, 5000)

        filler.fill()
        with pytest.raises(OSError, match="No space left"):
            take_snapshot(data, APPLICATION, DECISIONS, snapshots, disk=disk)
        assert first.path is not None
        assert [name for name in disk.list(snapshots) if name != "lock"] == [first.path.name]
        filler.free()
        second = take_snapshot(data, APPLICATION, DECISIONS, snapshots, disk=disk)

        found, _ = read_memory(data, APPLICATION, DECISIONS, disk=disk, snapshots=snapshots)
        full, _ = read_memory(data, APPLICATION, DECISIONS, disk=disk)
        assert second.path is not None
        assert held(found) == held(full)


def test_a_due_process_runs_when_it_is_due_and_ends_with_its_server(tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    write = f"open({str(marks)!r}, 'a').write"
    source = f"import time; {write}('x'); time.sleep(600); {write}('not ended')"

    process = DueProcess(
        [sys.executable, "-c", source], lambda: True, name="snapshots", poll_s=0.01
    )
    until(marks.exists, "a snapshot is taken")

    process.close()

    assert marks.read_text() == "x"


def test_a_server_takes_snapshots_and_starts_from_them(
    prepared_shop: PreparedShop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KINGPOST_SNAPSHOT_EVERY", "500")
    monkeypatch.setenv("KINGPOST_FEATURES_MEMORY_MB", "1")
    secret = prepared_shop.copied(tmp_path)
    snapshots = tmp_path / "data" / "snapshots"
    with ServedShop(tmp_path, secret, "--no-watch") as shop:
        first = shop.decide(order("s1", 1)).json()
        until(lambda: bool(list(snapshots.glob("*.columns"))), "a snapshot is taken")
        taken = next(snapshots.glob("*.columns"))
        maps = Path(f"/proc/{shop.process.pid}/maps")
        if maps.exists():
            until(lambda: str(taken) in maps.read_text(), "it is read where it lies")
        assert shop.decide(order("s1", 1)).json() == first
        for number in range(2, 80):
            shop.decide(order(f"s{number}", number))
        assert shop.end() == 0
    at_end = sorted(snapshots.glob("*.columns"))

    with ServedShop(tmp_path, secret, "--no-watch") as shop:
        again = shop.decide(order("s1", 1)).json()
        fresh = shop.decide(order("s1000", 1000)).json()

    assert len(at_end) == 2
    assert again["id"] == first["id"]
    assert fresh["outcome"] in ("decided", "review")
    assert "passed_over" not in shop.log.read_text()
    assert "due_process_failed" not in shop.log.read_text()
