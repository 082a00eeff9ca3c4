"""The keys of data subjects of a data directory, laid where contracts find them.

The rule: who reads or writes personal content has opened the keys of the directory it lies in;
a contract without them refuses. One directory at a time: a contract has one vault.
"""

from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing, contextmanager

from kingpost.contracts import Contract, Event
from kingpost.decisions.data_directory import DataDirectory
from kingpost.features import Erasure
from kingpost.subjects import (
    KeysNotMoved,
    KeyStoreUnfit,
    MasterKeyUnusable,
    SqliteSubjectKeys,
    SubjectName,
    SubjectVault,
    open_key_store,
    read_master_key,
)

__all__ = ["Subjects", "move_to_key_store", "open_subjects", "open_vault", "opened_subjects"]


class Subjects:
    """The vault of some contracts, until it is closed.

    Args:
        vault: Closed with it.
    """

    def __init__(self, vault: SubjectVault, contracts: Iterable[Contract[Event]]) -> None:
        self._vault = vault
        self._contracts = [one for one in contracts if one.subject is not None]
        for one in self._contracts:
            one.desk.vault = vault

    def prepare(self, asked: Iterable[tuple[str, Contract[Event], Event]], offset: int) -> None:
        """Make the keys that subjects of events lack, each with its tenant.

        Args:
            offset: No earlier than where the journal will hold the first of them.

        Raises:
            KeysNotKept: Nothing was made.
        """
        names = {
            SubjectName(tenant, contract.subject.name, str(getattr(event, contract.subject.name)))
            for tenant, contract, event in asked
            if contract.subject is not None
        }
        if names:
            self._vault.prepare(names, offset)

    def erase(self, tenant: str, entity: str, name: str, offset: int) -> None:
        """Let nobody use the keys of a subject any more; see `SubjectVault.erase`."""
        self._vault.erase(SubjectName(tenant, entity, name), offset)

    def begin(self, erasures: Mapping[str, Sequence[Erasure]], offset: int) -> None:
        """Take up what the journal says, when it was opened.

        Args:
            erasures: By tenant; what a process was killed before it had destroyed goes now.
            offset: Where the journal ends: a later one was in memory alone.

        Raises:
            StorageFull, StorageBusy, StorageFailed: Not all of it was done.
        """
        self._vault.revive()
        self._vault.rewind(offset)
        self.destroy(erasures)

    def destroy(self, erasures: Mapping[str, Sequence[Erasure]]) -> int:
        """Destroy the keys of whom is erased, by tenant; see `SubjectVault.destroy`."""
        return self._vault.destroy(
            (SubjectName(tenant, one.entity, one.key), one.offset)
            for tenant, every in erasures.items()
            for one in every
        )

    def close(self) -> None:
        """Release the keys; the contracts refuse again."""
        for one in self._contracts:
            if one.desk.vault is self._vault:
                one.desk.vault = None
        self._vault.close()


def open_subjects(where: DataDirectory, contracts: Iterable[Contract[Event]]) -> Subjects | None:
    """Open the keys of a data directory for contracts with personal content.

    Keys of the other partitions are opened for reading, where they are here.

    Returns:
        None where no contract has any.

    Raises:
        MasterKeyUnusable: The master key is missing, or not the one the keys are wrapped with.
        DatabaseUnreadable, DatabaseNewer: The key store cannot be opened.
    """
    personal = [one for one in contracts if one.subject is not None]
    return Subjects(open_vault(where), personal) if personal else None


def open_vault(where: DataDirectory, *, is_strict: bool = False) -> SubjectVault:
    """Open the keys of a data directory, for whoever reads stored bodies by himself.

    Args:
        is_strict: See `SubjectVault`.

    Raises:
        MasterKeyUnusable, DatabaseUnreadable, DatabaseNewer: See `open_subjects`.
    """
    others = [
        DataDirectory(root, name, key_store=where.key_store)
        for name, root in where.listed
        if name != where.partition
    ]
    beside: list[SubjectVault] = []
    try:
        for other in others:
            if other.has_subject_keys:
                beside.append(_vault(other, ()))
        return _vault(where, beside, is_strict=is_strict)
    except BaseException:
        for one in beside:
            one.close()
        raise


@contextmanager
def opened_subjects(
    where: DataDirectory, contracts: Iterable[Contract[Event]]
) -> Generator[None, None, None]:
    """Open the keys while something reads or writes, unless this process has them open.

    Content whose key is missing is refused then, so that nothing is computed without it.

    Raises:
        KingpostError: See `open_subjects`.
    """
    closed = [one for one in contracts if one.subject is not None and one.desk.vault is None]
    subjects = Subjects(open_vault(where, is_strict=True), closed) if closed else None
    try:
        yield
    finally:
        if subjects is not None:
            subjects.close()


def move_to_key_store(where: DataDirectory) -> int:
    """Move the keys of subjects from the file of a data directory to the store of its settings.

    For whoever holds the journal, so that no server runs. May be killed and done again: keys are
    there before they go here.

    Returns:
        How many were in the file.

    Raises:
        KeyStoreUnfit: The settings name no other store than the file.
        MasterKeyUnusable: What is there was wrapped with another master key.
        DatabaseUnreadable, DatabaseNewer, StorageFailed, StorageBusy: One of the stores.
    """
    if not where.key_store:
        raise KeyStoreUnfit
    if not where.subject_keys.exists():
        return 0
    with closing(SqliteSubjectKeys(where.subject_keys)) as here:
        keys, check = here.every(), here.check
        with closing(open_key_store(where.key_store, where.subject_keys, where.partition)) as there:
            if check:
                there.begin(check)
                if there.check != check:
                    raise MasterKeyUnusable(where.master_key, "keys there have another one")
            there.add([key for key in keys if there.get(key.id) is None])
        here.empty()
    for path in where.subject_keys.parent.glob(f"{where.subject_keys.name}*"):
        path.unlink()
    return len(keys)


def _vault(
    where: DataDirectory, beside: Sequence[SubjectVault], *, is_strict: bool = False
) -> SubjectVault:
    if where.key_store and where.subject_keys.exists():
        raise KeysNotMoved(where.subject_keys)
    store = open_key_store(where.key_store, where.subject_keys, where.partition)
    try:
        master = read_master_key(where.master_key, may_make=not store.check)
        if not store.check:
            store.begin(master.check)
        if store.check != master.check:
            raise MasterKeyUnusable(where.master_key, "the keys were wrapped with another one")
        return SubjectVault(store, master, beside=beside, is_strict=is_strict)
    except BaseException:
        store.close()
        raise
