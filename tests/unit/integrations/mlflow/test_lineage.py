"""What is kept of a foreign model: a digest over its files, and no password."""

from pathlib import Path

import pytest

from kingpost.integrations import BadMlflowModel
from kingpost.integrations.mlflow.fetch import files_digest
from kingpost.integrations.mlflow.lineage import without_password

URI = "models:/trees/1"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("https://lin:secret@example.org/a.parquet", "https://example.org/a.parquet"),
        ('{"uri": "s3://key:word@bucket/a", "more": 1}', '{"uri": "s3://bucket/a", "more": 1}'),
        ("postgresql://u@db/x and mysql://v:w@db/y", "postgresql://db/x and mysql://db/y"),
        ("lin@example.org", "lin@example.org"),
        ("https://example.org/@lin", "https://example.org/@lin"),
    ],
)
def test_users_and_passwords_of_addresses_are_left_out(text: str, kept: str) -> None:
    assert without_password(text) == kept


def test_the_digest_covers_names_and_contents_and_not_what_a_download_adds(tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_bytes(b"a")
    first = files_digest(tmp_path, URI)
    (tmp_path / "registered_model_meta").write_bytes(b"model_name: trees")
    assert files_digest(tmp_path, URI) == first

    (tmp_path / "MLmodel").write_bytes(b"b")
    second = files_digest(tmp_path, URI)
    (tmp_path / "MLmodel").rename(tmp_path / "other")

    assert len({first, second, files_digest(tmp_path, URI)}) == 3


def test_a_link_among_the_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").symlink_to("/etc/hostname")

    with pytest.raises(BadMlflowModel, match="is a link"):
        files_digest(tmp_path, URI)
