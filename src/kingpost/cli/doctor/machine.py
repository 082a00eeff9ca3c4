"""The machine: Python, kernel, disk, clock, limits, port, time zones, extras."""

import errno
import os
import platform
import re
import resource
import shutil
import socket
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from kingpost.cli.doctor.findings import Check, Result, failed, ok, warned
from kingpost.core import Clock, Settings, SystemDisk
from kingpost.features import KERNEL
from kingpost.journal import last_commit

__all__ = ["machine_checks"]

_GIB = 1 << 30
_LEAST_BYTES, _GOOD_BYTES = 256 << 20, 2 * _GIB
_LEAST_FILES, _GOOD_FILES = 256, 4096
_STRICT_TABLES = (3, 37, 0)
_SLOW_SYNC_MS = 20.0
_SYNCS = 7
_ANSWER_S = 2.0
_EARLIEST_US = 1_767_225_600_000_000  # 2026: nothing of this version ran before
_AHEAD_US = 2_000_000


def machine_checks(settings: Settings, clock: Clock) -> Mapping[str, Check]:
    """Return the checks of the machine, by name."""
    return {
        "python": _python,
        "kernel": _kernel,
        "data directory": lambda: _data_directory(settings.data_dir),
        "free space": lambda: _space(settings.data_dir),
        "clock": lambda: _clock(settings.data_dir / "journal" / settings.partition, clock),
        "open files": _files,
        "sqlite": _sqlite,
        "time zones": _zones,
        "port": lambda: _port(settings.host, settings.port),
        "extras": _extras,
    }


def _python() -> Iterator[Result]:
    yield ok(f"{platform.python_implementation()} {platform.python_version()}")


def _kernel() -> Iterator[Result]:
    if KERNEL == "c":
        yield ok("compiled")
    else:
        yield warned(
            "in plain Python: the same values, online reads take 10 times as long",
            "install a C compiler and the Python headers, then reinstall kingpost",
        )


def _data_directory(directory: Path) -> Iterator[Result]:
    place = _existing(directory)
    if not place.is_dir():
        yield failed(f"{place} is no directory", "choose another data_dir, or move the file")
        return
    times: list[float] = []
    try:
        # without a name on the disk it leaves nothing behind, whatever happens
        with tempfile.TemporaryFile(dir=place, buffering=0) as file:
            for _ in range(_SYNCS):
                begun = time.perf_counter()
                file.write(bytes(4096))
                os.fdatasync(file.fileno()) if sys.platform == "linux" else os.fsync(file.fileno())
                times.append((time.perf_counter() - begun) * 1e3)
    except OSError as error:
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        mend = "free some space" if is_full else f"let user {os.getuid()} write there"
        yield failed(f"{place} cannot be written: {error.strerror}", mend)
        return
    sync_ms = sorted(times)[_SYNCS // 2]
    found = f"{directory}, a durable write takes {sync_ms:.2g} ms"
    if place != directory:
        yield ok(f"{directory} does not exist yet; {place} can be written")
    elif sync_ms > _SLOW_SYNC_MS:
        yield warned(found, "put data_dir on a faster disk: every answer waits for one such write")
    else:
        yield ok(found)


def _space(directory: Path) -> Iterator[Result]:
    place = _existing(directory)
    free = shutil.disk_usage(place).free
    found = f"{free / _GIB:,.1f} GiB free"
    if free < _LEAST_BYTES:
        yield failed(found, f"free some space on the disk of {place}: the server stops when full")
    elif free < _GOOD_BYTES:
        yield warned(found, f"free some space on the disk of {place}")
    elif os.statvfs(place).f_files and not os.statvfs(place).f_favail:
        yield failed("no file can be made any more (no inodes)", "remove files from this disk")
    else:
        yield ok(found)


def _clock(directory: Path, clock: Clock) -> Iterator[Result]:
    now_us = clock.now_us()
    last = last_commit(directory, disk=SystemDisk())
    mend = "set the clock (NTP); records keep their order, but their times would be wrong"
    if now_us < _EARLIEST_US:
        yield failed(f"it says {_moment(now_us)}", mend)
    elif last is not None and last.time_us > now_us + _AHEAD_US:
        yield warned(f"the journal's last commit is of {_moment(last.time_us)}, ahead of it", mend)
    else:
        yield ok(f"{_moment(now_us)}")


def _files() -> Iterator[Result]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    found = f"{soft:,} at a time"
    mend = f"raise it: ulimit -n {min(hard, 65536) if hard > 0 else 65536}"
    if soft < _LEAST_FILES:
        yield failed(found, mend)
    elif soft < _GOOD_FILES:
        yield warned(f"{found}, so about {soft - 100:,} connections", mend)
    else:
        yield ok(found)


def _sqlite() -> Iterator[Result]:
    if sqlite3.sqlite_version_info < _STRICT_TABLES:
        needed = ".".join(map(str, _STRICT_TABLES))
        yield failed(sqlite3.sqlite_version, f"use a Python built with SQLite {needed} or later")
    else:
        yield ok(sqlite3.sqlite_version)


def _zones() -> Iterator[Result]:
    try:
        ZoneInfo("Asia/Kolkata")
    except ZoneInfoNotFoundError:
        yield failed("no data", "pip install tzdata")
    else:
        yield ok("data found")


def _port(host: str, port: int) -> Iterator[Result]:
    if port == 0:
        yield ok("any free one")
        return
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            yield failed(f"cannot listen at {host}: {error.strerror or error}", "set another host")
        elif _is_kingpost(host, port):
            yield ok(f"{port} of {host}: a Kingpost server answers there now")
        else:
            mend = "stop that program, or set another port"
            yield failed(f"{port} of {host} is used by another program", mend)
    else:
        yield ok(f"{port} of {host} is free")


def _is_kingpost(host: str, port: int) -> bool:
    import httpx  # 0.1 s to import: only where something listens

    name = f"[{host}]" if ":" in host else host
    name = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(name, name)
    for scheme in ("http", "https"):
        try:
            # whoever answers is told nothing, so its certificate need not be right
            url = f"{scheme}://{name}:{port}/health/live"
            answer = httpx.get(url, timeout=_ANSWER_S, verify=False)
        except httpx.HTTPError:
            continue
        if answer.status_code == 200 and answer.content == b'{"status":"live"}':
            return True
    return False


def _extras() -> Iterator[Result]:
    """Say which extras are there: every distribution that an extra names is installed."""
    named: dict[str, set[str]] = {}
    for line in metadata.requires("kingpost") or []:
        found = re.match(r"([A-Za-z0-9._-]+).*extra == ['\"]([a-z0-9-]+)['\"]", line)
        if found:
            named.setdefault(found[2], set()).add(found[1])
    whole = [extra for extra, needed in named.items() if all(map(_is_installed, needed))]
    lacking = sorted(named.keys() - set(whole))
    yield ok(
        f"installed: {', '.join(sorted(whole)) or 'none'}; not: {', '.join(lacking) or 'none'}"
    )


def _is_installed(distribution: str) -> bool:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


def _existing(directory: Path) -> Path:
    """Return the nearest place above that exists."""
    while not os.path.lexists(directory) and directory != directory.parent:
        directory = directory.parent
    return directory


def _moment(at_us: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at_us // 1_000_000))
