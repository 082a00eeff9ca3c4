"""Backups beside a server that is killed, and backups that are killed themselves."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from kingpost.core import SystemClock, SystemDisk
from kingpost.decisions.backup import back_up, check_backup, restore_backup
from kingpost.journal import Entry, Journal, scan
from tests.cli_app import PreparedShop, kingpost
from tests.served_shop import Load, ServedShop, order, recorded, until

DISK = SystemDisk()
MAKER = """
import sys
from pathlib import Path
from kingpost.core import SystemClock, SystemDisk
from kingpost.decisions.backup import back_up

root, directory = map(Path, sys.argv[1:])
print("begun", flush=True)
back_up({"data": root}, directory, disk=SystemDisk(), clock=SystemClock(), version="0.1.0")
"""
KILLS = 12


def test_what_was_acknowledged_before_a_backup_is_restored_elsewhere(
    prepared_shop: PreparedShop, tmp_path: Path
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    secret = prepared_shop.copied(here)
    with ServedShop(here, secret) as shop:
        load = Load(shop, "l", connections=8)
        load.go_on(300)
        kept: dict[str, object] = {}
        done: dict[str, object] = {}
        for round in range(2):  # the second one is made of what has changed
            before = [shop.decide(order(f"b{round}-{at}", 5000 + at)).json() for at in range(20)]
            kept |= {answer["id"]: answer for answer in before}
            done = kingpost(here, "backup", str(tmp_path / "backup"), "--json")
            load.go_on(200)
        load.stop()
        shop.end(signal.SIGKILL)
    everything = recorded(here)
    there.mkdir()
    (there / "shop_app.py").write_bytes((here / "shop_app.py").read_bytes())

    kingpost(there, "restore", str(tmp_path / "backup"), "--json")

    restored = recorded(there)
    assert int(str(done["kept"])) > 0
    assert kept.keys() <= restored.keys()
    assert restored.items() <= everything.items()
    verified: Any = kingpost(there, "verify", "--json")
    assert verified["records"] == verified["verified"] == len(restored)
    assert verified["different"] == verified["reads_different"] == 0
    with ServedShop(there, secret) as shop:
        for round in range(2):
            for at in range(20):
                again = shop.decide(order(f"b{round}-{at}", 5000 + at)).json()
                assert again == kept[again["id"]]
        until(shop.is_ready, "it takes work")
        shop.end()
    parity: Any = kingpost(there, "parity", "shop_app.py", "risk", "--json")
    assert parity["different"] == []


def test_a_backup_that_is_killed_leaves_the_one_before_whole(tmp_path: Path) -> None:
    root, directory, chance = tmp_path / "data", tmp_path / "backup", random.Random(7)
    partition = root / "journal" / "data"
    written, killed = 0, 0
    for life in range(KILLS):
        with Journal.open(
            partition, disk=DISK, clock=SystemClock(), segment_bytes=1 << 20
        ) as journal:
            for _ in range(40):
                body = chance.randbytes(100_000)
                journal.append([Entry("event", "acme", "t", body)])
                written += 1
        if not life:
            back_up({"data": root}, directory, disk=DISK, clock=SystemClock(), version="0.1.0")
        whole = check_backup(directory, disk=DISK)
        with subprocess.Popen(
            [sys.executable, "-c", MAKER, str(root), str(directory)], stdout=subprocess.PIPE
        ) as maker:
            assert maker.stdout is not None
            maker.stdout.readline()
            time.sleep(chance.uniform(0, 0.03))
            maker.kill()
        killed += maker.returncode == -signal.SIGKILL

        after = check_backup(directory, disk=DISK)
        assert after.partitions["journal/data"] in (whole.partitions["journal/data"], written)
    done = back_up({"data": root}, directory, disk=DISK, clock=SystemClock(), version="0.1.0")
    restore_backup(directory, {"data": tmp_path / "restored"}, disk=DISK)

    assert killed >= KILLS // 2
    assert done.manifest.partitions["journal/data"] == written
    assert not list((directory / "objects").glob("*.tmp"))
    restored = tmp_path / "restored" / "journal" / "data"
    assert list(scan(restored, disk=DISK)) == list(scan(partition, disk=DISK))
