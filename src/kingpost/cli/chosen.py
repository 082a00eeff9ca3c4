"""Where the settings of this command come from: the files and options before its name."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from kingpost.core import CheckedSettings, Settings, check_settings, read_settings

__all__ = ["SettingsPlace"]

_DEFAULT = Path("kingpost.toml")


class SettingsPlace(NamedTuple):
    """The options in front of a command's name.

    Attributes:
        config: The settings file asked for; None for `kingpost.toml`, when there is one.
        data_dir: In place of the setting; None when not given.
    """

    config: Path | None
    data_dir: Path | None

    @property
    def file(self) -> Path | None:
        """The settings file that counts; also one that turns out to be unreadable."""
        if self.config is not None:
            return self.config
        return _DEFAULT if os.path.lexists(_DEFAULT) else None

    def read(self, environment: Mapping[str, str]) -> Settings:
        """Read the settings.

        Raises:
            BadSetting: The first thing that is wrong with them.
        """
        return self._chosen(read_settings(self.file, environment))

    def check(self, environment: Mapping[str, str]) -> CheckedSettings:
        """Read the settings and say everything that is wrong with them."""
        checked = check_settings(self.file, environment)
        if self.data_dir is None:
            return checked
        sources = {**checked.sources, "data_dir": "option --data-dir"}
        return checked._replace(settings=self._chosen(checked.settings), sources=sources)

    def _chosen(self, settings: Settings) -> Settings:
        return settings if self.data_dir is None else replace(settings, data_dir=self.data_dir)
