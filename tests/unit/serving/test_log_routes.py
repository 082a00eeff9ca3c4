"""The logs over HTTP: an auditor who knows nothing of Kingpost follows them by tiles alone."""

import base64
import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from kingpost.journal import Entry, Journal
from kingpost.proofs import Tree
from tests.review_house import ReviewHouse, run_review

LOG = "/v1/logs/control"


class Seen(NamedTuple):
    """A checkpoint as the auditor read it."""

    origin: str
    size: int
    root: bytes


class Follower:
    """Follows a log in C2SP's tlog-tiles layout; written from the specification alone."""

    def __init__(self, house: ReviewHouse, key: dict[str, str]) -> None:
        self._house, self._key = house, key

    async def get(self, path: str) -> bytes:
        answer = await self._house.get(f"{LOG}/{path}", self._key)
        assert answer.status_code == 200, (path, answer.text)
        return answer.content

    async def checkpoint(self, vkey: str) -> Seen:
        """Read the newest checkpoint, and see that the log's key has signed it."""
        whole = (await self.get("checkpoint")).decode()
        text, _, signatures = whole.rpartition("\n\n")
        _, name, signature = signatures.splitlines()[0].split(" ")
        key = base64.b64decode(vkey.split("+", 2)[2])
        origin, size, root = text.split("\n")[:3]
        public = Ed25519PublicKey.from_public_bytes(key[1:])
        public.verify(base64.b64decode(signature)[4:], f"{text}\n".encode())
        assert name == origin == vkey.split("+")[0]
        return Seen(origin, int(size), base64.b64decode(root))

    async def hashes(self, level: int, size: int) -> list[bytes]:
        """Read all hashes of a level of a tree of a size, tile by tile."""
        count, found = size >> 8 * level, b""
        for number in range(0, count, 256):
            width = min(256, count - number)
            partial = "" if width == 256 else f".p/{width}"
            found += await self.get(f"tile/{level}/{number // 256:03d}{partial}")
        return [found[at : at + 32] for at in range(0, len(found), 32)]

    async def leaves(self, size: int) -> list[bytes]:
        """Read all entries."""
        found: list[bytes] = []
        for number in range(0, size, 256):
            width = min(256, size - number)
            partial = "" if width == 256 else f".p/{width}"
            data = await self.get(f"tile/entries/{number // 256:03d}{partial}")
            while data:
                end = 2 + int.from_bytes(data[:2])
                found.append(data[2:end])
                data = data[end:]
        return found


def root_of(hashes: Sequence[bytes]) -> bytes:
    """Return a root, as RFC 6962 says."""
    if len(hashes) == 1:
        return hashes[0]
    middle = 1 << (len(hashes) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + root_of(hashes[:middle]) + root_of(hashes[middle:])).digest()


def approved(house: ReviewHouse, count: int) -> None:
    """Add so many entries to the control log, and sign it."""
    with Journal.open(
        house.where.control,
        disk=house.disk,
        clock=house.clock,
        segment_bytes=1 << 20,
        fill_in_background=False,
    ) as journal:
        for number in range(count):
            journal.append([Entry("approval", "", "fraud", b"secret %d" % number)])
    tree = Tree(house.where.log("control"), house.disk, lambda entry: None)
    tree.update()
    tree.close()


def test_an_auditor_follows_a_log_from_one_checkpoint_to_the_next() -> None:
    async def scene(house: ReviewHouse) -> None:
        follower = Follower(house, key := house.key("auditor", "audit"))
        approved(house, 300)
        listed = (await house.get("/v1/logs", key)).json()["logs"]
        [vkey] = next(one["keys"] for one in listed if one["name"] == "control")
        first = await follower.checkpoint(vkey)
        approved(house, 500)
        second = await follower.checkpoint(vkey)

        assert (first.size, second.size) == (300, 800)
        hashes = await follower.hashes(0, second.size)
        assert root_of(hashes) == second.root
        assert root_of(hashes[: first.size]) == first.root  # the one continues the other
        above = [root_of(hashes[at : at + 256]) for at in range(0, 768, 256)]
        assert await follower.hashes(1, second.size) == above
        leaves = await follower.leaves(second.size)
        assert [hashlib.sha256(b"\0" + leaf).digest() for leaf in leaves] == hashes
        assert not any(b"secret" in leaf for leaf in leaves)  # commitments, no content

    run_review(scene)


@pytest.mark.parametrize(
    "path",
    [
        "checkpoint",
        "tile/0/000",
        "tile/0/000.p/6",
        "tile/0/0",
        "tile/9/000.p/1",
        "tile/entries/000",
        "tile/%2e%2e/keys",
        "tile/",
    ],
)
def test_what_a_log_does_not_have_is_not_found(path: str) -> None:
    async def scene(house: ReviewHouse) -> None:
        key = house.key("auditor", "audit")
        if path != "checkpoint":
            approved(house, 5)
        for log in ("control", "records", "others"):
            answer = await house.get(f"/v1/logs/{log}/{path}", key)
            assert (answer.status_code, answer.json()["code"]) == (404, "log_piece_not_found")

    run_review(scene)


def test_only_an_auditor_reads_the_logs() -> None:
    async def scene(house: ReviewHouse) -> None:
        approved(house, 5)
        for path in ("/v1/logs", f"{LOG}/checkpoint", f"{LOG}/tile/0/000.p/5"):
            assert (await house.get(path, {})).status_code == 401
            for key in (house.ann, house.shop):
                refused = await house.get(path, key)
                assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope")
            told = await house.get(path, house.key("auditor", "audit"))
            assert told.status_code == 200
            is_tile = "tile" in path
            assert ("immutable" in told.headers["cache-control"]) is is_tile

    run_review(scene)
