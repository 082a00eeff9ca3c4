"""The tree's files, and the same as C2SP tiles."""

import pytest

from kingpost.proofs import TreeDamaged
from kingpost.proofs.files import TreeFiles, resources, split_bundle, tile_path
from kingpost.proofs.merkle import leaf_hash, subtree_of, tree_root
from tests.simulated_disk import SimulatedDisk
from tests.small_tree import PLACE


def leaf_at(number: int) -> bytes:
    return bytes(2) + number.to_bytes(8) + b"leaf"


def files_of(sizes: list[int], disk: SimulatedDisk) -> TreeFiles:
    size = 0
    for more in sizes:
        with TreeFiles(PLACE.public, size, disk=disk, write=True) as files:
            leaves = list(map(leaf_at, range(size, size + more)))
            files.add(leaves, b"".join(map(leaf_hash, leaves)), list(range(size, size + more)))
            files.sync()
            size = files.size
    return TreeFiles(PLACE.public, size, disk=disk)


@pytest.mark.parametrize(
    ("number", "width", "path"),
    [
        (0, 256, "000"),
        (999, 256, "999"),
        (1000, 256, "x001/000"),
        (1_234_067, 256, "x001/x234/067"),
        (273, 112, "273.p/112"),
    ],
)
def test_paths_are_those_of_the_specification(number: int, width: int, path: str) -> None:
    assert tile_path(number, width) == path


def test_a_tree_has_the_tiles_that_the_specification_counts() -> None:
    found = [(path.split("/")[1], width) for path, _, _, width in resources(70_000)]

    assert found.count(("0", 256)) == found.count(("entries", 256)) == 273
    assert [one for one in found if one[0] == "0"][-1] == ("0", 112)
    assert [one for one in found if one[0] in "12"] == [("1", 256), ("1", 17), ("2", 1)]


@pytest.mark.parametrize(
    "sizes", [[1], [255, 1], [256, 256], [300, 212, 1], [100] * 9, [65_536, 70]]
)
def test_leaves_added_in_steps_are_the_same_tree(sizes: list[int]) -> None:
    files = files_of(sizes, SimulatedDisk())
    leaves = list(map(leaf_at, range(files.size)))
    hashes = list(map(leaf_hash, leaves))

    assert files.root() == tree_root(len(hashes), subtree_of(hashes))
    for size in (1, files.size // 2 or 1, files.size):
        assert files.root(size) == tree_root(size, subtree_of(hashes[:size]))
    assert [files.leaf(at) for at in range(0, files.size, 37)] == leaves[::37]
    for path, level, number, width in resources(files.size):
        data = files.resource(path)
        assert data is not None
        if level < 0:
            assert split_bundle(data) == leaves[number * 256 : number * 256 + width]
        elif level == 0:
            assert data == b"".join(hashes[number * 256 : number * 256 + width])


def test_what_the_tree_has_not_is_not_served() -> None:
    files = files_of([300], SimulatedDisk())

    for path in ("tile/0/002", "tile/0/001", "tile/0/001.p/45", "tile/1/000", "tile/9/000",
                 "tile/0/x000/000", "tile/00/000", "../checkpoint", "tile/entries/001.p/0"):  # fmt: skip
        assert files.resource(path) is None
    assert files.resource("tile/0/001.p/43") is not None


def test_files_that_are_too_short_are_refused() -> None:
    disk = SimulatedDisk()
    files_of([300], disk).close()
    file = disk.open(PLACE.public / "level-0", write=True)
    file.truncate(299 * 32)

    with pytest.raises(TreeDamaged):
        TreeFiles(PLACE.public, 300, disk=disk)
