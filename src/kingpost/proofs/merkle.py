"""Merkle trees as in RFC 6962: roots, proofs, and what a verifier does with them.

The rule: a leaf is hashed behind a byte 0 and a node behind a byte 1, so that no node can
pose as a leaf. Verification follows RFC 9162, section 2.1.3.2 and 2.1.4.2.

Proofs are made of roots of perfect subtrees, which the caller looks up: `subtree(height,
index)` is the root over leaves `index << height` up to `(index + 1) << height`.
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

__all__ = [
    "EMPTY_ROOT",
    "HASH_SIZE",
    "Subtree",
    "consistency_proof",
    "fold",
    "inclusion_proof",
    "is_consistent",
    "is_included",
    "leaf_hash",
    "node_hash",
    "root_of",
    "subtree_of",
    "tree_root",
]

HASH_SIZE = 32
EMPTY_ROOT = sha256(b"").digest()

Subtree = Callable[[int, int], bytes]


def leaf_hash(data: bytes) -> bytes:
    """Hash the bytes of a leaf."""
    return sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two children."""
    return sha256(b"\1" + left + right).digest()


def fold(hashes: bytes) -> bytes:
    """Return the root over 2^n hashes that lie one behind the other."""
    while len(hashes) > HASH_SIZE:
        hashes = b"".join(
            [sha256(b"\1" + hashes[at : at + 64]).digest() for at in range(0, len(hashes), 64)]
        )
    return hashes


def subtree_of(hashes: Sequence[bytes]) -> Subtree:
    """Look subtrees up in the leaf hashes of a whole tree; for small ones."""

    def subtree(height: int, index: int) -> bytes:
        return fold(b"".join(hashes[index << height : (index + 1) << height]))

    return subtree


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Return the root over the bytes of leaves; for small trees."""
    hashes = [leaf_hash(leaf) for leaf in leaves]
    return tree_root(len(hashes), subtree_of(hashes))


def tree_root(size: int, subtree: Subtree) -> bytes:
    """Return the root of a tree of `size` leaves."""
    return _root(0, size, subtree) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """Return the audit path of a leaf, its sibling first; `index < size`."""
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_root(middle, end, subtree))
            end = middle
        else:
            path.append(_root(start, middle, subtree))
            start = middle
    return path[::-1]


def consistency_proof(old: int, new: int, subtree: Subtree) -> list[bytes]:
    """Return what shows that a tree of `new` leaves continues one of `old`, `0 < old <= new`."""
    proof: list[bytes] = []
    start, end, is_whole = 0, new, True
    while end != old:
        middle = start + _split(end - start)
        if old <= middle:
            proof.append(_root(middle, end, subtree))
            end = middle
        else:
            proof.append(_root(start, middle, subtree))
            start, is_whole = middle, False
    if not is_whole:
        proof.append(_root(start, end, subtree))
    return proof[::-1]


def is_included(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Say whether an audit path leads from the hash of a leaf to a root."""
    if not 0 <= index < size:
        return False
    place, last, found = index, size - 1, leaf
    for sibling in proof:
        if not last:
            return False
        if place & 1 or place == last:
            found = node_hash(sibling, found)
            place, last = _climb(place, last)
        else:
            found = node_hash(found, sibling)
        place, last = place >> 1, last >> 1
    return not last and found == root


def is_consistent(
    old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Say whether a proof shows that the new tree continues the old one."""
    if not 0 <= old <= new:
        return False
    if not old:
        return not proof and old_root == EMPTY_ROOT
    if old == new:
        return not proof and old_root == new_root
    if not proof:
        return False
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    of_old = of_new = path[0]
    for sibling in path[1:]:
        if not last:
            return False
        if place & 1 or place == last:
            of_old, of_new = node_hash(sibling, of_old), node_hash(sibling, of_new)
            place, last = _climb(place, last)
        else:
            of_new = node_hash(of_new, sibling)
        place, last = place >> 1, last >> 1
    return not last and of_old == old_root and of_new == new_root


def _climb(place: int, last: int) -> tuple[int, int]:
    """Pass the levels at which the right edge has no sibling."""
    while not place & 1 and place:
        place, last = place >> 1, last >> 1
    return place, last


def _split(size: int) -> int:
    """Return the largest power of two below a size of two or more."""
    return 1 << (size - 1).bit_length() - 1


def _root(start: int, end: int, subtree: Subtree) -> bytes:
    size = end - start
    if size & (size - 1) == 0:
        height = size.bit_length() - 1
        return subtree(height, start >> height)
    middle = start + _split(size)
    return node_hash(_root(start, middle, subtree), _root(middle, end, subtree))
