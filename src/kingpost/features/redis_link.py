"""The connection to Redis: one script, one round trip, and its errors in our words.

The rules: changes are applied by a script that first compares how far the partition has
come, so that a change sent twice counts once, and one after a gap not at all; what it then
reads is what it left, with nothing in between. No address with a password leaves this
module, neither in a message nor in a log.
"""

from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol, cast
from urllib.parse import urlsplit

from kingpost.core import ExtraMissing
from kingpost.features.errors import StoreFull, StoreUnfit, StoreUnreachable

__all__ = ["Applied", "Applying", "Growth", "RedisLink", "Rewrite"]

_OLDEST = (7, 0)
_SHORTENED_AT_ONCE = 64

_TELL = """
for i = shortened, first - 1 do
    local at = shorter + 4 * (i - shortened)
    if is_as_read(KEYS[i], at) then rewrite(KEYS[i], at, redis.pcall) end
end
local held = {}
for i = first, #KEYS do held[#held + 1] = redis.call('GET', KEYS[i]) end
return {told, redis.call('HGETALL', KEYS[1]), held}
"""
"""The end of both scripts: keys from the place `shortened` on are shortened, by arguments from
`shorter` on, and keys from the place `first` on are read. A server without memory shortens
nothing, and is read all the same."""

_AS_READ = """
local function is_as_read(key, at)
    local begins, ends, size = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2])
    return redis.call('GETRANGE', key, 0, #begins - 1) == begins
        and redis.call('GETRANGE', key, size - #ends, size - 1) == ends
end
local function rewrite(key, at, call)
    local stays = ARGV[at + 3] .. redis.call('GETRANGE', key, ARGV[at + 2], -1)
    if stays == '' then call('DEL', key)
    else call('SET', key, stays, 'KEEPTTL') end
end
"""
"""ARGV, from `at` on: the first and the last record read of a key, how many bytes were read, and
what takes their place. No record is twice in a key, and all but shortening and forgetting lets
it grow: the one puts another record first, the other one moves what comes behind what it drops."""

_READ = (
    _AS_READ
    + """
local told, shortened, shorter = {1}, 2, 2
local first = 2 + ARGV[1]
"""
    + _TELL
)
"""KEYS: applied offsets, keys that are shortened, then keys to read. ARGV: how many are shortened;
for each of them as `_AS_READ`. A server without memory answers this, where it refuses
transactions, also those that only read."""

_APPLY = (
    _AS_READ
    + """
local stood = redis.call('HGET', KEYS[1], ARGV[1]) or '-1'
local rewritten = 2 + ARGV[4]
local shortened = rewritten + ARGV[5]
local first = shortened + ARGV[6]
local rewrites = 3 * rewritten + 1
local shorter = rewrites + 4 * ARGV[5]
local told = {0, stood}
if stood == ARGV[2] then
    told = {1}
    for i = rewritten, shortened - 1 do
        if not is_as_read(KEYS[i], rewrites + 4 * (i - rewritten)) then told = {2} end
    end
    for i = rewritten, told[1] == 1 and shortened - 1 or 0 do
        rewrite(KEYS[i], rewrites + 4 * (i - rewritten), redis.call)
    end
end
if told[1] == 1 then
    redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
    for i = 2, rewritten - 1 do
        local records, ttl, mark = ARGV[3 * i + 1], ARGV[3 * i + 2], ARGV[3 * i + 3]
        local size = redis.call('APPEND', KEYS[i], records)
        local is_new = size == #records
        if is_new and mark ~= '' then
            redis.call('SET', KEYS[i], mark .. records)
            size = size + #mark
        end
        if ttl ~= '0' then
            if is_new then redis.call('PEXPIRE', KEYS[i], ttl)
            else redis.call('PEXPIRE', KEYS[i], ttl, 'GT') end
        end
        told[i] = size
    end
end
"""
    + _TELL
)
"""KEYS: applied offsets, keys that grow, keys that are rewritten first, keys that are shortened,
then keys to read. ARGV: partition, after, through, how many keys grow, are rewritten, and are
shortened; for each that grows records, a time to live and a mark for a key that is new; for each
that is rewritten or shortened as `_AS_READ`. A key's time to live is never shortened. When a key
to rewrite was rewritten meanwhile, no change is applied."""


class Growth(NamedTuple):
    """Records for one key, and how long it is kept without more of them; 0 for ever.

    Attributes:
        mark: Put first when the key is new: it may have been there before, and have expired.
    """

    key: str
    records: bytes
    ttl_ms: int
    mark: bytes = b""


class Rewrite(NamedTuple):
    """Records that take the place of those read of a key; where none is left, it goes.

    Attributes:
        first, last: The first and the last record that were read.
        size: How many bytes were read.
    """

    key: str
    first: bytes
    last: bytes
    size: int
    records: bytes


class Applying(NamedTuple):
    """Changes of one partition as the server takes them, if it has come just as far as `after`."""

    partition: str
    after: int
    through: int
    growths: Sequence[Growth]
    rewrites: Sequence[Rewrite] = ()


class Applied(NamedTuple):
    """What came of a round trip.

    Attributes:
        refused_at: Where the partition stood instead of `after`; None when changes were applied.
        sizes: Bytes that each grown key holds now.
        offsets: The last offset applied per partition, at the moment of the read.
        held: What each key read holds.
        is_stale: Whether nothing was applied, as somebody else has rewritten a key meanwhile.
    """

    refused_at: int | None
    sizes: Sequence[int]
    offsets: Mapping[str, int]
    held: Sequence[bytes]
    is_stale: bool = False


class _Pipe(Protocol):
    """What is used of a transaction of redis-py."""

    def hgetall(self, name: str) -> object: ...
    def hsetnx(self, name: str, key: str, value: str) -> object: ...
    def execute(self) -> list[Any]: ...


class _Client(Protocol):
    """What is used of redis-py, whose own types leave much open."""

    def pipeline(self, transaction: bool) -> _Pipe: ...
    def info(self) -> Mapping[str, object]: ...
    def get(self, name: str) -> bytes | None: ...
    def hset(self, name: str, key: str, value: str) -> int: ...
    def evalsha(self, sha: str, numkeys: int, *keys_and_args: str | int | bytes) -> object: ...
    def script_load(self, script: str) -> str: ...
    def scan_iter(self, match: str, count: int) -> Iterator[bytes]: ...
    def unlink(self, *names: bytes) -> int: ...
    def close(self) -> None: ...


class RedisLink:
    """A connection pool to one server.

    Args:
        url: `redis://[user:password@]host[:port][/database]`, `rediss://…` or `unix://…`.
        timeout_s: How long to wait for an answer.

    Raises:
        ExtraMissing: redis-py is not installed.
        StoreUnfit: The URL is none.
    """

    def __init__(self, url: str, *, timeout_s: float) -> None:
        try:
            import redis
            from redis.backoff import NoBackoff
            from redis.retry import Retry
        except ImportError as error:
            raise ExtraMissing("redis", "redis") from error
        self.where = _address(url)
        try:
            client = redis.Redis.from_url(  # pyright: ignore[reportUnknownMemberType]  its options
                url,
                socket_timeout=timeout_s,
                socket_connect_timeout=timeout_s,
                retry=Retry(NoBackoff(), 1),  # a pooled connection may have been closed meanwhile
            )
        except (ValueError, TypeError):  # whose text may hold the password
            raise StoreUnfit(
                "the given URL",
                "has an address that cannot be read",
                "write redis://user:password@host:port/database, with %2F for a / in a password",
            ) from None
        self._client = cast("_Client", client)
        self._scripts: dict[str, str] = {}
        self._shorter: dict[str, deque[Rewrite]] = {}

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def check(self) -> None:
        """See that the server keeps what it is given.

        Raises:
            StoreUnfit: It is too old, a read-only copy, or drops keys when memory is short.
            StoreUnreachable: It does not answer.
        """
        with self._translated():
            info = self._client.info()
        version = str(info.get("redis_version", "0.0"))
        if tuple(map(int, version.split(".")[:2])) < _OLDEST:
            raise StoreUnfit(self.where, f"is Redis {version}", "use Redis 7.0 or newer")
        policy = str(info.get("maxmemory_policy", "noeviction"))
        if policy != "noeviction":
            raise StoreUnfit(
                self.where,
                f"drops keys when memory is short (maxmemory-policy {policy}), and values would "
                "be wrong without a word",
                "set `maxmemory-policy noeviction`",
            )
        if info.get("role") in ("slave", "replica"):
            raise StoreUnfit(self.where, "is a read-only copy", "name the primary server")

    def exchange(self, meta: str, applying: Applying | None, keys: Sequence[str]) -> Applied:
        """Apply changes and read keys in one round trip, with nothing in between.

        What was to be shortened along with it is: first, so that it is read shorter.

        Raises:
            StoreUnreachable, StoreFull, StoreUnfit
        """
        shorter = self._take_shorter(meta)
        if applying is None:
            script, changed = _READ, shorter
            arguments: list[str | int | bytes] = [len(shorter)]
        else:
            script, changed = _APPLY, [*applying.growths, *applying.rewrites, *shorter]
            arguments = _arguments(applying, len(shorter))
        for one in shorter:
            arguments += _as_read(one)
        names = [meta, *[one.key for one in changed], *keys]
        told, offsets, held = self._run(script, names, arguments)
        vector = {
            name.decode(): int(offset)
            for name, offset in zip(offsets[::2], offsets[1::2], strict=True)
        }
        found = [one or b"" for one in held]
        if told[0] == 0:
            return Applied(int(told[1]), (), vector, found)
        if told[0] == 2:
            return Applied(None, (), vector, found, is_stale=True)
        return Applied(None, told[1:], vector, found)

    def fetch(self, key: str) -> bytes:
        """Return what a key holds."""
        with self._translated():
            return self._client.get(key) or b""

    def shorten(self, meta: str, one: Rewrite) -> None:
        """Put shorter records in the place of those read, with the next exchange of that `meta`.

        Nothing is done where somebody else has rewritten the key by then, or memory is short:
        who reads it next finds it long again.
        """
        self._shorter.setdefault(meta, deque(maxlen=_SHORTENED_AT_ONCE)).append(one)

    def _take_shorter(self, meta: str) -> list[Rewrite]:
        waiting, taken = self._shorter.get(meta), list[Rewrite]()
        while waiting:
            try:
                taken.append(waiting.popleft())
            except IndexError:  # another thread has taken the last one
                break
        return taken

    def agree(self, key: str, facts: Mapping[str, str]) -> Mapping[str, str]:
        """Note facts that are not noted yet; return those that count."""
        with self._translated():
            pipe = self._client.pipeline(transaction=True)
            for name, value in facts.items():
                pipe.hsetnx(key, name, value)
            pipe.hgetall(key)
            found = cast("Mapping[bytes, bytes]", pipe.execute()[-1])
        return {name.decode(): value.decode() for name, value in found.items()}

    def note(self, key: str, name: str, value: str) -> None:
        """Note a fact in the place of an older one."""
        with self._translated():
            self._client.hset(key, name, value)

    def keys(self, prefix: str) -> Sequence[str]:
        """Return all keys that begin so."""
        with self._translated():
            return [key.decode() for key in self._client.scan_iter(_beginning(prefix), 1000)]

    def drop(self, prefix: str, *, keep: str | None = None) -> int:
        """Delete all keys that begin so, but not those that also begin with `keep`."""
        dropped = 0
        with self._translated():
            found: list[bytes] = []
            for key in self._client.scan_iter(_beginning(prefix), 1000):
                if keep is None or not key.decode(errors="replace").startswith(keep):
                    found.append(key)
                if len(found) == 1000:
                    dropped += self._client.unlink(*found)
                    found.clear()
            if found:
                dropped += self._client.unlink(*found)
        return dropped

    def _run(self, script: str, keys: Sequence[str], arguments: Sequence[str | int | bytes]) -> Any:
        from redis.exceptions import NoScriptError

        with self._translated():
            if script not in self._scripts:
                self._scripts[script] = self._client.script_load(script)
            try:
                return self._client.evalsha(self._scripts[script], len(keys), *keys, *arguments)
            except NoScriptError:  # the server was restarted
                self._scripts[script] = self._client.script_load(script)
                return self._client.evalsha(self._scripts[script], len(keys), *keys, *arguments)

    @contextmanager
    def _translated(self) -> Generator[None]:
        from redis import exceptions as errors

        try:
            yield
        except errors.AuthenticationError as error:
            raise StoreUnfit(
                self.where, "refuses the user or the password", "check the URL's credentials"
            ) from error
        except (errors.TimeoutError, errors.ConnectionError) as error:
            problem = "no answer in time" if isinstance(error, errors.TimeoutError) else str(error)
            raise StoreUnreachable(self.where, problem) from error
        except errors.OutOfMemoryError as error:
            raise StoreFull(self.where) from error
        except errors.RedisError as error:
            raise StoreUnfit(
                self.where, f"refuses: {error}", "check its rights and state"
            ) from error


def _beginning(prefix: str) -> str:
    """Return the pattern of keys that begin so."""
    return "".join(f"[{c}]" if c in "*?[" else "\\\\" if c == "\\" else c for c in prefix) + "*"


def _arguments(applying: Applying, shortened: int) -> list[str | int | bytes]:
    partition, after, through, growths, rewrites = applying
    found: list[str | int | bytes] = [
        partition, after, through, len(growths), len(rewrites), shortened,
    ]  # fmt: skip
    for one in growths:
        found += (one.records, one.ttl_ms, one.mark)
    for one in rewrites:
        found += _as_read(one)
    return found


def _as_read(one: Rewrite) -> tuple[bytes, bytes, int, bytes]:
    return one.first, one.last, one.size, one.records


def _address(url: str) -> str:
    """Return a URL without its user and password."""
    try:
        parts = urlsplit(url)
        host = f"{parts.hostname}:{parts.port or 6379}" if parts.hostname else parts.path
    except ValueError:
        return "the given URL"
    return f"{parts.scheme}://{host}"
