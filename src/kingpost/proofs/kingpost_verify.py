"""Check a proof, or a whole published log, of Kingpost: one file, standard library only.

    python kingpost_verify.py proof.json --key VKEY
    python kingpost_verify.py proof.json --checkpoint kept.txt
    python kingpost_verify.py DIRECTORY --key VKEY --checkpoint kept.txt

DIRECTORY is a log's (static tiles, or Kingpost's own files), or a data directory: then each log
in it is checked that a key or a checkpoint given is of; one that is of none of them refuses.

It opens no connection and believes nothing but the keys and checkpoints it is given. What is
checked: RFC 6962 hashes, inclusion and consistency (RFC 9162, 2.1.3.2 and 2.1.4.2), signed
notes and cosignatures (C2SP) by Ed25519 (RFC 8032), that the entry shown is the one committed to in
its leaf, and, of a directory, every entry, every hash and that no offset is missing. Ends with
code 0 when all of it holds, else 1. Works with Python 3.9 and later.
"""

# untyped and with % on purpose: short to read, and for old Pythons
# pyright: basic
# ruff: noqa: UP031
import argparse
import base64
import hashlib
import json
import os
import sys

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)


class Refused(Exception):
    """Something does not hold."""


# Ed25519, as in RFC 8032, 5.1 and 6: points are (X, Y, Z, T) with x = X/Z, y = Y/Z, T = xy


def sha256(data):
    return hashlib.sha256(data).digest()


def point_add(p, q):
    a = (p[1] - p[0]) * (q[1] - q[0]) % P
    b = (p[1] + p[0]) * (q[1] + q[0]) % P
    c = 2 * p[3] * q[3] * D % P
    d = 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def point_times(scalar, point):
    found = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            found = point_add(found, point)
        point = point_add(point, point)
        scalar >>= 1
    return found


def point_of(data):
    """Read a point; None when the bytes are none, or not written in the one right way."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & (1 << 255) - 1
    if len(data) != 32 or y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_1 % P
    if (x * x - square) % P or (not x and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


BASE = point_of((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def is_signed(public, message, signature):
    """Say whether an Ed25519 signature is right."""
    key, r = point_of(public), point_of(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or key is None or r is None or s >= ORDER:
        return False
    h = hashlib.sha512(signature[:32] + public + message).digest()
    left = point_times(s, BASE)
    right = point_add(r, point_times(int.from_bytes(h, "little") % ORDER, key))
    same_x = (left[0] * right[2] - right[0] * left[2]) % P == 0
    return same_x and (left[1] * right[2] - right[1] * left[2]) % P == 0


# signed notes and checkpoints


def decode(text):
    """Read base64, written in the one right way."""
    try:
        data = base64.b64decode(text.encode(), validate=True)
    except (ValueError, AttributeError):
        raise Refused("something is not in base64") from None
    if base64.b64encode(data).decode() != text:
        raise Refused("something is not in base64 as it should be")
    return data


def decode_hashes(texts):
    hashes = [decode(text) for text in texts]
    if len(hashes) > 63 or any(len(one) != 32 for one in hashes):
        raise Refused("a path has something that is no hash")
    return hashes


def parse_key(text):
    """Read a verifier key: (name, key id, type, public key)."""
    parts = text.strip().split("+", 2)
    if len(parts) != 3:
        raise Refused(f"{text!r} is no verifier key: name+hash+base64")
    name, data = parts[0], decode(parts[2])
    if len(data) != 33 or data[0] not in (1, 4):
        raise Refused(f"{text!r} is not of type 1 or 4, which are Ed25519")
    key_id = sha256(name.encode() + b"\n" + data)[:4]
    if key_id.hex() != parts[1]:
        raise Refused(f"the hash in {text!r} does not belong to its key")
    return name, key_id, data[0], data[1:]


def parse_note(whole):
    """Read a note: (text, [(name, key id, signature)])."""
    text, found, lines = whole.rpartition("\n\n")
    if not found or not lines.endswith("\n") or any(ord(c) < 32 and c != "\n" for c in whole):
        raise Refused("a note has no text, empty line and signatures")
    signatures = []
    for line in lines[:-1].split("\n"):
        parts = line.split(" ")
        if len(parts) != 3 or parts[0] != "\u2014" or not parts[1]:
            raise Refused(f"{line!r} is no signature")
        data = decode(parts[2])
        if len(data) < 5:
            raise Refused(f"{line!r} is no signature")
        signatures.append((parts[1], data[:4], data[4:]))
    return text + "\n", signatures


def signers(note, keys):
    """Return which keys have signed; a wrong signature by one of them refuses the note."""
    text, signatures = note
    found = []
    for name, key_id, signature in signatures:
        for key in keys:
            if (name, key_id) != key[:2]:
                continue
            message = text.encode()
            if key[2] == 4:
                at = int.from_bytes(signature[:8], "big")
                message = b"cosignature/v1\ntime %d\n" % at + message
                signature = signature[8:]
            if not is_signed(key[3], message, signature):
                raise Refused(f"the signature by {name} is wrong")
            found.append(key)
    return found


def follow(keys, handovers):
    """Add the keys that trusted ones have handed over to."""
    trusted = list(keys)
    for whole in handovers:
        note = parse_note(whole)
        lines = note[0][:-1].split("\n")
        if len(lines) != 3 or lines[0] != "kingpost key hand-over v1":
            continue
        old, new = parse_key(lines[1]), parse_key(lines[2])
        is_next = old in trusted and new not in trusted and old[0] == new[0]
        if is_next and set(signers(note, [old, new])) == {old, new}:
            trusted.append(new)
    return trusted


def parse_checkpoint(whole):
    """Read a checkpoint: origin, size, root and note."""
    note = parse_note(whole)
    lines = note[0][:-1].split("\n")
    if len(lines) < 3 or not lines[1].isdigit() or str(int(lines[1])) != lines[1]:
        raise Refused("a note is no checkpoint: origin, size, root")
    root = decode(lines[2])
    if len(root) != 32 or not lines[0]:
        raise Refused("a checkpoint has no root")
    return {"origin": lines[0], "size": int(lines[1]), "root": root, "note": note}


# Merkle trees


def leaf_hash(data):
    return sha256(b"\0" + data)


def node_hash(left, right):
    return sha256(b"\1" + left + right)


def tree_root(hashes):
    if not hashes:
        return sha256(b"")
    if len(hashes) == 1:
        return hashes[0]
    k = 1 << (len(hashes) - 1).bit_length() - 1
    return node_hash(tree_root(hashes[:k]), tree_root(hashes[k:]))


def is_included(leaf, index, size, path, root):
    if not 0 <= index < size:
        return False
    fn, sn, r = index, size - 1, leaf
    for c in path:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            r = node_hash(c, r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node_hash(r, c)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and r == root


def is_consistent(old, new, old_root, new_root, path):
    if not 0 <= old <= new:
        return False
    if old == 0:
        return not path and old_root == sha256(b"")
    if old == new:
        return not path and old_root == new_root
    if not path:
        return False
    path = list(path) if old & old - 1 else [old_root] + list(path)
    fn, sn = old - 1, new - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for c in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node_hash(c, fr), node_hash(c, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node_hash(sr, c)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and fr == old_root and sr == new_root


# leaves and records


def parse_leaf(data):
    """Read an entry of the log; all integers are big-endian."""
    if len(data) < 27 or data[0] != 1:
        raise Refused("a leaf is too short, or of another format than 1")
    number = [int.from_bytes(data[a:b], "big") for a, b in ((2, 10), (10, 14), (14, 22), (22, 26))]
    at = 27 + data[26]
    leaf = {
        "offset": number[0],
        "next": number[0] + number[1],
        "time_us": number[2],
        "count": number[3],
        "partition": data[27:at].decode(),
        "commitments": None,
        "folded": data[at:],
    }
    if data[1] == 1 and len(data) == at + 32:
        return leaf
    commitments, taken = [], 0
    while data[1] == 0 and at < len(data):
        end = at + 38 + int.from_bytes(data[at : at + 2], "big")
        if end > len(data):
            raise Refused("a leaf is cut short")
        taken += int.from_bytes(data[at + 2 : at + 6], "big")
        commitments.append(data[at:end])
        at = end
    if len(commitments) != number[3] or taken != number[1]:
        raise Refused("a leaf does not list what it counts")
    leaf["commitments"] = commitments
    return leaf


def commitment_of(entry):
    """Return the commitment to an entry that a proof shows."""
    kind = entry["kind"].encode()
    labels = b"\0".join([kind, entry["tenant"].encode(), entry["topic"].encode()])
    committed = len(labels).to_bytes(2, "little") + labels + decode(entry["body"])
    digest = sha256(decode(entry["nonce"]) + committed)
    return len(kind).to_bytes(2, "big") + entry["count"].to_bytes(4, "big") + kind + digest


def id_of(entry):
    """Return the id of a record: an array in MessagePack of a format and 16 bytes of id."""
    body = decode(entry["body"])
    if entry["kind"] not in ("record", "inference") or not body:
        return None
    at = {0xDC: 4, 0xDD: 6}.get(body[0], 2 if body[0] & 0xF0 == 0x90 else 0)
    if not at or body[at : at + 2] != b"\xc4\x10":
        return None
    return body[at + 2 : at + 18]


def is_named(name, entry, leaf):
    """Say whether an entry is the record of an id, or the one at a position as control:12."""
    partition, found, offset = name.partition(":")
    if not found:
        return (id_of(entry) or b"").hex() == name.replace("-", "")
    number, listed = entry["number"], leaf["commitments"]
    if number and listed is None:
        return False  # its leaf does not say where it begins
    before = [int.from_bytes(one[2:6], "big") for one in (listed or [])[:number]]
    return partition == leaf["partition"] and offset == str(leaf["offset"] + sum(before))


# what is checked


def check_signed(made, trust, handovers):
    keys = follow(trust["keys"], handovers)
    found = signers(made["note"], keys + trust["witnesses"])
    if trust["keys"] and not any(key in keys and key[2] == 1 for key in found):
        raise Refused("the log's key has not signed the checkpoint of %d" % made["size"])
    names = {key[0] for key in found if key in trust["witnesses"]}
    if len(names) < trust["quorum"]:
        raise Refused("%d of %d witnesses have signed" % (len(names), trust["quorum"]))


def check_kept(made, trust, proofs):
    for kept in trust["kept"]:
        old, new = (kept, made) if kept["size"] <= made["size"] else (made, kept)
        if kept["origin"] != made["origin"]:
            raise Refused("the kept checkpoint is of another log")
        sizes = (old["size"], new["size"])
        path = proofs.get(sizes)
        if path is None and 0 < sizes[0] < sizes[1]:
            raise Refused("it does not say how %d leaves continue %d" % (sizes[1], sizes[0]))
        if not is_consistent(sizes[0], sizes[1], old["root"], new["root"], path or []):
            raise Refused("%d leaves do not continue the kept checkpoint of %d" % sizes[::-1])


def verify_record(proof, trust):
    head, found, whole = proof["proof"].partition("\n\n")
    lines = head.split("\n")
    if not found or lines[0] != "c2sp.org/tlog-proof@v1" or len(lines) < 2:
        raise Refused("it holds no c2sp.org/tlog-proof@v1")
    lines = lines[2:] if lines[1].startswith("extra ") else lines[1:]
    if not lines or not lines[0].startswith("index ") or not lines[0][6:].isdigit():
        raise Refused("it names no index")
    index, path = int(lines[0][6:]), decode_hashes(lines[1:])
    made, data = parse_checkpoint(whole), decode(proof["leaf"])
    leaf = parse_leaf(data)
    check_signed(made, trust, proof.get("handovers", []))
    proofs = {
        (one["old"], one["new"]): decode_hashes(one["hashes"])
        for one in proof.get("consistency", [])
    }
    check_kept(made, trust, proofs)
    if not is_included(leaf_hash(data), index, made["size"], path, made["root"]):
        raise Refused("leaf %d is not in the tree that was signed" % index)
    if not proof["entries"]:
        raise Refused("it shows no entry")
    for entry in proof["entries"]:
        committed, number = commitment_of(entry), entry["number"]
        if leaf["commitments"] is not None:
            is_committed = 0 <= number < leaf["count"] and leaf["commitments"][number] == committed
        else:
            inner = decode_hashes(entry.get("inner", []))
            is_committed = is_included(
                leaf_hash(committed), number, leaf["count"], inner, leaf["folded"]
            )
        if not is_committed:
            raise Refused("entry %d is not the one that the leaf commits to" % number)
        if not is_named(proof["id"], entry, leaf):
            raise Refused("entry {} is not {}".format(number, proof["id"]))
    kind = "entry" if ":" in proof["id"] else "record"
    return "%s %s is leaf %d of %d, offset %d of %s" % (
        kind, proof["id"], index, made["size"], leaf["offset"], leaf["partition"],
    )  # fmt: skip


def verify_consistency(proof, trust):
    old, new = parse_checkpoint(proof["old"]), parse_checkpoint(proof["new"])
    path = decode_hashes(proof["hashes"])
    check_signed(new, trust, proof.get("handovers", []))
    check_kept(new, trust, {(old["size"], new["size"]): path})
    if old["origin"] != new["origin"] or not is_consistent(
        old["size"], new["size"], old["root"], new["root"], path
    ):
        raise Refused("%d leaves do not continue %d" % (new["size"], old["size"]))
    return "%d leaves continue %d" % (new["size"], old["size"])


def read(path):
    with open(path, "rb") as file:
        return file.read()


def bundles(directory, size):
    """Yield the entries of a log, bundle by bundle: static tiles, or Kingpost's own files."""
    is_static = os.path.isdir(os.path.join(directory, "tile"))
    data, at = b"" if is_static else read(os.path.join(directory, "entries")), 0
    for number in range((size + 255) // 256):
        width = min(256, size - 256 * number)
        if is_static:
            data, at = read(os.path.join(directory, tile_name("entries", number, width))), 0
        entries = []
        for _ in range(width):
            end = at + 2 + int.from_bytes(data[at : at + 2], "big")
            if end > len(data) or at + 2 > len(data):
                raise Refused("entry %d is missing" % (256 * number + len(entries)))
            entries.append(data[at + 2 : end])
            at = end
        yield number, entries


def tile_name(level, number, width):
    name = "%03d" % (number % 1000)
    rest = number // 1000
    while rest:
        name = "x%03d/%s" % (rest % 1000, name)
        rest //= 1000
    return "tile/{}/{}{}".format(level, name, "" if width == 256 else ".p/%d" % width)


def stored_hashes(directory, number, width):
    if os.path.isdir(os.path.join(directory, "tile")):
        return read(os.path.join(directory, tile_name(0, number, width)))
    with open(os.path.join(directory, "level-0"), "rb") as file:
        file.seek(8192 * number)
        return file.read(32 * width)


def verify_directory(directory, trust):
    made = parse_checkpoint(read(os.path.join(directory, "checkpoint")).decode())
    path = os.path.join(directory, "handovers")
    handovers = read(path).decode() if os.path.exists(path) else ""
    check_signed(made, trust, [one + "\n" for one in handovers.split("\n\n\n") if one])
    offset = time_us = 0
    hashes = []
    for number, entries in bundles(directory, made["size"]):
        for entry in entries:
            leaf = parse_leaf(entry)
            if leaf["offset"] != offset or leaf["time_us"] < time_us:
                raise Refused("leaf %d does not follow the one before it" % len(hashes))
            offset, time_us = leaf["next"], leaf["time_us"]
            hashes.append(leaf_hash(entry))
        stored = stored_hashes(directory, number, len(entries))
        for at in range(len(entries)):
            if stored[32 * at : 32 * at + 32] != hashes[256 * number + at]:
                raise Refused("leaf %d is not what was hashed" % (256 * number + at))
    for kept in [made] + sorted(trust["kept"], key=lambda one: one["size"]):
        if kept["origin"] != made["origin"] or kept["size"] > len(hashes):
            raise Refused("a checkpoint of %d leaves is not of this log" % kept["size"])
        if tree_root(hashes[: kept["size"]]) != kept["root"]:
            raise Refused("the first %d leaves are not those of a signed checkpoint" % kept["size"])
    return "%d leaves, offsets 0 to %d without a gap" % (len(hashes), offset)


def verify_data(directory, trust):
    """Check the logs of a data directory, each by what is trusted of it."""
    said, used = [], set()
    for name in sorted(os.listdir(directory)):
        log = os.path.join(directory, name)
        if not os.path.exists(os.path.join(log, "checkpoint")):
            continue
        origin = parse_checkpoint(read(os.path.join(log, "checkpoint")).decode())["origin"]
        keys = [key for key in trust["keys"] if key[0] == origin]
        kept = [one for one in trust["kept"] if one["origin"] == origin]
        if keys or kept:
            used.add(origin)
            found = verify_directory(log, {**trust, "keys": keys, "kept": kept})
            said.append("log " + name + ": " + found)
        else:
            said.append("log " + name + ": NOT CHECKED, no key or checkpoint of it was given")
    named = {key[0] for key in trust["keys"]} | {one["origin"] for one in trust["kept"]}
    if named - used:
        raise Refused("no log here is " + ", ".join(sorted(named - used)))
    return "; ".join(said)


def verify(path, trust):
    """Check a file or a directory; say what was proved.

    Raises:
        Refused: It is not proved.
    """
    if not trust["keys"] and not trust["kept"]:
        raise Refused("nothing to trust: give --key, or --checkpoint with one you kept")
    try:
        logs = os.path.join(path, "tree")
        if os.path.isdir(logs):
            return verify_data(logs, trust)
        if os.path.isdir(path):
            return verify_directory(path, trust)
        proof = json.loads(read(path))
        if proof["format"] == "kingpost-proof/1":
            return verify_record(proof, trust)
        if proof["format"] == "kingpost-consistency/1":
            return verify_consistency(proof, trust)
        raise Refused("its format is {!r}".format(proof["format"]))
    except (KeyError, TypeError, ValueError, AttributeError, OSError, OverflowError) as error:
        raise Refused(f"it cannot be read: {error!r}") from error


def main(arguments=None):
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("path", help="a proof, or the directory of a log")
    parser.add_argument("--key", action="append", default=[], help="the log's verifier key")
    parser.add_argument("--checkpoint", action="append", default=[], help="one that you kept")
    parser.add_argument("--witness", action="append", default=[], help="a witness's key")
    parser.add_argument("--witnesses", type=int, default=0, help="how many must have signed")
    chosen = parser.parse_args(arguments)
    try:
        trust = {
            "keys": [parse_key(text) for text in chosen.key],
            "kept": [parse_checkpoint(read(path).decode()) for path in chosen.checkpoint],
            "witnesses": [parse_key(text) for text in chosen.witness],
            "quorum": chosen.witnesses,
        }
        print("proved: " + verify(chosen.path, trust))
    except (Refused, OSError, ValueError) as error:
        print(f"NOT PROVED: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
