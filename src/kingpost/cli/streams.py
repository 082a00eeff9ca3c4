"""The streams of an installation, joined from its settings and its application."""

import threading
from collections.abc import Callable, Sequence
from functools import partial

from kingpost.cli.declared import chosen_decision, chosen_stream
from kingpost.contracts import Contract, Event
from kingpost.core import Settings, SystemClock, SystemDisk
from kingpost.decisions import Application, DataDirectory
from kingpost.integrations import (
    Address,
    Flow,
    Inflow,
    JournalSide,
    Judged,
    Outflow,
    PositionFile,
    Publishes,
    RefusedMessages,
    StreamAddressUnfit,
    StreamRunner,
    TakeEvents,
    Taken,
    open_consumer,
    open_producer,
    published_events,
)
from kingpost.serving import StreamSetup, published_records

__all__ = ["follow_all", "open_streams", "takes_nothing"]

_RECORDS = "records:"
FeatureNames = Callable[[str, bytes], Sequence[str] | None]


def open_streams(
    settings: Settings,
    application: Application,
    where: DataDirectory,
    feature_names: FeatureNames,
) -> StreamSetup | None:
    """Join the streams that are configured; None where there are none.

    Raises:
        NothingDeclared: A setting names what the application does not declare.
        StreamAddressUnfit: It names no topic, or a field that the stream has not.
        PersonalStream: It would publish personal content.
        ExtraMissing: A broker's extra is not installed.
    """
    if not settings.stream_urls("in") and not settings.stream_urls("out"):
        return None
    make = partial(_flows, settings, application, where, feature_names)
    make(takes_nothing, lambda: 0)  # so that a mistake is told at once
    return StreamSetup(settings.tenant, make)


def follow_all(flows: Sequence[Flow], stop: threading.Event, *, drains: bool) -> None:
    """Let all streams flow until told to stop, each in a thread of its own.

    Args:
        drains: End when nothing waits any more.

    Raises:
        KingpostError: What no wait can mend, of the first that met it; the others have ended.
    """
    failures: list[BaseException] = []

    def run(runner: StreamRunner) -> None:
        try:
            runner.run(stop, drains=drains)
        except BaseException as error:  # noqa: BLE001  handed to the thread that waits
            failures.append(error)
            stop.set()

    threads = [threading.Thread(target=run, args=(StreamRunner(flow),)) for flow in flows]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def _flows(
    settings: Settings,
    application: Application,
    where: DataDirectory,
    feature_names: FeatureNames,
    take: TakeEvents,
    durable: Callable[[], int],
) -> Sequence[Flow]:
    disk, clock = SystemDisk(), SystemClock()
    journal = JournalSide(where.data, durable, disk)
    flows: list[Flow] = []
    for name, url in settings.stream_urls("in").items():
        contract = chosen_stream(application, name)
        address = Address("streams_in", name, url)
        flows.append(Inflow(contract, open_consumer(address, disk=disk), take))
    for name, url in settings.stream_urls("out").items():
        address = Address("streams_out", name, url)
        publishes = _publishes(settings, application, name, address, feature_names)
        producer = open_producer(address, disk=disk, clock=clock)
        position = PositionFile(where.stream_position(name), disk=disk)
        refused = RefusedMessages(
            where.refused_messages, f"streams:{name}", settings.tenant, clock=clock
        )
        flows.append(Outflow(name, journal, publishes, producer, position, refused))
    return flows


def _publishes(
    settings: Settings,
    application: Application,
    name: str,
    address: Address,
    feature_names: FeatureNames,
) -> Publishes:
    if name.startswith(_RECORDS):
        decision = chosen_decision(application, name.removeprefix(_RECORDS)).name
        if address.key:
            raise StreamAddressUnfit("streams_out", name, "records have the key of their event")
        return published_records(decision, settings.tenant, feature_names)
    contract = chosen_stream(application, name)
    if address.key and address.key not in contract.by_name:
        known = ", ".join(contract.by_name)
        problem = f"the stream has no field {address.key!r}; it has {known}"
        raise StreamAddressUnfit("streams_out", name, problem)
    return published_events(contract, settings.tenant, address.key)


def takes_nothing(contract: Contract[Event], judged: Judged, source: str) -> Taken:
    """Stand in where flows are looked at and not run."""
    del contract, judged, source
    return Taken()
