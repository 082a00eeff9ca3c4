"""A server on Ray Serve: the whole API over one data directory, in one replica.

    serve run kingpost.cli.on_ray:server app=/srv/shop/app.py config=/srv/shop/kingpost.toml

The rule: a journal has one writer, so there is one replica, whatever a configuration of Ray's
asks for; another one would be refused (`journal_in_use`). More of them are more partitions,
each an application of its own. The settings are read where the replica runs, so no secret
goes through Ray.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from kingpost.cli.logs import log_to_stderr
from kingpost.cli.run import build_server
from kingpost.core import ExtraMissing, KingpostError, read_settings

if TYPE_CHECKING:
    from kingpost.serving import ServingApp

__all__ = ["BadRayArguments", "server"]

MOST_ONGOING = 4096
"""As many requests as a server holds; Ray's own limit would let 5 in, and batches be small."""


class _Deployment(Protocol):
    def bind(self) -> object: ...


class _Serve(Protocol):
    """What is used of the module `ray.serve`, whose types are not whole."""

    def ingress(self, app: "Callable[[], ServingApp]") -> Callable[[], object]: ...
    def deployment(
        self, made: object, *, name: str, num_replicas: int, max_ongoing_requests: int
    ) -> _Deployment: ...


class BadRayArguments(KingpostError):
    """Arguments of the application on Ray that name no server."""

    code = "bad_ray_arguments"

    def __init__(self, found: str) -> None:
        super().__init__(found)
        self.found = found

    def __str__(self) -> str:
        return (
            f"the application on Ray got {self.found}; expected app=PATH, and config=PATH where "
            "settings are in a file"
        )


def server(arguments: Mapping[str, str]) -> object:
    """Return an application for Ray Serve, as `serve run` asks for one.

    Args:
        arguments: `app`, the file of the application, and `config`, that of the settings, if
            there is one; paths as the replica sees them.

    Raises:
        BadRayArguments: One of them is missing or unknown.
        ExtraMissing: The extra `ray` is not installed.
    """
    if "app" not in arguments or not arguments.keys() <= {"app", "config"}:
        raise BadRayArguments(", ".join(sorted(arguments)) or "none")
    try:
        from ray import serve as installed
    except ImportError as error:
        raise ExtraMissing("ray[serve]", "ray") from error
    serve = cast("_Serve", installed)
    path, config = arguments["app"], arguments.get("config")

    def build() -> "ServingApp":
        return _server(path, config)

    return serve.deployment(
        serve.ingress(build)(), name="kingpost", num_replicas=1, max_ongoing_requests=MOST_ONGOING
    ).bind()


def _server(path: str, config: str | None) -> "ServingApp":
    settings = read_settings(None if config is None else Path(config), os.environ)
    log_to_stderr(settings.log_format)
    return build_server(settings, Path(path))
