"""The dead letters of an installation: of its outbox, its streams, and the webhooks of its jobs.

The rule: to look makes no file.
"""

from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager

from kingpost.calls import CALL_MIGRATIONS, DeadLetter, DeadLetters, SqliteDeadLetters
from kingpost.cli.place import data_directory
from kingpost.core import Settings
from kingpost.jobs import open_job_store
from kingpost.storage import migrate, open_database

__all__ = ["opened_dead_letters"]


class _Together:
    """`DeadLetters` of several stores; an id is looked for in one after the other."""

    def __init__(self, stores: Sequence[DeadLetters]) -> None:
        self._stores = stores

    def find(self, tenant: str, *, route: str = "", limit: int = 100) -> Sequence[DeadLetter]:
        found = [
            one for store in self._stores for one in store.find(tenant, route=route, limit=limit)
        ]
        return sorted(found, key=lambda one: (-one.died_us, one.message.id))[:limit]

    def get(self, tenant: str, identifier: str) -> DeadLetter | None:
        found = (store.get(tenant, identifier) for store in self._stores)
        return next((one for one in found if one is not None), None)

    def replay(self, tenant: str, identifier: str, *, now_us: int) -> bool:
        return any(store.replay(tenant, identifier, now_us=now_us) for store in self._stores)

    def discard(self, tenant: str, identifier: str) -> bool:
        return any(store.discard(tenant, identifier) for store in self._stores)


@contextmanager
def opened_dead_letters(settings: Settings) -> Generator[DeadLetters]:
    """Open what is there.

    Raises:
        KingpostError: A store cannot be opened, see `open_job_store`.
    """
    where = data_directory(settings)
    stores: list[DeadLetters] = []
    with ExitStack() as opened:
        for path in (where.calls, where.refused_messages):
            if path.exists():
                connection = open_database(path)
                opened.callback(connection.close)
                migrate(connection, "calls", CALL_MIGRATIONS)
                stores.append(SqliteDeadLetters(connection))
        if settings.job_store or where.jobs.exists():
            jobs = open_job_store(settings.job_store, where.jobs)
            opened.callback(jobs.close)
            stores.append(jobs.dead_letters)
        yield _Together(stores)
