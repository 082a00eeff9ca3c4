"""Sagas: several effects, and what undoes them when a later one fails.

The rule: what undoes an effect is noted before the effect is tried, so an effect that may
have happened is undone too; undoing runs in reverse order, and one that fails does not
keep the others from being tried. A compensation must therefore do no harm where there is
nothing to undo.
"""

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

from kingpost.core import KingpostError
from kingpost.workflows.running import Callee, run

__all__ = ["CompensationFailed", "Saga"]

P = ParamSpec("P")
R = TypeVar("R")


class CompensationFailed(KingpostError):
    """Some effects could not be undone.

    Attributes:
        steps: The names of the compensations that failed.
    """

    code = "compensation_failed"

    def __init__(self, steps: tuple[str, ...]) -> None:
        super().__init__(steps)
        self.steps = steps

    def __str__(self) -> str:
        return f"could not undo: {', '.join(self.steps)}; a person must look at it"


class Saga:
    """`async with Saga() as saga:` in an `async def` workflow; an error undoes what was done."""

    def __init__(self) -> None:
        self._undo: list[tuple[str, Callable[[], Awaitable[object]]]] = []

    def otherwise(self, callee: Callee[P, Any], *args: P.args, **kwargs: P.kwargs) -> None:
        """Note a step that undoes what is done next."""
        self._undo.append((callee.name, lambda: run(callee, *args, **kwargs)))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _where: TracebackType | None,
    ) -> None:
        """Undo everything, the latest first, when an `Exception` passes.

        Raises:
            CompensationFailed: Some steps could not be undone; all were tried.
        """
        if not isinstance(error, Exception):
            return
        failed: list[str] = []
        for name, undo in reversed(self._undo):
            try:
                await undo()
            except Exception:  # noqa: BLE001  the step's own error is in its history
                failed.append(name)
        if failed:
            raise CompensationFailed(tuple(failed)) from error
