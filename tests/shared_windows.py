"""Windows of the small application in Redis, under a prefix of the test's own."""

import uuid
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from kingpost.core import Clock, Disk
from kingpost.decisions import Decision, Engine, SharedWindows
from kingpost.features import Partitions, RedisFeatures, RedisSettings
from kingpost.features.redis_link import RedisLink
from tests.card_payments import REDIS
from tests.tiny_app import APPLICATION, FakeClock, open_engine

__all__ = ["engine_over", "own_prefix", "shared_windows"]

ALONE = Partitions(("data",))


@contextmanager
def own_prefix(url: str = REDIS) -> Generator[str]:
    """Give a prefix for keys, and leave none of them behind."""
    prefix = f"kingpost-test-{uuid.uuid4().hex}"
    try:
        yield prefix
    finally:
        link = RedisLink(url, timeout_s=5.0)
        link.drop(f"{prefix}:")
        link.close()


def shared_windows(
    prefix: str,
    disk: Disk,
    *,
    partition: str = "data",
    partitions: Partitions = ALONE,
    clock: Clock | None = None,
    url: str = REDIS,
    timeout_s: float = 5.0,
) -> SharedWindows:
    """Open the windows of one server; the engine that gets them closes them."""
    decisions: dict[str, Decision] = dict(APPLICATION.decisions)
    store = RedisFeatures.open(
        url,
        [view for decision in decisions.values() for view in decision.views],
        partitions,
        tenant="acme",
        clock=clock or FakeClock(),
        settings=RedisSettings(prefix=prefix, timeout_s=timeout_s),
    )
    return SharedWindows(store, partition, decisions, APPLICATION.streams, disk=disk)


@contextmanager
def engine_over(store: str, data: Path, disk: Disk) -> Generator[Engine]:
    """Open an engine, its windows in this process or in Redis.

    Args:
        store: `process` or `redis`.
    """
    clock = FakeClock()
    with ExitStack() as opened:
        windows = None
        if store == "redis":
            windows = shared_windows(opened.enter_context(own_prefix()), disk, clock=clock)
        engine = open_engine(data, disk=disk, clock=clock, windows=windows)
        opened.callback(engine.close)
        yield engine
