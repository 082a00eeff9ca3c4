"""An environment is written down whole and compared name by name."""

import platform
from importlib import metadata

from kingpost.decisions.environment import (
    EnvironmentDifference,
    decode_lock,
    encode_lock,
    environment_differences,
    present_environment,
)
from kingpost.registry import Environment

RECORDED = Environment(
    python="3.11.9", platform="linux-x86_64", packages={"numpy": "2.0.1", "old": "1.0"}
)


def test_the_present_environment_names_the_interpreter_and_every_distribution() -> None:
    found = present_environment()

    assert found.python == platform.python_version()
    assert found.packages["kingpost"] == metadata.version("kingpost")
    assert found.packages["onnxruntime"] == metadata.version("onnxruntime")


def test_a_lock_is_read_back_as_written() -> None:
    found = present_environment()

    assert decode_lock(encode_lock(found)) == found
    assert environment_differences(found, decode_lock(encode_lock(found))) == ()


def test_what_differs_is_listed_with_both_versions() -> None:
    present = Environment(
        python="3.13.1", platform="linux-x86_64", packages={"numpy": "2.1.0", "new": "3.0"}
    )

    assert environment_differences(RECORDED, present) == (
        EnvironmentDifference("python", "3.11.9", "3.13.1"),
        EnvironmentDifference("numpy", "2.0.1", "2.1.0"),
        EnvironmentDifference("old", "1.0", None),
        EnvironmentDifference("new", None, "3.0"),
    )
