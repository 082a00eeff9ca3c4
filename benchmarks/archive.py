"""Sealing, SQL over what was sealed, and archiving to a store on this machine.

`make bench B=archive [ARGS=300000]`. A commit is an event of 200 bytes and a record with ten
features; one process, one core.
"""

import os
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from benchmarks._figures import say
from benchmarks._journal_retrieval import write_records
from kingpost.core import SystemClock, SystemDisk
from kingpost.decisions import (
    DataDirectory,
    ObjectStore,
    SealedFiles,
    archive_sealed,
    erase_sealed,
    open_sealed,
    seal_segments,
)
from kingpost.features import Erasure, encode_erasure
from kingpost.journal import Journal
from tests.s3_server import BUCKET, CREDENTIALS, s3_server

RECORDS = 300_000
NAMES = tuple(f"feature_{number}" for number in range(10))
QUERIES = {
    "one by event key": "SELECT * FROM records WHERE event_key = 'transaction-1000'",
    "count by outcome": "SELECT outcome, count(*) FROM records GROUP BY outcome",
    "mean of a feature": "SELECT avg(features['feature_3']) FROM records",
    "by principal": "SELECT count(*) FROM records WHERE principal = 'key-1'",
}


def main(records: int) -> None:
    disk = SystemDisk()
    os.environ.update(CREDENTIALS)
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as temporary:
        where = DataDirectory(Path(temporary))
        say(f"writing {records:,} records")
        write_records(where.data, records)
        say("asking before anything is sealed")
        _ask(where, "unsealed: ")

        start = perf_counter()
        done = seal_segments(where, disk=disk, names_of=lambda decision, bundle: NAMES)
        took = perf_counter() - start
        print(
            f"sealed {done.records:,} records of {done.segments} segments: "
            f"{done.records / took:,.0f} a second, {done.size_bytes / done.records:.0f} bytes each"
        )
        sizes = sum(one.segment.size_bytes for one in SealedFiles(where, disk=disk).read())
        print(f"their segments have {sizes / 1e6:,.0f} MB")
        _ask(where, "sealed: ")
        _erase(where)
        _ask(where, "after it: ")

        with s3_server() as server:
            store = ObjectStore(f"s3://{BUCKET}/bench", server.endpoint)
            start = perf_counter()
            put = archive_sealed(where, store, disk=disk)
            took = perf_counter() - start
            print(
                f"archived {put.size_bytes / 1e6:,.0f} MB, read back: "
                f"{put.size_bytes / 1e6 / took:,.0f} MB/s"
            )


def _erase(where: DataDirectory) -> None:
    """Erase one customer, asked about before and after the files are written anew."""
    disk = SystemDisk()
    erase_sealed(where, disk=disk)
    journal = Journal.open(where.data, disk=disk, clock=SystemClock())
    for entity, key in (("id", "transaction-1000"), ("customer", "customer-1")):
        offset = journal.next_offset
        journal.append([encode_erasure("acme", Erasure(offset, entity, key, 0, "key-1", ""))])
    journal.close()
    _ask(where, "erased, files as they were: ")
    start = perf_counter()
    done = erase_sealed(where, disk=disk)
    took = perf_counter() - start
    print(f"erased {done.rows:,} rows of {done.segments} segments in {took:.2f} s")


def _ask(where: DataDirectory, what: str) -> None:
    for name, sql in QUERIES.items():
        start = perf_counter()
        with open_sealed(
            where,
            disk=SystemDisk(),
            names_of=lambda decision, bundle: NAMES,
            memory_mb=4096,
            timeout_s=600,
            threads=1,
        ) as sealed:
            rows = sealed.query(sql).rows
        assert rows or what.startswith(("erased", "after"))
        print(f"{what}{name}: {(perf_counter() - start) * 1e3:,.0f} ms")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else RECORDS)
