"""How much a caller may ask that costs it nothing: cancellations, pings, settings, empty frames."""

from collections.abc import Callable

from kingpost.serving.grpc.errors import BrokenConnection, Http2Error

__all__ = ["Patience"]

MOST = 1000
PER_S = 200


class Patience:
    """A bucket of one connection: full at first, filled again as time goes by."""

    __slots__ = ("_filled_s", "_left", "_now_s")

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._left = float(MOST)
        self._filled_s = now_s()

    def take(self) -> None:
        """Take one.

        Raises:
            BrokenConnection: None is left.
        """
        self._left -= 1
        if self._left < 0:
            now_s = self._now_s()
            self._left = min(MOST, self._left + (now_s - self._filled_s) * PER_S)
            self._filled_s = now_s
            if self._left < 0:
                problem = "too many frames that ask for nothing"
                raise BrokenConnection(Http2Error.ENHANCE_YOUR_CALM, problem)
