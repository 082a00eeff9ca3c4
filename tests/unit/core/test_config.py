from pathlib import Path

import pytest

from kingpost.core import BadSetting, Settings, read_settings


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
