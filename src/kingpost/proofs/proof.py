"""Proofs that stand for themselves: what an auditor is handed, and how it is checked.

The rule: whoever checks needs the file, and a verifier key or a checkpoint that came to
them another way. Nothing that a proof says of itself is believed: keys in it are only
followed where a trusted key has handed over to them.

A proof is JSON around C2SP's tlog-proof; `index` and path lead from the leaf to the root of
a checkpoint, the leaf holds a commitment to each entry of its commit, and the entry shown opens its own.
"""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from kingpost.journal import Entry
from kingpost.proofs.checkpoint import Checkpoint, parse_checkpoint
from kingpost.proofs.errors import BadNote, BadProof, TreeNewer
from kingpost.proofs.keys import trusted_keys
from kingpost.proofs.leaf import Leaf, commitment, entry_offset, parse_leaf
from kingpost.proofs.merkle import is_consistent, is_included, leaf_hash
from kingpost.proofs.notes import COSIGNATURE, Signed, VerifierKey, decoded, signed_by

__all__ = [
    "Consistency",
    "Proof",
    "Shown",
    "Trust",
    "Verdict",
    "base64_text",
    "consistency_json",
    "parse_tlog_proof",
    "proof_json",
    "tlog_proof",
    "verify_json",
]

PROOF_FORMAT = "kingpost-proof/1"
CONSISTENCY_FORMAT = "kingpost-consistency/1"
_TLOG = "c2sp.org/tlog-proof@v1"
_MOST_HASHES = 63

IdOf = Callable[[Entry], bytes | None]


class Shown(NamedTuple):
    """An entry that a proof discloses.

    Attributes:
        number: Which of its commit's.
        inner: Its path to the root over the commitments, where they are folded.
    """

    number: int
    entry: Entry
    nonce: bytes
    inner: Sequence[bytes]


class Consistency(NamedTuple):
    """What shows that one tree continues another."""

    old: int
    new: int
    hashes: Sequence[bytes]


@dataclass(frozen=True)
class Proof:
    """A proof of one entry.

    Attributes:
        identifier: Its id; of an entry without one its position, as `control:12`.
    """

    identifier: str
    index: int
    path: Sequence[bytes]
    leaf: bytes
    shown: Sequence[Shown]
    checkpoint: str
    consistency: Sequence[Consistency]
    keys: Sequence[VerifierKey]
    handovers: Sequence[str]


@dataclass(frozen=True)
class Trust:
    """What whoever checks believes.

    Attributes:
        keys: The log's keys.
        kept: Checkpoints that were kept from earlier, or came from somebody trusted.
        witnesses: Keys of witnesses.
        quorum: How many of them must have signed.
    """

    keys: Sequence[VerifierKey] = ()
    kept: Sequence[Checkpoint] = ()
    witnesses: Sequence[VerifierKey] = ()
    quorum: int = 0


@dataclass
class Verdict:
    """What came of a check.

    Attributes:
        problems: Why it is not proved; empty when it is.
        facts: What was proved, or would have been.
    """

    problems: list[str] = field(default_factory=list[str])
    facts: dict[str, object] = field(default_factory=dict[str, object])

    @property
    def is_proved(self) -> bool:
        """Whether everything holds."""
        return not self.problems


def tlog_proof(index: int, path: Sequence[bytes], checkpoint: str) -> str:
    """Write a tlog-proof."""
    lines = [_TLOG, f"index {index}", *map(base64_text, path), "", ""]
    return "\n".join(lines) + checkpoint


def parse_tlog_proof(text: str) -> tuple[int, list[bytes], str]:
    """Read a tlog-proof: index, path and checkpoint.

    Raises:
        BadProof: It is none.
    """
    head, found, checkpoint = text.partition("\n\n")
    lines = head.split("\n")
    if not found or lines[0] != _TLOG or len(lines) < 2:
        raise BadProof(f"it does not begin with {_TLOG}")
    lines = lines[2:] if lines[1].startswith("extra ") else lines[1:]
    number = lines[0].removeprefix("index ") if lines else ""
    if not (number.isascii() and number.isdigit() and len(number) < 20 and lines[0] != number):
        raise BadProof("it names no index")
    return int(number), _hashes(lines[1:]), checkpoint


def proof_json(proof: Proof) -> dict[str, object]:
    """Write a proof as what becomes JSON."""
    return {
        "format": PROOF_FORMAT,
        "id": proof.identifier,
        "proof": tlog_proof(proof.index, proof.path, proof.checkpoint),
        "leaf": base64_text(proof.leaf),
        "entries": [
            {
                "number": one.number,
                "kind": one.entry.kind,
                "tenant": one.entry.tenant,
                "topic": one.entry.topic,
                "count": one.entry.count,
                "body": base64_text(one.entry.body),
                "nonce": base64_text(one.nonce),
                "inner": list(map(base64_text, one.inner)),
            }
            for one in proof.shown
        ],
        "consistency": [
            {"old": one.old, "new": one.new, "hashes": list(map(base64_text, one.hashes))}
            for one in proof.consistency
        ],
        "keys": list(map(str, proof.keys)),
        "handovers": list(proof.handovers),
    }


def consistency_json(
    old: str, new: str, hashes: Sequence[bytes], handovers: Sequence[str]
) -> dict[str, object]:
    """Write that one checkpoint continues another, as what becomes JSON."""
    return {
        "format": CONSISTENCY_FORMAT,
        "old": old,
        "new": new,
        "hashes": list(map(base64_text, hashes)),
        "handovers": list(handovers),
    }


def verify_json(data: bytes, trust: Trust, id_of: IdOf) -> Verdict:
    """Check a proof of a record, or of the consistency of two checkpoints.

    Args:
        id_of: The id that an entry goes by.

    Raises:
        BadProof, BadNote: It cannot be read.
        TreeNewer: A later version of Kingpost made it.
    """
    try:
        read: object = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadProof(f"it is no JSON ({error})") from error
    if not isinstance(read, dict):
        raise BadProof("it is no JSON object")
    fields = cast("dict[str, Any]", read)
    kind = fields.get("format")
    try:
        if kind == PROOF_FORMAT:
            return _verify_proof(_proof(fields), trust, id_of)
        if kind == CONSISTENCY_FORMAT:
            return _verify_consistency(fields, trust)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadProof(f"a field is missing or of another kind ({error})") from error
    if isinstance(kind, str) and kind.startswith(("kingpost-proof/", "kingpost-consistency/")):
        raise TreeNewer("the proof", kind, PROOF_FORMAT)
    raise BadProof(f"its format is {kind!r}; expected {PROOF_FORMAT}")


def check_checkpoint(
    made: Checkpoint, trust: Trust, handovers: Sequence[str], verdict: Verdict
) -> None:
    """Check who signed a checkpoint, against keys and witnesses."""
    keys = trusted_keys(trust.keys, handovers)
    signed: list[Signed] = []
    try:
        signed = signed_by(made.note, [*keys, *trust.witnesses])
    except BadNote as error:
        if trust.keys or trust.quorum:
            verdict.problems.append(f"checkpoint of {made.size:,}: {error.reason}")
    witnesses = {one.key.name for one in signed if one.key in trust.witnesses}
    by_log = [one for one in signed if one.key in keys and one.key.kind != COSIGNATURE]
    if signed and trust.keys and not by_log:
        verdict.problems.append("the log's key has not signed the checkpoint")
    if len(witnesses) < trust.quorum:
        verdict.problems.append(f"{len(witnesses)} of {trust.quorum} witnesses have signed it")
    verdict.facts |= {
        "origin": made.origin,
        "tree_size": made.size,
        "root": base64_text(made.root),
        "signed_by": [str(one.key) for one in by_log],
        "witnesses": [
            {"key": str(one.key), "at": one.at_s} for one in signed if one.key in trust.witnesses
        ],
    }


def check_kept(
    made: Checkpoint, trust: Trust, proofs: Sequence[Consistency], verdict: Verdict
) -> None:
    """Check that a checkpoint and each that was kept are of one history."""
    for kept in trust.kept:
        if kept.origin != made.origin:
            verdict.problems.append(f"the kept checkpoint is of another log, {kept.origin}")
            continue
        old, new = (kept, made) if kept.size <= made.size else (made, kept)
        if old.size == new.size:
            if old.root != new.root:
                verdict.problems.append(
                    f"the log has shown two histories: at {old.size:,} leaves its root is not the "
                    "kept checkpoint's"
                )
            continue
        found = [one for one in proofs if (one.old, one.new) == (old.size, new.size)]
        if not found and old.size:
            verdict.problems.append(
                f"it does not say how {new.size:,} leaves continue {old.size:,}: ask for "
                "`kingpost prove ID --checkpoint FILE` with the kept checkpoint"
            )
        elif old.size and not is_consistent(
            old.size, new.size, old.root, new.root, found[0].hashes
        ):
            verdict.problems.append(
                f"the tree of {new.size:,} leaves does not continue the one of {old.size:,}"
            )


def _verify_proof(proof: Proof, trust: Trust, id_of: IdOf) -> Verdict:
    verdict = Verdict()
    if not trust.keys and not trust.kept:
        verdict.problems.append("nothing to trust: give the log's key, or a checkpoint you kept")
    made, leaf = parse_checkpoint(proof.checkpoint), parse_leaf(proof.leaf)
    check_checkpoint(made, trust, proof.handovers, verdict)
    check_kept(made, trust, proof.consistency, verdict)
    if not is_included(leaf_hash(proof.leaf), proof.index, made.size, proof.path, made.root):
        verdict.problems.append(f"leaf {proof.index} is not in the tree that was signed")
    if not proof.shown:
        verdict.problems.append("it shows no entry")
    for one in proof.shown:
        if not _is_committed(one, leaf):
            verdict.problems.append(f"entry {one.number} is not the one that the leaf commits to")
        if not _is_named(proof.identifier, one, leaf, id_of):
            verdict.problems.append(f"entry {one.number} is not {proof.identifier}")
    verdict.facts |= {
        "id": proof.identifier,
        "index": proof.index,
        "partition": leaf.partition,
        "offset": leaf.offset,
        "time_us": leaf.time_us,
        "entries": [
            f"{one.entry.kind} {one.entry.tenant} {one.entry.topic}" for one in proof.shown
        ],
    }
    return verdict


def _is_named(name: str, one: Shown, leaf: Leaf, id_of: IdOf) -> bool:
    """Say whether an entry is the one of an id, or the one that begins at a position."""
    partition, found, offset = name.partition(":")
    if found:
        at = entry_offset(leaf, one.number)
        return partition == leaf.partition and at is not None and offset == str(at)
    identifier = id_of(one.entry)
    return identifier is not None and identifier.hex() == name.replace("-", "")


def _is_committed(one: Shown, leaf: Leaf) -> bool:
    found = commitment(one.entry, one.nonce)
    if leaf.commitments is not None:
        return 0 <= one.number < len(leaf.commitments) and leaf.commitments[one.number] == found
    return is_included(leaf_hash(found), one.number, leaf.width, one.inner, leaf.folded)


def _verify_consistency(fields: dict[str, Any], trust: Trust) -> Verdict:
    verdict = Verdict()
    old, new = parse_checkpoint(fields["old"]), parse_checkpoint(fields["new"])
    hashes = _hashes(fields["hashes"])
    handovers: list[str] = fields.get("handovers", [])
    if not trust.keys and not trust.kept:
        verdict.problems.append("nothing to trust: give the log's key, or a checkpoint you kept")
    check_checkpoint(new, trust, handovers, verdict)
    proof = Consistency(old.size, new.size, hashes)
    check_kept(new, trust, [proof], verdict)
    if old.origin != new.origin:
        verdict.problems.append("the checkpoints are of two logs")
    elif not is_consistent(old.size, new.size, old.root, new.root, hashes):
        verdict.problems.append(
            f"the tree of {new.size:,} leaves does not continue the one of {old.size:,}"
        )
    verdict.facts["old_size"] = old.size
    return verdict


def _proof(fields: dict[str, Any]) -> Proof:
    index, path, checkpoint = parse_tlog_proof(fields["proof"])
    return Proof(
        str(fields["id"]),
        index,
        path,
        _bytes(fields["leaf"]),
        [
            Shown(
                int(one["number"]),
                Entry(
                    str(one["kind"]),
                    str(one["tenant"]),
                    str(one["topic"]),
                    _bytes(one["body"]),
                    int(one["count"]),
                ),
                _bytes(one["nonce"]),
                _hashes(one.get("inner", [])),
            )
            for one in fields["entries"]
        ],
        checkpoint,
        [
            Consistency(int(one["old"]), int(one["new"]), _hashes(one["hashes"]))
            for one in fields.get("consistency", [])
        ],
        [VerifierKey.parse(key) for key in fields.get("keys", [])],
        list(fields.get("handovers", [])),
    )


def _hashes(texts: Sequence[str]) -> list[bytes]:
    hashes = list(map(_bytes, texts))
    if len(hashes) > _MOST_HASHES or any(len(one) != 32 for one in hashes):
        raise BadProof("a path has something that is no hash, or too many")
    return hashes


def base64_text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    data = decoded(text)
    if data is None:
        raise BadProof("something is not in base64")
    return data
