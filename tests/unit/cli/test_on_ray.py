"""A server on Ray is asked for by the paths of its application and settings, and by nothing else."""

import sys

import pytest

from kingpost.cli.on_ray import BadRayArguments, server
from kingpost.core import ExtraMissing


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({}, "got none"),
        ({"config": "kingpost.toml"}, "got config"),
        ({"app": "app.py", "replicas": "3"}, "got app, replicas"),
    ],
)
def test_arguments_that_name_no_server_are_refused(arguments: dict[str, str], told: str) -> None:
    with pytest.raises(BadRayArguments, match=told):
        server(arguments)


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)

    with pytest.raises(ExtraMissing, match=r"kingpost\[ray\]"):
        server({"app": "app.py"})
