"""An artefact is what its digest says, whole or absent, whatever happens to the disk."""

import errno
import pickle
from pathlib import Path

import pytest

from kingpost.registry import (
    ArtefactCorrupt,
    ArtefactMissing,
    ArtefactStore,
    BadDigest,
    digest_of,
)
from tests.simulated_disk import SimulatedDisk

ROOT = Path("/data/artefacts")
MODEL = b"a model of some size" * 200


def path_of(digest: str) -> Path:
    return ROOT / "sha256" / digest[:2] / digest


def test_what_was_put_is_got_by_its_digest() -> None:
    store = ArtefactStore(ROOT, disk=SimulatedDisk())

    digest = store.put(MODEL)

    assert digest == digest_of(MODEL)
    assert store.get(digest) == MODEL


def test_an_empty_artefact_is_an_artefact() -> None:
    store = ArtefactStore(ROOT, disk=SimulatedDisk())

    assert store.get(store.put(b"")) == b""


def test_putting_the_same_bytes_again_writes_nothing() -> None:
    disk = SimulatedDisk()
    store = ArtefactStore(ROOT, disk=disk)
    store.put(MODEL)
    steps = disk.steps

    store.put(MODEL)

    assert disk.steps == steps


def test_a_changed_artefact_is_refused_and_names_its_file() -> None:
    disk = SimulatedDisk()
    store = ArtefactStore(ROOT, disk=disk)
    digest = store.put(MODEL)
    disk.damage(path_of(digest), 17, b"!")

    with pytest.raises(ArtefactCorrupt, match=digest) as caught:
        store.get(digest)

    assert caught.value.path == path_of(digest)


def test_a_changed_artefact_is_mended_by_putting_it_again() -> None:
    disk = SimulatedDisk()
    store = ArtefactStore(ROOT, disk=disk)
    digest = store.put(MODEL)
    disk.damage(path_of(digest), 17, b"!")

    store.put(MODEL)

    assert store.get(digest) == MODEL


def test_a_missing_artefact_is_an_error_that_names_the_store() -> None:
    store = ArtefactStore(ROOT, disk=SimulatedDisk())

    with pytest.raises(ArtefactMissing, match="/data/artefacts holds no artefact"):
        store.get(digest_of(b"never put"))


@pytest.mark.parametrize("text", ["", "../../etc/passwd", "0" * 63, "0" * 65, "F" * 64])
def test_what_is_no_digest_reaches_no_file(text: str) -> None:
    with pytest.raises(BadDigest):
        ArtefactStore(ROOT, disk=SimulatedDisk()).get(text)


@pytest.mark.parametrize("power", [False, True])
def test_after_a_crash_at_any_step_an_artefact_is_whole_or_missing(power: bool) -> None:
    whole = SimulatedDisk()
    ArtefactStore(ROOT, disk=whole).put(MODEL)
    for step in range(whole.steps):
        for seed in range(4):
            disk = SimulatedDisk(seed=seed)
            disk.stops_at = step
            with pytest.raises(OSError, match="off"):
                ArtefactStore(ROOT, disk=disk).put(MODEL)
            disk = disk.after_power_loss() if power else disk.after_kill()
            store = ArtefactStore(ROOT, disk=disk)

            try:
                assert store.get(digest_of(MODEL)) == MODEL
            except ArtefactMissing:
                assert store.get(store.put(MODEL)) == MODEL


def test_what_was_put_survives_a_loss_of_power() -> None:
    for seed in range(8):
        disk = SimulatedDisk(seed=seed)
        digest = ArtefactStore(ROOT, disk=disk).put(MODEL)

        assert ArtefactStore(ROOT, disk=disk.after_power_loss()).get(digest) == MODEL


def test_a_full_disk_leaves_no_draft_behind() -> None:
    whole = SimulatedDisk()
    ArtefactStore(ROOT, disk=whole).put(MODEL)
    for step in range(1, whole.steps - 1):
        disk = SimulatedDisk()
        disk.fails = {step: errno.ENOSPC}

        with pytest.raises(OSError, match="space"):
            ArtefactStore(ROOT, disk=disk).put(MODEL)

        assert [name for name in disk.contents() if name.endswith(".tmp")] == []


@pytest.mark.parametrize(
    "error",
    [
        ArtefactMissing("0" * 64, ROOT),
        ArtefactCorrupt(ROOT / "x", "0" * 64, "1" * 64),
        BadDigest("x"),
    ],
)
def test_an_error_survives_pickling(error: Exception) -> None:
    copy = pickle.loads(pickle.dumps(error))

    assert str(copy) == str(error)
    assert type(copy) is type(error)
