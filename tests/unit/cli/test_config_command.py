import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kingpost.cli.main import command_line


def run(
    directory: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str, **environment: str
) -> Result:
    monkeypatch.chdir(directory)
    return CliRunner().invoke(command_line, arguments, env=environment)


def test_every_problem_is_told_and_the_exit_code_is_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kingpost.toml").write_text('port = "x"\nprot = 1\n')

    done = run(tmp_path, monkeypatch, "config", "check", "--json", KINGPOST_HOST="::1")

    told = json.loads(done.stdout)
    assert done.exit_code == 1
    assert not told["ok"]
    assert len(told["problems"]) == 2
    (host,) = [row for row in told["settings"] if row["setting"] == "host"]
    assert host == {
        "setting": "host",
        "value": "::1",
        "source": "environment variable KINGPOST_HOST",
    }


def test_a_secret_is_shown_as_set_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for command in ("show", "check"):
        done = run(tmp_path, monkeypatch, "config", command, KINGPOST_ALERT_SMTP_PASSWORD="hunter2")

        assert done.exit_code == 0
        assert "hunter2" not in done.output
        assert "(set, not shown)" in done.output


def test_a_settings_file_that_cannot_be_read_is_an_error_with_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kingpost.toml").mkdir()

    done = run(tmp_path, monkeypatch, "config", "show")

    assert getattr(done.exception, "code", None) == "bad_setting"


def test_an_option_goes_over_every_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(tmp_path, monkeypatch, "--data-dir", "elsewhere", "config", "show")

    assert "elsewhere  (option --data-dir)" in done.output


def test_roles_that_would_keep_the_server_from_starting_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run(
        tmp_path, monkeypatch, "config", "check", KINGPOST_OIDC_ROLES="viewer=records,nonsense"
    )

    assert done.exit_code == 1
    assert "bad_roles" in done.stderr
