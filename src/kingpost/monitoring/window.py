"""How far back the monitors look.

Windows end at whole minutes of stream time. `fast` finds a strong change within two
minutes: it is two minutes long, or as many more, up to three hours, as it takes to find 50
rows. `hour` finds weaker ones; `day`, 24 whole hours, those that a daily rhythm would
hide.
"""

from dataclasses import dataclass

__all__ = ["DAY", "FAST", "HOUR", "HOUR_US", "MINUTE_US", "RING_MINUTES", "WINDOWS", "Window"]

MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
RING_MINUTES = 180
"""How far the minutes are kept that windows are made of."""


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of stream time.

    Attributes:
        name: As in `Incident.window` and `MonitorStatus.window`.
        minutes: How long it is.
        longest_minutes: How far it may reach back to find its rows.
        min_rows: With fewer it is not judged.
    """

    name: str
    minutes: int
    longest_minutes: int
    min_rows: int

    @property
    def length_us(self) -> int:
        """Its length in microseconds, when there are rows enough."""
        return self.minutes * MINUTE_US


FAST = Window("fast", 2, RING_MINUTES, 50)
HOUR = Window("hour", 60, 60, 300)
DAY = Window("day", 24 * 60, 24 * 60, 200)
WINDOWS = (FAST, HOUR, DAY)
