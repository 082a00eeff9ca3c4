"""Where a model of MLflow's comes from: what its server says of version, run and data.

The rule: it is a statement of the server's, kept as it was made. Nothing of it is checked
here but the digest of the files, and no password that stood in an address is kept.
"""

import re
from collections.abc import Mapping

import msgspec

__all__ = ["Lineage", "MlflowDataset", "encode_lineage", "without_password"]

_USER = re.compile(r"(?<=://)[^/\s@\"']+@")


class MlflowDataset(msgspec.Struct, frozen=True, kw_only=True):
    """Data that a run named as its input.

    Attributes:
        digest: As MLflow gives it; of its own making, at most 36 characters.
        context: What for, such as `training`.
        source: Where it lies, as MLflow writes it.
        schema, profile: JSON, as MLflow writes it.
    """

    name: str
    digest: str
    context: str = ""
    source_type: str = ""
    source: str = ""
    schema: str = ""
    profile: str = ""


class Lineage(msgspec.Struct, frozen=True, kw_only=True):
    """All that is kept of where a model comes from.

    Attributes:
        uri: `models:/name/version` or `runs:/run/path`; an alias is resolved to its version.
        digest: SHA-256 over names and contents of the model's files.
        by: Who registered it, or started the run.
        created_at_us: When it was registered, or the run began; None where nobody says.
        source, commit: The program that made it, and its git commit.
        model_tags: Of the registered version; `tags` are the run's.
        flavours: Which ones it comes in.
        inputs, outputs: Its signature, JSON as MLflow writes it.
    """

    format: int = 1
    server: str
    uri: str
    digest: str
    run: str = ""
    run_name: str = ""
    experiment: str = ""
    by: str = ""
    created_at_us: int | None = None
    source: str = ""
    commit: str = ""
    description: str = ""
    aliases: tuple[str, ...] = ()
    model_tags: Mapping[str, str] = {}
    tags: Mapping[str, str] = {}
    parameters: Mapping[str, str] = {}
    metrics: Mapping[str, float] = {}
    datasets: tuple[MlflowDataset, ...] = ()
    flavours: tuple[str, ...] = ()
    mlflow: str = ""
    inputs: str = ""
    outputs: str = ""


def encode_lineage(lineage: Lineage) -> bytes:
    """Write it in canonical JSON."""
    return msgspec.json.encode(lineage, order="sorted")


def without_password(text: str) -> str:
    """Return a text without the users and passwords of the addresses in it."""
    return _USER.sub("", text)
