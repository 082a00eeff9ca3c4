"""Bodies that are no good request, or only just not."""

import json
from random import Random

__all__ = ["bad_body", "good_body"]

MOST_BYTES = 256 * 1024
_NUMBERS = (
    "NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e-999", "9" * 400, "9" * 5000, "-0", "0.1" + "0" * 3000,
    "1E400", "0x10", "01", "+1", "1.", ".5", "1e", "18446744073709551616", "1_000", "١",
)  # fmt: skip
_TIMES = (
    "0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "10000-01-01T00:00:00Z",
    "2018-02-30T00:00:00Z", "2018-01-01T24:00:00Z", "2016-12-31T23:59:60Z", "2018-01-01T00:00:00",
    "2018-01-01", "1e3", "", "2018-01-01T00:00:00+99:99", "2018-01-01T00:00:00.1234567890123Z",
    "١٠١٨-01-01T00:00:00Z", "2018-01-01T00:00:00Z\\u0000", "-2018-01-01T00:00:00Z",
)  # fmt: skip
_TEXTS = (
    '"\\u0000"', '"\\ud800"', '"\\udc00\\ud800"', '"' + "k" * 200_000 + '"', '"\\x41"', '"\\', '"\n"', '"\t"',
    '"\u202e\u0007"', '"\U0001f4a9"', '""', "null", "true", "[]", "{}", "[[]]", '{"a":1}', '"' + "é" * 60_000 + '"',
)  # fmt: skip


def good_body(identifier: str, number: int = 0) -> dict[str, object]:
    """Return a request to the decision of `tests.cli_app`."""
    at = f"2018-08-12T{number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d}Z"
    amount = round(1 + number * 7919 % 20_000 / 100, 2)
    return {"id": identifier, "at": at, "customer": f"c{number % 45}", "amount": amount}


def bad_body(random: Random, identifier: str) -> bytes:
    """Return a body that is broken in one way."""
    made = good_body(identifier, random.randrange(80_000))
    text = json.dumps(made)
    match random.randrange(14):
        case 0:
            return _nested(random)
        case 1:
            return text.encode(random.choice(["utf-16", "utf-32", "utf-16-be", "cp037"]))
        case 2:
            return b"\xef\xbb\xbf" + text.encode()
        case 3:
            return text.encode().replace(
                b"c", random.choice([b"\xff", b"\xc0\xaf", b"\xed\xa0\x80"])
            )
        case 4:
            return text.replace(f": {made['amount']}", f": {random.choice(_NUMBERS)}").encode()
        case 5:
            return text.replace(str(made["at"]), random.choice(_TIMES)).encode()
        case 6:
            field = random.choice(["id", "at", "customer", "amount"])
            old = json.dumps(made[field])
            return text.replace(old, random.choice(_TEXTS), 1).encode("utf-8", "surrogatepass")
        case 7:
            return text.replace("}", f', "{random.choice(list(made))}": 1}}').encode()
        case 8:
            made.pop(random.choice(list(made)))
            return json.dumps(made).encode()
        case 9:
            return json.dumps({**made, random.choice(["ID", "__class__", "", "id\0"]): 1}).encode()
        case 10:
            return text.encode()[: random.randrange(len(text))]
        case 11:
            return b"x" * random.choice([0, 1, MOST_BYTES, MOST_BYTES + 1, 300_000])
        case 12:
            return random.randbytes(random.randrange(2000))
        case _:
            return flipped(random, text.encode())


def flipped(random: Random, data: bytes) -> bytes:
    """Change, cut out or put in a few bytes."""
    changed = bytearray(data)
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(changed) + 1)
        match random.randrange(3):
            case 0:
                changed[at : at + 1] = random.randbytes(1)
            case 1:
                del changed[at : at + random.randint(1, 8)]
            case _:
                changed[at:at] = random.choice(
                    [b"\0", b"\r\n", b"\r\n\r\n", b"%00", b"\xff", b":", b" ", random.randbytes(4)]
                )
    return bytes(changed)


def _nested(random: Random) -> bytes:
    deep = random.choice([2000, 100_000])
    match random.randrange(4):
        case 0:
            return b"[" * deep
        case 1:
            return b"[" * deep + b"]" * deep
        case 2:
            return b'{"id":' * min(deep, 40_000)
        case _:
            return b'{"id":' + b"[" * deep + b"]" * deep + b"}"
