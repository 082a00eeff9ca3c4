"""Getting back to work by itself after a failure that passes, such as a full disk.

The rule: the engine is asked again and again, ever less often, until its journal opens;
what it says when it will not open for another reason ends that. The attempt runs in a
thread: health, metrics and refusals are answered meanwhile.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from kingpost.core import KingpostError
from kingpost.decisions import Engine, EngineStopped
from kingpost.journal import JournalClosed, is_passing

__all__ = ["FIRST_PAUSE_S", "LONGEST_PAUSE_S", "Pause", "recovered"]

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 5.0

Pause = Callable[[float], Awaitable[None]]
_log = logging.getLogger(__name__)


async def recovered(engine: Engine, pause: Pause) -> KingpostError | None:
    """Return None once the engine works again, or why it never will.

    Args:
        pause: Waits for so many seconds.
    """
    pause_s, reason = FIRST_PAUSE_S, ""
    while True:
        await pause(pause_s)
        try:
            await asyncio.to_thread(engine.recover)
        except JournalClosed as error:
            return error
        except Exception as error:  # noqa: BLE001  the boundary of the attempt
            if not is_passing(error):
                _log.exception("serving_recovery_failed")
                is_known = isinstance(error, KingpostError)
                return error if is_known else EngineStopped(type(error).__name__)
            if reason != str(error):
                reason = str(error)
                _log.warning("serving_recovery_waits", extra={"reason": reason})
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        else:
            return None
