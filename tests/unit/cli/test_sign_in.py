"""The console's door is made from the settings, and a wrong one is told at the start."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.routing import Route

from kingpost.access import BadRoles
from kingpost.cli.sign_in import open_sign_in
from kingpost.console import SignIn
from kingpost.core import ExtraMissing, Settings
from kingpost.decisions import DataDirectory
from tests.tiny_app import FakeClock

ISSUER = Settings(
    oidc_issuer="https://login.example",
    oidc_client_id="kingpost",
    oidc_roles="viewer=records",
)


def opened(directory: Path, settings: Settings) -> SignIn:
    return open_sign_in(settings, DataDirectory(directory), FakeClock())


def paths(door: SignIn) -> set[str]:
    return {route.path for route in door.routes() if isinstance(route, Route)}


def test_without_an_issuer_keys_alone_open_the_door(tmp_path: Path) -> None:
    assert paths(opened(tmp_path, Settings())) == {"/login", "/logout"}
    assert (tmp_path / "access.sqlite").stat().st_mode & 0o077 == 0


def test_an_issuer_adds_its_way_in(tmp_path: Path) -> None:
    assert "/login/oidc/callback" in paths(opened(tmp_path, ISSUER))


@pytest.mark.parametrize("settings", [ISSUER, Settings()])
def test_roles_that_cannot_be_read_stop_the_start(tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(BadRoles, match="oidc_roles"):
        opened(tmp_path, replace(settings, oidc_roles="viewer=everything"))


def test_an_issuer_without_its_library_stops_the_start_and_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "authlib", None)

    with pytest.raises(ExtraMissing, match=r"kingpost\[oidc\]"):
        opened(tmp_path, ISSUER)
