"""Plain DBOS: workflows of five steps that do nothing, one after another.

A connection of its own syncs each commit, with or without the write-ahead log.
"""

import argparse
import json
import logging
import sqlite3
import time

from dbos import DBOS


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--wal", action="store_true", help="a write-ahead log, synced each time")
    chosen = parser.parse_args()
    if chosen.wal:  # the journal mode is the file's own
        path = chosen.url.removeprefix("sqlite:///")
        connection = sqlite3.connect(path)
        assert connection.execute("PRAGMA journal_mode = WAL").fetchone() == ("wal",)
        connection.close()
    DBOS(config={"name": "bench", "system_database_url": chosen.url, "log_level": "ERROR"})
    logging.getLogger("dbos").setLevel(logging.CRITICAL)

    @DBOS.step()
    def nothing(number: int) -> int:
        return number + 1

    @DBOS.workflow()
    def five(number: int) -> int:
        for _ in range(5):
            number = nothing(number)
        return number

    DBOS.launch()
    for number in range(10):
        assert five(number) == number + 5
    busy, start = time.process_time(), time.perf_counter()
    for number in range(chosen.count):
        five(number)
    seconds = time.perf_counter() - start
    found = {
        "steps_per_s": 5 * chosen.count / seconds,
        "cpu_ms_per_step": (time.process_time() - busy) / chosen.count / 5 * 1e3,
    }
    DBOS.destroy()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
