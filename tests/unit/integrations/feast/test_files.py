from pathlib import Path

import pytest

from kingpost.integrations.feast.errors import FeastRepositoryTooLarge, NotAFeastRepository
from kingpost.integrations.feast.files import StoreSettings, read_repository
from tests.feast_repositories import DRIVERS, write_repository

FEAST_CODE = "from feast import Entity\n"


def test_the_modules_and_the_stores_are_read(tmp_path: Path) -> None:
    found = read_repository(write_repository(tmp_path, DRIVERS))

    assert [file.path for file in found.files] == ["definitions.py", "test_workflow.py"]
    assert found.settings == StoreSettings("driver_ranking", "local", "file", "sqlite")
    assert not found.passed_over


def test_a_folder_without_settings_and_without_feast_says_which_folder_inside_has_them(
    tmp_path: Path,
) -> None:
    write_repository(tmp_path, {"feature_repo/feature_store.yaml": "project: a\n", "a.py": "x = 1"})

    with pytest.raises(NotAFeastRepository, match=r"did you mean 'feature_repo' in it\?"):
        read_repository(tmp_path)


def test_a_folder_that_is_not_there_is_no_repository(tmp_path: Path) -> None:
    with pytest.raises(NotAFeastRepository, match="is no folder"):
        read_repository(tmp_path / "none")


def test_a_repository_without_settings_is_read_when_it_imports_feast(tmp_path: Path) -> None:
    found = read_repository(write_repository(tmp_path, {"a.py": FEAST_CODE}))

    assert not found.has_settings
    assert found.settings == StoreSettings()


def test_links_are_not_followed(tmp_path: Path) -> None:
    outside = write_repository(tmp_path / "outside", {"secret.py": FEAST_CODE})
    root = write_repository(tmp_path / "repo", {"a.py": FEAST_CODE})
    (root / "folder").symlink_to(outside)
    (root / "linked.py").symlink_to(outside / "secret.py")
    (root / "feature_store.yaml").symlink_to(outside / "secret.py")

    found = read_repository(root)

    assert [file.path for file in found.files] == ["a.py"]
    assert [path for path, _ in found.passed_over] == ["folder", "linked.py"]
    assert not found.has_settings


def test_what_feastignore_names_and_hidden_folders_are_left_out(tmp_path: Path) -> None:
    root = write_repository(
        tmp_path,
        {
            ".feastignore": "scripts/  # not declarations\nold_*.py\n",
            "a.py": FEAST_CODE,
            "old_a.py": FEAST_CODE,
            "scripts/b.py": FEAST_CODE,
            ".venv/c.py": FEAST_CODE,
            "venv/d.py": FEAST_CODE,
        },
    )

    assert [file.path for file in read_repository(root).files] == ["a.py"]


def test_a_huge_file_and_one_that_is_not_text_are_passed_over_with_the_reason(
    tmp_path: Path,
) -> None:
    root = write_repository(tmp_path, {"a.py": FEAST_CODE, "huge.py": "#" * (1 << 20) + "\n"})
    (root / "latin.py").write_bytes(b"# caf\xe9\n")

    assert dict(read_repository(root).passed_over) == {
        "huge.py": "has more than 1,048,576 bytes",
        "latin.py": "is not UTF-8 from byte 5",
    }


def test_too_many_files_are_refused_before_they_are_all_read(tmp_path: Path) -> None:
    write_repository(tmp_path, {f"m{number}.py": "" for number in range(6)})

    with pytest.raises(FeastRepositoryTooLarge, match=r"more than 5 Python files"):
        read_repository(tmp_path, most_files=5)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("online_store: redis\n", "redis"),
        ("online_store:\n  type: 'redis'\n  connection_string: host,password=hunter2\n", "redis"),
        ("online_store: {connection_string: h, type: redis}\n", "redis"),
        ("online_store: !ref other\n", ""),
        ("online_store: |\n  redis\n", ""),
        ("# online_store: redis\n", ""),
    ],
)
def test_only_plain_settings_are_understood(tmp_path: Path, text: str, expected: str) -> None:
    root = write_repository(tmp_path, {"feature_store.yaml": text})

    assert read_repository(root).settings.online_store == expected
