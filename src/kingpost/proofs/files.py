"""The tree on the disk, and the same as C2SP tiles.

    level-0, level-1, …   the hashes of each level of tiles, 32 bytes one behind the other
    entries               every entry as bundles have it: length u16, bytes
    bundles               for each full bundle of 256: end in `entries` u64, first offset u64
    ids                   now and then a record's id, 16 bytes, and the number of its leaf u64
    checkpoint            the newest; `checkpoints` has all of them, each between two lengths u16

Tile n of a level is bytes 8,192 n to 8,192 (n + 1) of the level's file, and a partial tile
is the beginning of that: whatever C2SP's tlog-tiles names is a piece of one of these files,
and `resource` cuts it out. Ten million leaves are a handful of files then, not eighty
thousand, and a group of leaves is durable after four syncs.

What lies in the files behind the size of the checkpoint is not there yet. All integers are
big-endian.
"""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from kingpost.core import Disk, DiskFile
from kingpost.proofs.checkpoint import parse_checkpoint
from kingpost.proofs.errors import BadNote, TreeDamaged
from kingpost.proofs.merkle import HASH_SIZE, fold, tree_root

__all__ = [
    "BUNDLE",
    "TILE_BYTES",
    "TreeFiles",
    "checkpoint_file",
    "last_published",
    "newest_published",
    "publish",
    "published",
    "read_whole",
    "resources",
    "split_bundle",
    "tile_path",
    "write_whole",
]

BUNDLE = 256
TILE_BYTES = BUNDLE * HASH_SIZE
MOST_LEVELS = 8
_ROW = 16
_ID_ROW = 24
_MARKS_APART = 256
_CHUNK = 1 << 20
_RESOURCE = re.compile(
    r"tile/(?:(entries)|(0|[1-9][0-9]?))/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?"
)


class TreeFiles:
    """The files of a tree of `size` leaves, open; for one thread.

    Args:
        write: Whether leaves are to be added.

    Raises:
        TreeDamaged: They hold less than a tree of that size.
    """

    def __init__(self, directory: Path, size: int, *, disk: Disk, write: bool = False) -> None:
        self.directory, self.size = directory, size
        self._disk, self._write = disk, write
        self._files: dict[str, DiskFile] = {}
        self._dirty: set[str] = set()
        self._is_new = False
        try:
            self._check_sizes()
            self._edges = self._right_edges()
            self._entries_end, self._bundle_first = self._end_of_entries()
            self._marked = self._last_mark()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the files."""
        while self._files:
            self._files.popitem()[1].close()

    def add(self, leaves: list[bytes], hashes: bytes, first_offsets: list[int]) -> None:
        """Add leaves, their hashes one behind the other, and where each one's commit lies.

        Nothing counts before `sync`, and nothing is signed here.
        """
        rows: list[bytes] = []
        parts: list[bytes] = []
        end, number = self._entries_end, self.size
        for leaf, offset in zip(leaves, first_offsets, strict=True):
            if number % BUNDLE == 0:
                if number:
                    rows.append(end.to_bytes(8) + self._bundle_first.to_bytes(8))
                self._bundle_first = offset
            width = len(leaf)
            parts += width.to_bytes(2), leaf
            end += 2 + width
            number += 1
        # the row of a bundle is written with the first leaf of the one after it, or here
        if number % BUNDLE == 0 and leaves:
            rows.append(end.to_bytes(8) + self._bundle_first.to_bytes(8))
        if rows:
            at = number // BUNDLE - len(rows)
            self._put("bundles", at * _ROW, b"".join(rows))
        self._put("entries", self._entries_end, b"".join(parts))
        self._entries_end = end
        self._add_hashes(0, self.size, hashes)
        self.size = number

    @property
    def next_mark(self) -> int:
        """The first leaf whose record should be marked."""
        rows, last = self._marked
        return last + _MARKS_APART if rows else 0

    def mark(self, identifier: bytes, index: int) -> None:
        """Note in which leaf the record of an id lies."""
        rows = self._marked[0]
        self._put("ids", rows * _ID_ROW, identifier + index.to_bytes(8))
        self._marked = rows + 1, index

    def sync(self) -> None:
        """Return once everything added is on the disk."""
        for name in sorted(self._dirty):
            self._files[name].sync()
        self._dirty.clear()
        if self._is_new:
            self._disk.sync_directory(self.directory)
            self._is_new = False

    def subtree(self, height: int, index: int) -> bytes:
        """Return the root over leaves `index << height` up to `(index + 1) << height`."""
        level, rest = divmod(height, 8)
        width = HASH_SIZE << rest
        return fold(self._read(f"level-{level}", index * width, width))

    def root(self, size: int | None = None) -> bytes:
        """Return the root of the tree, or of its first `size` leaves."""
        return tree_root(self.size if size is None else size, self.subtree)

    def leaf(self, index: int) -> bytes:
        """Return an entry of the log."""
        number, at = divmod(index, BUNDLE)
        return split_bundle(self.bundle(number))[at]

    def bundle(self, number: int) -> bytes:
        """Return an entry bundle; the last one is as wide as the tree's size says."""
        start = self._bundle_end(number - 1) if number else 0
        end = self._entries_end if number == self.size // BUNDLE else self._bundle_end(number)
        return self._read("entries", start, end - start)

    def first_offset(self, bundle: int) -> int:
        """Return the first offset that a full bundle holds."""
        return int.from_bytes(self._read("bundles", bundle * _ROW + 8, 8))

    def mark_before(self, identifier: bytes) -> tuple[int, int]:
        """Return from which leaf, and before which, a record of an id must lie if ids grow."""
        rows = self._marked[0]
        low, high = 0, rows
        while low < high:
            middle = (low + high) // 2
            if self._read("ids", middle * _ID_ROW, 16) <= identifier:
                low = middle + 1
            else:
                high = middle
        start = self._mark(low - 1)[1] if low else 0
        end = self._mark(low)[1] + 1 if low < rows else self.size
        return start, end

    def resource(self, path: str) -> bytes | None:
        """Return what tlog-tiles has under `tile/…`; None where the tree has no such piece."""
        found = _RESOURCE.fullmatch(path)
        if found is None:
            return None
        number = int(found[3].replace("x", "").replace("/", ""))
        level = int(found[2] or 0)
        width = int(found[4] or BUNDLE)
        if tile_path(number, width) != path.split("/", 2)[2] or level >= MOST_LEVELS:
            return None
        if number * BUNDLE + width > self.size >> 8 * level:
            return None
        if not found[1]:
            return self._read(f"level-{level}", number * TILE_BYTES, width * HASH_SIZE)
        whole = self.bundle(number)
        return whole if width == BUNDLE else _first_entries(whole, width)

    def _add_hashes(self, level: int, count: int, hashes: bytes) -> None:
        """Add hashes to a level of `count`, and what becomes full of them to those above."""
        self._put(f"level-{level}", count * HASH_SIZE, hashes)
        edge = self._edges.setdefault(level, b"") + hashes
        full = len(edge) // TILE_BYTES
        if full:
            above = b"".join(
                [fold(edge[at : at + TILE_BYTES]) for at in range(0, full * TILE_BYTES, TILE_BYTES)]
            )
            self._add_hashes(level + 1, count // BUNDLE, above)
        self._edges[level] = edge[full * TILE_BYTES :]

    def _check_sizes(self) -> None:
        for level in range(MOST_LEVELS):
            needed = (self.size >> 8 * level) * HASH_SIZE
            if needed and self._size(f"level-{level}") < needed:
                raise TreeDamaged(self._path(f"level-{level}"), f"{needed:,} bytes belong there")
        if self._size("bundles") < self.size // BUNDLE * _ROW:
            raise TreeDamaged(self._path("bundles"), f"{self.size // BUNDLE} rows belong there")

    def _right_edges(self) -> dict[int, bytes]:
        edges: dict[int, bytes] = {}
        for level in range(MOST_LEVELS):
            count = self.size >> 8 * level
            width = count % BUNDLE
            if width:
                at = (count - width) * HASH_SIZE
                edges[level] = self._read(f"level-{level}", at, width * HASH_SIZE)
        return edges

    def _end_of_entries(self) -> tuple[int, int]:
        """Return where the next entry goes, and the first offset of the last bundle."""
        number, width = divmod(self.size, BUNDLE)
        end = self._bundle_end(number - 1) if number else 0
        if not width:
            return end, self.first_offset(number - 1) if number else 0
        rest = self._read_most("entries", end, width * (2 + 65_535))
        try:
            bundle = _first_entries(rest, width)
        except IndexError as error:
            raise TreeDamaged(self._path("entries"), "the last entries are missing") from error
        # the first offset stands behind version and form
        return end + len(bundle), int.from_bytes(bundle[4:12])

    def _last_mark(self) -> tuple[int, int]:
        """Return how many marks count, and the leaf of the last one."""
        rows = self._size("ids") // _ID_ROW
        while rows and self._mark(rows - 1)[1] >= self.size:
            rows -= 1
        return rows, self._mark(rows - 1)[1] if rows else 0

    def _mark(self, row: int) -> tuple[bytes, int]:
        data = self._read("ids", row * _ID_ROW, _ID_ROW)
        return data[:16], int.from_bytes(data[16:])

    def _bundle_end(self, number: int) -> int:
        return int.from_bytes(self._read("bundles", number * _ROW, 8))

    def _path(self, name: str) -> Path:
        return self.directory / name

    def _size(self, name: str) -> int:
        file = self._file(name)
        return 0 if file is None else file.size()

    def _read(self, name: str, at: int, size: int) -> bytes:
        data = self._read_most(name, at, size)
        if len(data) < size:
            raise TreeDamaged(self._path(name), f"it ends before byte {at + size:,}")
        return data

    def _read_most(self, name: str, at: int, size: int) -> bytes:
        file = self._file(name)
        return b"" if file is None else file.read_at(at, size)

    def _put(self, name: str, at: int, data: bytes) -> None:
        file = self._file(name)
        if file is None:
            path = self._path(name)
            file = self._files[name] = self._disk.open(path, write=True, create=True)
            self._is_new = True
        file.write_at(at, data)
        self._dirty.add(name)

    def _file(self, name: str) -> DiskFile | None:
        file = self._files.get(name)
        if file is None:
            with contextlib.suppress(FileNotFoundError):
                file = self._files[name] = self._disk.open(self._path(name), write=self._write)
        return file


def tile_path(number: int, width: int = BUNDLE) -> str:
    """Write the end of a tile's path: `x001/x234/067`, and `.p/W` where it is partial."""
    groups = [f"{number % 1000:03d}"]
    while number >= 1000:
        number //= 1000
        groups.append(f"x{number % 1000:03d}")
    path = "/".join(reversed(groups))
    return path if width == BUNDLE else f"{path}.p/{width}"


def resources(size: int) -> Iterator[tuple[str, int, int, int]]:
    """Yield all that a tree of a size has as tiles: path, level (-1: entries), number, width."""
    for level in range(-1, MOST_LEVELS):
        count = size >> 8 * max(level, 0)
        name = "entries" if level < 0 else str(level)
        full, width = divmod(count, BUNDLE)
        for number in range(full):
            yield f"tile/{name}/{tile_path(number)}", level, number, BUNDLE
        if width:
            yield f"tile/{name}/{tile_path(full, width)}", level, full, width


def split_bundle(data: bytes) -> list[bytes]:
    """Cut the entries of a bundle apart.

    Raises:
        IndexError: The last one is cut short.
    """
    entries: list[bytes] = []
    at, size = 0, len(data)
    while at < size:
        start = at + 2
        at = start + int.from_bytes(data[at:start])
        if at > size or start > size:
            raise IndexError(at)
        entries.append(data[start:at])
    return entries


def _first_entries(data: bytes, width: int) -> bytes:
    at = 0
    for _ in range(width):
        if at + 2 > len(data):
            raise IndexError(at)
        at += 2 + int.from_bytes(data[at : at + 2])
    if at > len(data):
        raise IndexError(at)
    return data[:at]


def checkpoint_file(directory: Path, disk: Disk) -> str:
    """Return the newest checkpoint's text, empty before the first."""
    data = read_whole(directory / "checkpoint", disk)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise TreeDamaged(directory / "checkpoint", "it is no text") from error


def published(directory: Path, disk: Disk) -> list[str]:
    """Return every checkpoint that was signed, the oldest first.

    It ends at the first place that holds no whole one, as after a crash.
    """
    data = read_whole(directory / "checkpoints", disk)
    found: list[str] = []
    at = 0
    while text := _whole_one(data[at : at + 4 + int.from_bytes(data[at : at + 2])]):
        found.append(text)
        at += 4 + len(text.encode())
    return found


def _whole_one(data: bytes) -> str:
    """Read a checkpoint between its two lengths; empty when it is not whole."""
    width = int.from_bytes(data[:2])
    if not width or len(data) != width + 4 or data[:2] != data[-2:]:
        return ""
    try:
        text = data[2:-2].decode()
        parse_checkpoint(text)
    except (BadNote, UnicodeDecodeError):
        return ""
    return text


def last_published(directory: Path, disk: Disk) -> tuple[str, int]:
    """Return the last checkpoint that was signed, empty before the first, and where it ends."""
    path = directory / "checkpoints"
    try:
        file = disk.open(path, write=False)
    except FileNotFoundError:
        return "", 0
    try:
        end = file.size()
        width = int.from_bytes(file.read_at(max(0, end - 2), 2))
        data = file.read_at(max(0, end - width - 4), width + 4)
    finally:
        file.close()
    if text := _whole_one(data):
        return text, end
    # the last one was cut off; what lies before it is found from the beginning
    whole = published(directory, disk)
    return (whole[-1] if whole else ""), sum(4 + len(one.encode()) for one in whole)


def newest_published(directory: Path, most: int, disk: Disk) -> list[str]:
    """Return the checkpoints that were signed last, the newest first."""
    last, end = last_published(directory, disk)
    if not last:
        return []
    found, at = [last], end - len(last.encode()) - 4
    file = disk.open(directory / "checkpoints", write=False)
    try:
        while at > 0 and len(found) < most:
            width = int.from_bytes(file.read_at(at - 2, 2))
            start = at - width - 4
            text = _whole_one(file.read_at(start, width + 4)) if start >= 0 else ""
            if not text:
                break
            found.append(text)
            at = start
    finally:
        file.close()
    return found


def publish(directory: Path, text: str, end: int, disk: Disk) -> None:
    """Write a checkpoint behind the others, at byte `end`, durably."""
    data = text.encode()
    width = len(data).to_bytes(2)
    file = disk.open(directory / "checkpoints", write=True, create=True)
    try:
        file.truncate(end)  # what a crash has cut off
        file.write_at(end, width + data + width)
        file.sync()
    finally:
        file.close()
    if not end:
        disk.sync_directory(directory)


def read_whole(path: Path, disk: Disk) -> bytes:
    """Read a small file; empty when there is none."""
    try:
        file = disk.open(path, write=False)
    except FileNotFoundError:
        return b""
    try:
        return file.read_at(0, file.size())
    finally:
        file.close()


def write_whole(path: Path, data: bytes, disk: Disk) -> None:
    """Replace a small file in one step, durably."""
    draft = path.with_name(path.name + ".tmp")
    file = disk.open(draft, write=True, create=True)
    try:
        file.truncate(0)
        file.write_at(0, data)
        file.sync()
    finally:
        file.close()
    disk.rename(draft, path)
    disk.sync_directory(path.parent)
