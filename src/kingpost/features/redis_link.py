"""The connection to Redis: two scripts, one round trip, and its errors in our words.

The rules: changes are applied by a script that first compares how far the partition has
come, so that a change sent twice counts once, and one after a gap not at all. A read in
the same transaction sees what the script left. No address with a password leaves this
module, neither in a message nor in a log.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol, cast
from urllib.parse import urlsplit

from kingpost.core import ExtraMissing
from kingpost.features.errors import StoreFull, StoreUnfit, StoreUnreachable

__all__ = ["Applied", "Applying", "Growth", "RedisLink"]

_OLDEST = (7, 0)

_APPLY = """
local held = redis.call('HGET', KEYS[1], ARGV[1]) or '-1'
if held ~= ARGV[2] then return {0, held} end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
local told = {1}
for i = 2, #KEYS do
    local records, ttl, mark = ARGV[3 * i - 2], ARGV[3 * i - 1], ARGV[3 * i]
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
return told
"""
"""KEYS: applied offsets, then keys. ARGV: partition, after, through, then per key records, a
time to live and a mark for a key that is new. A key's time to live is never shortened."""

_COMPACT = """
if redis.call('GETRANGE', KEYS[1], 0, #ARGV[1] - 1) ~= ARGV[1] then return 0 end
local rest = redis.call('GETRANGE', KEYS[1], ARGV[2], -1)
redis.call('SET', KEYS[1], ARGV[3] .. rest, 'KEEPTTL')
return 1
"""
"""KEYS: a key. ARGV: its first record, how many bytes of it were read, what takes their place.
Between two compactions a key only grows, and each changes its first record."""


_READ = """
local told = {redis.call('HGETALL', KEYS[1])}
for i = 2, #KEYS do told[i] = redis.call('GET', KEYS[i]) end
return told
"""
"""KEYS: applied offsets, then keys. A server without memory refuses transactions, also those
that only read; this it answers."""


class Growth(NamedTuple):
    """Records for one key, and how long it is kept without more of them; 0 for ever.

    Attributes:
        mark: Put first when the key is new: it may have been there before, and have expired.
    """

    key: str
    records: bytes
    ttl_ms: int
    mark: bytes = b""


class Applying(NamedTuple):
    """Changes of one partition as the server takes them, if it has come just as far as `after`."""

    partition: str
    after: int
    through: int
    growths: Sequence[Growth]


class Applied(NamedTuple):
    """What came of a round trip.

    Attributes:
        refused_at: Where the partition stood instead of `after`; None when changes were applied.
        sizes: Bytes that each grown key holds now.
        offsets: The last offset applied per partition, at the moment of the read.
        held: What each key read holds.
    """

    refused_at: int | None
    sizes: Sequence[int]
    offsets: Mapping[str, int]
    held: Sequence[bytes]


class _Pipe(Protocol):
    """What is used of a transaction of redis-py."""

    def evalsha(self, sha: str, numkeys: int, *keys_and_args: str | int | bytes) -> object: ...
    def hgetall(self, name: str) -> object: ...
    def hsetnx(self, name: str, key: str, value: str) -> object: ...
    def mget(self, keys: Sequence[str]) -> object: ...
    def execute(self) -> list[Any]: ...


class _Client(Protocol):
    """What is used of redis-py, whose own types leave much open."""

    def pipeline(self, transaction: bool) -> _Pipe: ...
    def info(self) -> Mapping[str, object]: ...
    def get(self, name: str) -> bytes | None: ...
    def hset(self, name: str, key: str, value: str) -> int: ...
    def evalsha(self, sha: str, numkeys: int, *keys_and_args: str | int | bytes) -> int: ...
    def eval(self, script: str, numkeys: int, *keys_and_args: str) -> object: ...
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
        self._scripts: tuple[str, str] | None = None

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

        Raises:
            StoreUnreachable, StoreFull, StoreUnfit
        """
        from redis.exceptions import NoScriptError, OutOfMemoryError

        with self._translated():
            try:
                answers = self._transact(meta, applying, keys)
            except NoScriptError:  # the server was restarted
                self._scripts = None
                answers = self._transact(meta, applying, keys)
            except OutOfMemoryError:
                if applying is not None:
                    raise
                answers = self._read_without_memory(meta, keys)
        told: Sequence[Any] = answers.pop(0) if applying else [1]
        offsets = {name.decode(): int(offset) for name, offset in answers[0].items()}
        held = [one or b"" for one in answers[1]] if keys else []
        if told[0] == 0:
            return Applied(int(told[1]), (), offsets, held)
        return Applied(None, told[1:], offsets, held)

    def _transact(self, meta: str, applying: Applying | None, keys: Sequence[str]) -> list[Any]:
        pipe = self._client.pipeline(transaction=True)
        if applying is not None:
            names = [meta, *[one.key for one in applying.growths]]
            arguments: list[str | int | bytes] = [
                applying.partition, applying.after, applying.through,
            ]  # fmt: skip
            for one in applying.growths:
                arguments += (one.records, one.ttl_ms, one.mark)
            pipe.evalsha(self._loaded()[0], len(names), *names, *arguments)
        pipe.hgetall(meta)
        if keys:
            pipe.mget(keys)
        return pipe.execute()

    def _read_without_memory(self, meta: str, keys: Sequence[str]) -> list[Any]:
        flat, *held = cast("list[Any]", self._client.eval(_READ, 1 + len(keys), meta, *keys))
        return [dict(zip(flat[::2], flat[1::2], strict=True)), held]

    def fetch(self, key: str) -> bytes:
        """Return what a key holds."""
        with self._translated():
            return self._client.get(key) or b""

    def compact(self, key: str, first: bytes, size: int, shorter: bytes) -> bool:
        """Put shorter records in the place of those read, unless somebody else just did."""
        with self._translated():
            done = self._client.evalsha(self._loaded()[1], 1, key, first, size, shorter)
        return bool(done)

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

    def drop(self, prefix: str, *, keep: str | None = None) -> int:
        """Delete all keys that begin so, but not those that also begin with `keep`."""
        pattern = "".join(f"[{c}]" if c in "*?[" else "\\\\" if c == "\\" else c for c in prefix)
        dropped = 0
        with self._translated():
            found: list[bytes] = []
            for key in self._client.scan_iter(pattern + "*", 1000):
                if keep is None or not key.decode(errors="replace").startswith(keep):
                    found.append(key)
                if len(found) == 1000:
                    dropped += self._client.unlink(*found)
                    found.clear()
            if found:
                dropped += self._client.unlink(*found)
        return dropped

    def _loaded(self) -> tuple[str, str]:
        if self._scripts is None:
            self._scripts = (
                self._client.script_load(_APPLY),
                self._client.script_load(_COMPACT),
            )
        return self._scripts

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


def _address(url: str) -> str:
    """Return a URL without its user and password."""
    try:
        parts = urlsplit(url)
        host = f"{parts.hostname}:{parts.port or 6379}" if parts.hostname else parts.path
    except ValueError:
        return "the given URL"
    return f"{parts.scheme}://{host}"
