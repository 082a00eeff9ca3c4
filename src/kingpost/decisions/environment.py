"""The environment that something was computed in, written down and compared.

Bits can depend on it: a replay says what differs from the environment of the record.
"""

import platform
import sys
from importlib import metadata

import msgspec

from kingpost.registry import Environment

__all__ = [
    "EnvironmentDifference",
    "decode_lock",
    "encode_lock",
    "environment_differences",
    "present_environment",
]


class EnvironmentDifference(msgspec.Struct, frozen=True):
    """A distribution, or the interpreter or platform, in two versions; None is absent."""

    name: str
    recorded: str | None
    present: str | None


def present_environment() -> Environment:
    """Describe the interpreter, the machine and every installed distribution."""
    packages: dict[str, str] = {}
    for distribution in metadata.distributions():
        packages.setdefault(distribution.metadata["Name"].lower(), distribution.version)
    return Environment(
        python=platform.python_version(),
        platform=f"{sys.platform}-{platform.machine()}",
        packages=dict(sorted(packages.items())),
    )


def encode_lock(environment: Environment) -> bytes:
    """Write an environment as the lock that a bundle names."""
    return msgspec.json.encode(environment, order="sorted")


def decode_lock(content: bytes) -> Environment:
    """Read a lock."""
    return msgspec.json.decode(content, type=Environment)


def environment_differences(
    recorded: Environment, present: Environment
) -> tuple[EnvironmentDifference, ...]:
    """List what differs, the interpreter and the platform first."""
    earlier = {"python": recorded.python, "platform": recorded.platform, **recorded.packages}
    now = {"python": present.python, "platform": present.platform, **present.packages}
    return tuple(
        EnvironmentDifference(name, earlier.get(name), now.get(name))
        for name in dict.fromkeys([*earlier, *now])
        if earlier.get(name) != now.get(name)
    )
