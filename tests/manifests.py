"""A small part of Kustomize, so that manifests are checked where its command is missing.

It knows `resources` and strategic merge `patches` by path, and refuses any other field: an
overlay that needs more needs the real command, and a test that runs it.
"""

from pathlib import Path
from typing import Any, cast

import yaml

__all__ = ["built"]

Manifest = dict[str, Any]
_KNOWN = {"apiVersion", "kind", "resources", "patches"}


def built(directory: Path) -> dict[tuple[str, str], Manifest]:
    """Build a kustomization; return its objects by kind and name."""
    wanted: Manifest = yaml.safe_load((directory / "kustomization.yaml").read_text())
    assert wanted.keys() <= _KNOWN, f"{directory}: {wanted.keys() - _KNOWN} is not known here"
    found: dict[tuple[str, str], Manifest] = {}
    for name in wanted["resources"]:
        path = directory / name
        more = built(path.resolve()) if path.is_dir() else _read(path)
        assert not found.keys() & more.keys(), f"{path} declares something again"
        found |= more
    for patch in wanted.get("patches", []):
        assert patch.keys() == {"path"}, patch
        for key, change in _read(directory / patch["path"]).items():
            found[key] = _merged(found[key], change)
    return found


def _read(file: Path) -> dict[tuple[str, str], Manifest]:
    objects: list[Manifest] = [one for one in yaml.safe_load_all(file.read_text()) if one]
    return {(one["kind"], one["metadata"]["name"]): one for one in objects}


def _merged(old: object, new: object) -> Any:
    if isinstance(old, dict) and isinstance(new, dict):
        before, after = cast("Manifest", old), cast("Manifest", new)
        return before | {key: _merged(before.get(key), value) for key, value in after.items()}
    if not isinstance(old, list) or not isinstance(new, list):
        return new
    items = cast("list[Any]", new)
    if not all(isinstance(one, dict) for one in items):
        return items
    by_name = {one["name"]: one for one in cast("list[Manifest]", old)}
    for one in items:
        by_name[one["name"]] = _merged(by_name.get(one["name"]), one)
    return list(by_name.values())
