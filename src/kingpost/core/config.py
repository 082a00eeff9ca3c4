"""The settings of one installation: `kingpost.toml`, then `KINGPOST_*`, read once.

Library code takes values; only a composition root reads this. An unknown key is an error,
so that a misspelt setting is never silently the default.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

from kingpost.core.durations import BadDuration, duration_us
from kingpost.core.errors import KingpostError

__all__ = ["BadSetting", "Settings", "read_settings"]


class BadSetting(KingpostError):
    """A setting that is unknown or has a value it cannot have."""

    code = "bad_setting"

    def __init__(self, source: str, key: str, expected: str) -> None:
        super().__init__(source, key, expected)
        self.source, self.key, self.expected = source, key, expected

    def __str__(self) -> str:
        return f"{self.source}: setting {self.key!r}: {self.expected}"


@dataclass(frozen=True)
class Settings:
    """What an installation may choose.

    Attributes:
        data_dir: Where the journal, the artefacts and the keys lie.
        tenant: The tenant of commands that name none.
        host: Address the server listens on.
        port: Port the server listens on; 0 takes a free one.
        max_body_bytes: The largest request to a decision.
        drain: How long a stopping server waits for requests in flight.
        threads: Threads for backfills and training.
    """

    data_dir: Path = Path(".kingpost")
    tenant: str = "default"
    host: str = "127.0.0.1"
    port: int = 8080
    max_body_bytes: int = 256 * 1024
    drain: str = "10s"
    threads: int = 2

    @property
    def drain_s(self) -> float:
        """The drain time in seconds."""
        return duration_us(self.drain) / 1e6


_PATHS, _TEXTS, _NUMBERS = (
    ("data_dir",),
    ("tenant", "host", "drain"),
    ("port", "max_body_bytes", "threads"),
)


def read_settings(file: Path | None, environment: Mapping[str, str]) -> Settings:
    """Read the file, if there is one, then the environment over it.

    Args:
        file: A TOML file; None when there is none.
        environment: As `os.environ`; names `KINGPOST_<SETTING>` count, and those of the
            test suite (`KINGPOST_TEST_…`) do not.

    Raises:
        BadSetting: A key is unknown, or a value is not of its kind.
    """
    settings = Settings()
    if file is not None:
        try:
            table = tomllib.loads(file.read_text("utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise BadSetting(str(file), "(file)", f"cannot be read as TOML: {error}") from error
        for key, value in table.items():
            settings = _with(settings, str(file), key, value)
    for name, value in environment.items():
        if name.startswith("KINGPOST_") and not name.startswith("KINGPOST_TEST_"):
            key = name.removeprefix("KINGPOST_").lower()
            settings = _with(settings, f"environment variable {name}", key, value)
    return settings


def _with(settings: Settings, source: str, key: str, value: object) -> Settings:
    if key in _NUMBERS:
        if isinstance(value, str) and value.isascii() and value.isdigit():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise BadSetting(source, key, f"expected a whole number from 0, found {value!r}")
        return replace(settings, **{key: value})
    if key not in (*_PATHS, *_TEXTS):
        known = ", ".join(field.name for field in fields(settings))
        raise BadSetting(source, key, f"is unknown; known are {known}")
    if not isinstance(value, str) or not value:
        raise BadSetting(source, key, f"expected a text, as a path, found {value!r}")
    if key == "drain":
        try:
            duration_us(value)
        except BadDuration as error:
            raise BadSetting(source, key, str(error)) from error
    return replace(settings, **{key: Path(value) if key in _PATHS else value})
