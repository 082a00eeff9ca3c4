"""One server process among several over one Redis: journals payments, applies and reads them.

Arguments: the journals' directory, the partition, the Redis prefix, how many payments. It
catches up first, then writes a line for each read: offset, vector, values in hex. Its
journal says where to go on after a kill.
"""

import sys
from pathlib import Path
from random import Random

from kingpost.contracts import batch_of
from kingpost.core import SystemClock, SystemDisk
from kingpost.features import Change, Changes, RedisFeatures, RedisSettings, catch_up
from kingpost.journal import Entry, Journal
from tests.card_payments import (
    CONTRACTS,
    FEATURES,
    HOUR,
    PARTITIONS,
    REDIS,
    START,
    VIEWS,
    CardPayment,
    payment,
)


def drawn(partition: str, number: int) -> CardPayment:
    """Draw a payment: late now and then, of a customer and a shop that all partitions have."""
    random = Random(f"{partition}/{number}")
    late = random.randrange(40) if random.random() < 0.3 else 0
    return payment(
        number,
        at=START + (number // 8 - late) * HOUR,
        customer=random.choice(["ann", "bob", "eve"]),
        shop=random.randrange(4),
        amount=random.randrange(10**6) / 100,
    )


def main() -> None:
    root, partition, prefix, count = sys.argv[1:]
    contract = CONTRACTS["card_payment"]
    directory = Path(root) / partition
    journal = Journal.open(directory, disk=SystemDisk(), clock=SystemClock())
    settings = RedisSettings(prefix=prefix, timeout_s=10.0)
    store = RedisFeatures.open(
        REDIS, VIEWS, PARTITIONS, tenant="acme", clock=SystemClock(), settings=settings
    )
    caught = catch_up(store, directory, CONTRACTS, tenant="acme", disk=SystemDisk())
    print("caught", caught, flush=True)
    reader = store.reader(FEATURES)
    for number in range(journal.next_offset, int(count)):
        made = drawn(partition, number)
        body = batch_of(contract, [made]).encode()
        offset = journal.append([Entry("events", "acme", "card_payment", body)])
        change = Change("card_payment", made, offset)
        got = reader.read([made], after=Changes(partition, [change], offset))
        print("read", offset, got.position, got.values.tobytes().hex(), flush=True)
    store.close()
    journal.close()
    print("done", flush=True)


if __name__ == "__main__":
    main()
