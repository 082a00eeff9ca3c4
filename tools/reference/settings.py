"""The settings reference, from the dataclass that holds them."""

import inspect
import re
from dataclasses import MISSING, fields

from kingpost.core import SECRET_SETTINGS, Settings
from tools.reference.markdown import code, page, table

__all__ = ["describe_settings"]

_ABOUT = """\
`kingpost.toml` in the working directory (or the file that `--config` names) is read first, then the environment over
it, then options such as `--data-dir` and `--port` over both. An unknown key is an error (`bad_setting`), a misspelt one
never silently the default. Secrets belong in the environment; they stand in no log and no message.

```toml
data_dir = "/var/lib/kingpost"
port = 9000
```"""
_ATTRIBUTE = re.compile(r"^    (\w+): (.*(?:\n {8,}.*)*)", re.MULTILINE)


def describe_settings() -> str:
    """Return the page."""
    meaning = dict(_ATTRIBUTE.findall(inspect.cleandoc(Settings.__doc__ or "")))
    rows = [
        (code(each.name), code(f"KINGPOST_{each.name.upper()}"), _default(each.default),
         meaning.get(each.name, "") + (" Never shown." if each.name in SECRET_SETTINGS else ""))
        for each in fields(Settings)
    ]  # fmt: skip
    return page("Settings", _ABOUT, table(["key", "environment", "default", "meaning"], rows))


def _default(value: object) -> str:
    if value is MISSING:
        return ""
    return code(str(value)) if value not in ("", None) else "none"
