"""Merkle trees against the vectors of RFC 6962's reference code, and against each other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kingpost.proofs.merkle import (
    consistency_proof,
    inclusion_proof,
    is_consistent,
    is_included,
    leaf_hash,
    root_of,
    subtree_of,
    tree_root,
)
from tests.small_tree import auditor

LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = {
    0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}
HASHES = [leaf_hash(b"%d" % number) for number in range(70)]


@pytest.mark.parametrize("size", ROOTS)
def test_roots_are_the_published_ones(size: int) -> None:
    assert root_of(LEAVES[:size]).hex() == ROOTS[size]
    assert auditor.tree_root(list(map(leaf_hash, LEAVES[:size]))).hex() == ROOTS[size]


def test_proofs_are_the_published_ones() -> None:
    subtree = subtree_of(list(map(leaf_hash, LEAVES)))

    inclusion = [one[:8].hex() for one in inclusion_proof(5, 8, subtree)]
    consistency = [one[:8].hex() for one in consistency_proof(6, 8, subtree)]

    assert inclusion == ["bc1a0643b12e4d2d", "ca854ea128ed050b", "d37ee418976dd957"]
    assert consistency == ["0ebc5d3437fbe2db", "ca854ea128ed050b", "d37ee418976dd957"]


def test_every_proof_of_every_size_verifies_in_both_verifiers() -> None:
    subtree = subtree_of(HASHES)
    roots = [tree_root(size, subtree) for size in range(len(HASHES) + 1)]
    for size in range(1, len(HASHES) + 1):
        for index in range(size):
            path = inclusion_proof(index, size, subtree)
            proof = consistency_proof(index + 1, size, subtree)
            for module in (auditor,):
                assert module.is_included(HASHES[index], index, size, path, roots[size])
                assert module.is_consistent(index + 1, size, roots[index + 1], roots[size], proof)
            assert is_included(HASHES[index], index, size, path, roots[size])
            assert is_consistent(index + 1, size, roots[index + 1], roots[size], proof)


@given(st.data())
def test_no_altered_proof_is_accepted(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, len(HASHES)))
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(1, size - 1))
    subtree = subtree_of(HASHES)
    root, old_root = tree_root(size, subtree), tree_root(old, subtree)
    path, proof = inclusion_proof(index, size, subtree), consistency_proof(old, size, subtree)
    at = data.draw(st.integers(0, len(path) - 1))
    way = data.draw(st.sampled_from(["flip", "drop", "pad"]))

    def altered(hashes: list[bytes], at: int) -> list[bytes]:
        if way == "flip":
            return [*hashes[:at], bytes([hashes[at][0] ^ 1]) + hashes[at][1:], *hashes[at + 1 :]]
        return hashes[:-1] if way == "drop" else [*hashes, HASHES[0]]

    wrong_path, wrong_proof = altered(path, at), altered(proof, len(proof) - 1)
    other = (index + 1) % size

    assert not is_included(HASHES[index], index, size, wrong_path, root)
    assert not is_included(HASHES[index], other, size, path, root)
    assert not is_included(HASHES[other], index, size, path, root)
    assert not is_consistent(old, size, old_root, root, wrong_proof)
    assert not is_consistent(old, size, root, root, proof)
    assert not auditor.is_included(HASHES[index], index, size, wrong_path, root)
    assert not auditor.is_consistent(old, size, old_root, root, wrong_proof)


def test_edges_of_consistency() -> None:
    empty, one = tree_root(0, subtree_of([])), HASHES[0]

    assert is_consistent(0, 5, empty, one, [])
    assert not is_consistent(0, 5, empty, one, [one])
    assert not is_consistent(2, 1, one, one, [])
    assert not is_consistent(3, 5, one, one, [])
