from pathlib import Path

import pytest

from kingpost.core import (
    SECRET_SETTINGS,
    BadSetting,
    Settings,
    check_settings,
    read_settings,
)


def test_the_environment_goes_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "kingpost.toml"
    file.write_text('port = 1\nhost = "0.0.0.0"\n')

    settings = read_settings(
        file, {"KINGPOST_PORT": "2", "HOME": "x", "KINGPOST_TEST_SERVICES": "required"}
    )

    assert settings == Settings(port=2, host="0.0.0.0")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("prot = 1", "unknown; known are"),
        ('port = "x"', "whole number"),
        ("port = true", "whole number"),
        ("port = -1", "whole number"),
        ("data_dir = 3", "a path"),
        ('drain = "soon"', "length of time"),
        ("port = ", "TOML"),
    ],
)
def test_a_wrong_setting_is_an_error_that_names_it(
    text: str, expected: str, tmp_path: Path
) -> None:
    file = tmp_path / "kingpost.toml"
    file.write_text(text)

    with pytest.raises(BadSetting, match=expected) as caught:
        read_settings(file, {})

    assert str(file) in str(caught.value)


def test_an_unknown_variable_is_an_error() -> None:
    with pytest.raises(BadSetting, match="KINGPOST_PROT"):
        read_settings(None, {"KINGPOST_PROT": "1"})


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "kingpost.toml"
    file.write_text('port = 70000\nprot = 1\ntenant = "shop"\nalert_smtp = "mail:587"\n')

    checked = check_settings(file, {"KINGPOST_DRAIN": "soon", "KINGPOST_HOST": "::1"})

    assert [problem.key for problem in checked.problems if isinstance(problem, BadSetting)] == [
        "port", "prot", "drain", "alert_smtp", "alert_smtp",
    ]  # fmt: skip
    assert checked.settings.tenant == "shop"
    assert checked.sources["host"] == "environment variable KINGPOST_HOST"
    assert checked.sources["tenant"] == str(file)


@pytest.mark.parametrize("key", sorted(SECRET_SETTINGS))
def test_a_secret_is_never_shown(key: str, tmp_path: Path) -> None:
    file = tmp_path / "kingpost.toml"
    file.write_text(f'{key} = ["hunter2"]\n')

    problems = check_settings(file, {f"KINGPOST_{key.upper()}": "hunter2\n"}).problems
    starts = {"online_store": "redis://", "job_webhooks": "crm=https://"}
    starts |= dict.fromkeys(("streams_in", "streams_out"), "order=nats://ann:")
    value = f"{starts.get(key, 'https://')}hunter2.example"
    needed = {"KINGPOST_JOB_WEBHOOK_SECRET": "whsec_"}
    settings = read_settings(None, {**needed, f"KINGPOST_{key.upper()}": value})

    assert len(problems) == 2
    assert "hunter2" not in "".join(map(str, problems))
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\xff\xfep\x00o\x00r\x00t\x00", "TOML"),
        (b'tenant = "\xe9"', "TOML"),
        (b"port = " + b"9" * 5000, "TOML"),
        (b"a = " + b"[" * 100_000, "TOML"),
        (b'tenant = "a\\u0000b"', "no text"),
        (b'public_url = "kingpost.example"', "expected a URL"),
        (b'public_url = "http://[::1"', "expected a URL"),
        (b'alert_smtp = "mail"', "host and a port"),
        (b"threads = 0", "from 1"),
        (b'online_store = "localhost:6379"', "redis://"),
        (b'partition = "North"', "lower-case"),
        (b'partition = "control"', "control"),
        (b'partitions = "a;b=/srv/b"', "name=directory"),
        (b'partitions = "data=/srv/a;data=/srv/b"', "once"),
        (b'partitions = "a=/srv/a;b=/srv/b"', "this server's own"),
        (b'streams_in = "nats://host/orders"', "stream=nats://"),
        (b'streams_out = "order=http://host/orders"', "stream=nats://"),
        (b'streams_in = "a=file:/x;a=file:/y"', "each name once"),
        (b'oidc_issuer = "https://login.example"', "needs oidc_client_id"),
    ],
)
def test_a_file_in_a_bad_state_is_an_error_that_says_so(
    content: bytes, expected: str, tmp_path: Path
) -> None:
    file = tmp_path / "kingpost.toml"
    file.write_bytes(content)

    with pytest.raises(BadSetting, match=expected):
        read_settings(file, {})


def test_a_file_that_is_missing_or_a_directory_is_an_error(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.toml"):
        with pytest.raises(BadSetting, match="cannot be read"):
            read_settings(path, {})


def test_a_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    file = tmp_path / "kingpost.toml"
    file.write_bytes(b"\xef\xbb\xbfport = 1")

    assert read_settings(file, {}).port == 1


def test_variables_for_clients_of_a_server_are_no_settings() -> None:
    assert read_settings(None, {"KINGPOST_URL": "x", "KINGPOST_API_KEY": "y"}) == Settings()


@pytest.mark.parametrize("key", ["trace_sample", "access_log"])
@pytest.mark.parametrize(("given", "share"), [("0", 0.0), ("1", 1.0), ("0.01", 0.01), ("1.0", 1.0)])
def test_a_share_is_read_from_the_file_and_the_environment(
    tmp_path: Path, key: str, given: str, share: float
) -> None:
    file = tmp_path / "kingpost.toml"
    file.write_text(f"{key} = {given}\n")

    assert getattr(read_settings(file, {}), key) == share
    assert getattr(read_settings(None, {f"KINGPOST_{key.upper()}": given}), key) == share


@pytest.mark.parametrize("given", ["1.5", "-0.1", "true", "nan", '"a tenth"', '"1e-2"', "2"])
def test_what_is_no_share_is_refused(tmp_path: Path, given: str) -> None:
    file = tmp_path / "kingpost.toml"
    file.write_text(f"trace_sample = {given}\n")

    with pytest.raises(BadSetting, match="expected a number from 0 to 1"):
        read_settings(file, {})
