"""Work spread over a Ray cluster (extra `ray`): actors that are asked one thing after another.

The rule: nothing is shared but Ray's object store. What actors are made of goes into it
once, and each answer comes back through it. No more is under way than there are actors, so
what is asked may be read as it goes.
"""

import logging
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, TypeVar, cast

from kingpost.core import ExtraMissing, KingpostError

__all__ = ["RayWorkFailed", "ray_work"]

_RESTARTS = 3
"""So often an actor whose machine is lost begins again, and so often a call is retried."""

Asked_contra = TypeVar("Asked_contra", contravariant=True)
Answer_co = TypeVar("Answer_co", covariant=True)


class RayWorkFailed(KingpostError):
    """The cluster cannot be reached, or a call failed more than three times."""

    code = "ray_work_failed"
    retry_safe = True

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return f"Ray: {self.problem}"


class Computes(Protocol[Asked_contra, Answer_co]):
    """What an actor is made of."""

    def compute(self, asked: Asked_contra, /) -> Answer_co:
        """Answer_co."""
        ...


class _Remote(Protocol):
    """A method of an actor."""

    def remote(self, asked: object) -> object: ...


class _Actor(Protocol):
    """An object somewhere."""

    @property
    def compute(self) -> _Remote: ...


class _Actors(Protocol):
    """Makes actors."""

    def remote(self, *made_of: object) -> _Actor: ...


class _Ray(Protocol):
    """What is used of Ray, whose own types are partly unknown."""

    def init(
        self, address: str | None = None, *, num_cpus: int | None = None,
        include_dashboard: bool = False, log_to_driver: bool = False, logging_level: int = 0,
    ) -> object: ...  # fmt: skip

    def shutdown(self) -> None: ...

    def put(self, value: object) -> object: ...

    def get(self, reference: object) -> object: ...

    def wait(self, references: list[object]) -> tuple[list[object], list[object]]: ...

    def remote(
        self, *, num_cpus: int, max_restarts: int, max_task_retries: int
    ) -> Callable[[type], _Actors]: ...


def ray_work(
    kind: Callable[..., Computes[Asked_contra, Answer_co]],
    made_of: Sequence[object],
    asked: Iterable[Asked_contra],
    workers: int,
    *,
    threads: int,
    address: str | None = None,
) -> Iterator[Answer_co]:
    """Ask actors of a class so many things; yield the answers as they come.

    Args:
        made_of: What each actor is made of; the first through the object store.
        threads: The CPUs that each actor asks of Ray.
        address: Of a cluster; a local one is started, and ended after use, without.

    Raises:
        ExtraMissing: Ray is not installed.
        RayWorkFailed: The cluster cannot be reached, or a call failed too often.
    """
    try:
        import ray as installed
        from ray.exceptions import RayError
    except ImportError as error:
        raise ExtraMissing("ray", "ray") from error

    ray = cast("_Ray", installed)
    try:
        with _joined(ray, address, workers * threads):
            actors = ray.remote(
                num_cpus=threads, max_restarts=_RESTARTS, max_task_retries=_RESTARTS
            )(cast("type", kind))  # fmt: skip
            shipped = ray.put(made_of[0])
            working: dict[object, _Actor] = {}
            for one in asked:
                if len(working) < workers:
                    actor = actors.remote(shipped, *made_of[1:])
                else:
                    [ready], _ = ray.wait(list(working))
                    actor = working.pop(ready)
                    yield cast("Answer_co", ray.get(ready))
                working[actor.compute.remote(one)] = actor
            while working:
                [ready], _ = ray.wait(list(working))
                del working[ready]
                yield cast("Answer_co", ray.get(ready))
    except (RayError, ConnectionError) as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise RayWorkFailed(said[-1]) from error


@contextmanager
def _joined(ray: _Ray, address: str | None, cpus: int) -> Generator[None, None, None]:
    if address is None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a cluster of ours tells nobody
        ray.init(num_cpus=cpus, logging_level=logging.ERROR)
    else:
        ray.init(address, logging_level=logging.ERROR)
    try:
        yield
    finally:
        ray.shutdown()
