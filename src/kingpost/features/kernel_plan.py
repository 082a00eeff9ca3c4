"""How declared windows are put to the kernel: integer edges, columns, outputs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from kingpost.contracts import ColumnBatch, Field
from kingpost.features.declare import WindowFeatures

__all__ = ["KernelPlan", "multiples"]


@dataclass(frozen=True)
class KernelPlan:
    """The kernel's view of windowed features over one stream and key.

    Attributes:
        fields: The value columns, in the kernel's order.
        outputs: (operation, column, far_us, near_us, default) per feature; a window is
            (t − far, t − near].
    """

    fields: tuple[Field, ...]
    outputs: tuple[tuple[str, int, int, int, float], ...]

    @property
    def scales(self) -> Sequence[int]:
        """Multiples of the resolution in one unit, per value column."""
        return [field.scale for field in self.fields]

    @classmethod
    def of(cls, views: Sequence[WindowFeatures]) -> "KernelPlan":
        """Plan groups of windowed features over one stream and key, one after the other."""
        by_name = views[0].stream.contract.by_name
        used = [
            one.field for view in views for one in view.aggregates.values() if one.field is not None
        ]
        names = list(dict.fromkeys(used))
        return cls(
            tuple(by_name[name] for name in names),
            tuple(
                (
                    one.operation,
                    -1 if one.field is None else names.index(one.field),
                    view.windowed.delay_us + window,
                    view.windowed.delay_us,
                    one.default,
                )
                for view in views
                for window in view.windowed.windows_us
                for one in view.aggregates.values()
            ),
        )


def multiples(batch: ColumnBatch, field: Field) -> NDArray[np.int64]:
    """Return a column as whole numbers of its resolution, as `Field.multiple` does one."""
    column = batch.numbers(field.name)
    if field.kind == "number":
        values = cast("NDArray[np.float64]", column)
        return np.rint(values * float(field.scale)).astype(np.int64)
    return column.astype(np.int64)
