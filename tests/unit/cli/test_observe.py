"""The observer's composition: everything it needs, and never two of them."""

import threading
from pathlib import Path

import pytest

from kingpost.cli.observe import AlreadyObserved, open_observer
from kingpost.core import Settings
from tests.cli_app import SOURCE


@pytest.fixture
def application(tmp_path: Path) -> Path:
    (tmp_path / "shop_app.py").write_text(SOURCE)
    return tmp_path / "shop_app.py"


def test_an_empty_installation_is_observed(tmp_path: Path, application: Path) -> None:
    with open_observer(Settings(data_dir=tmp_path / "data"), application) as observer:
        assert observer.step() == 0

    assert (tmp_path / "data" / "observed.sqlite").exists()
    assert (tmp_path / "data" / "tasks.sqlite").exists()


def test_a_second_observer_is_refused_or_waits(tmp_path: Path, application: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    ended = threading.Event()
    ended.set()

    with open_observer(settings, application):
        with (
            pytest.raises(AlreadyObserved, match="--no-watch"),
            open_observer(settings, application),
        ):
            pass
        with pytest.raises(AlreadyObserved), open_observer(settings, application, wait=ended):
            pass

    with open_observer(settings, application) as observer:
        assert observer.step() == 0
