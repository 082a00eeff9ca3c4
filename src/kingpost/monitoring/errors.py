"""What can go wrong with profiles, summaries and where they are kept."""

from kingpost.core import KingpostError, Place

__all__ = [
    "BadAlertSetting",
    "BadProfile",
    "BadTable",
    "IncidentLogFailed",
    "MonitorStoreFailed",
    "NewerProfile",
    "NewerSummary",
    "WrongCost",
]


class BadProfile(KingpostError):
    """Columns from which no profile can be made."""

    code = "bad_profile"

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return f"no profile can be made: {self.problem}"


class BadTable(KingpostError):
    """A table, or a column of it, on which drift cannot be measured."""

    code = "bad_table"

    def __init__(self, table: str, problem: str, remedy: str) -> None:
        super().__init__(table, problem, remedy)
        self.table, self.problem, self.remedy = table, problem, remedy

    def __str__(self) -> str:
        return f"{self.table} {self.problem}; {self.remedy}"


class NewerProfile(KingpostError):
    """A profile that this version cannot read."""

    code = "newer_profile"

    def __init__(self, found: str) -> None:
        super().__init__(found)
        self.found = found

    def __str__(self) -> str:
        return f"a stored profile cannot be read by this version: {self.found}; upgrade Kingpost"


class NewerSummary(KingpostError):
    """A summary or a monitor's state that this version cannot read."""

    code = "newer_summary"

    def __init__(self, found: str) -> None:
        super().__init__(found)
        self.found = found

    def __str__(self) -> str:
        return (
            f"what the monitors have kept cannot be read by this version: {self.found}; upgrade "
            "Kingpost, or delete observed.sqlite: it is made anew from the journal"
        )


class MonitorStoreFailed(KingpostError):
    """The monitors' tables could not be read or written.

    Safe to retry: nothing was changed.
    """

    code = "monitor_store_failed"
    retry_safe = True

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"the monitors' tables cannot be reached ({self.reason}); check the disk and try again"
        )


class IncidentLogFailed(KingpostError):
    """What was done about incidents could not be read or written.

    Safe to retry: nothing was changed.
    """

    code = "incident_log_failed"
    retry_safe = True

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"the log of incidents cannot be reached ({self.reason}); check the disk and try again"
        )


class BadAlertSetting(KingpostError):
    """A setting of alerts that cannot be used; a secret's value is never told."""

    code = "bad_alert_setting"

    def __init__(self, setting: str, expected: str) -> None:
        super().__init__(setting, expected)
        self.setting, self.expected = setting, expected

    def __str__(self) -> str:
        return f"setting {self.setting!r}: {self.expected}"


class WrongCost(KingpostError):
    """Prices or a cost budget that cannot be; it names the line and the mend."""

    code = "wrong_cost"

    def __init__(self, problem: str, mend: str, place: Place) -> None:
        super().__init__(problem, mend, place)
        self.problem, self.mend, self.place = problem, mend, place

    def __str__(self) -> str:
        return f"{self.place}\n  {self.problem}; {self.mend}"
