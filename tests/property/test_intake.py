"""Events come into a state the same by the compiled way and by the plain one."""

import gc
import weakref
from collections.abc import Callable
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kingpost as kp
from kingpost.contracts import Event, Instant, contract_of
from kingpost.features.intake import intake, plain_intake
from kingpost.features.kernel import KERNEL, Intake, State
from kingpost.features.kernel_columns import KernelColumn

pytestmark = pytest.mark.skipif(KERNEL != "c", reason="the kernel is not compiled")


class Sale(kp.Event):
    customer: kp.Key[str]
    shop: int
    at: kp.EventTime
    amount: Annotated[float, kp.Resolution("0.01")]
    pieces: int
    paid: bool
    note: str


CONTRACT = contract_of(Sale)
COLUMNS = (
    KernelColumn(CONTRACT.by_name["amount"], "multiple"),
    KernelColumn(CONTRACT.by_name["pieces"], "multiple"),
    KernelColumn(CONTRACT.by_name["paid"], "multiple"),
    KernelColumn(CONTRACT.by_name["note"], "hash"),
    KernelColumn(CONTRACT.by_name["amount"], "bits"),
)
OUTPUTS = [("count", -1, 2**40, 0, 0.0, 0, 0)]
sales = st.builds(
    Sale,
    customer=st.sampled_from("abc"),
    shop=st.integers(0, 3),
    at=st.integers(0, 2**50).map(Instant),
    amount=st.floats(-1e12, 1e12),
    pieces=st.integers(-(2**53), 2**53),
    paid=st.booleans(),
    note=st.text(max_size=3),
)


class Held:
    """A state with its codes, filled one way."""

    def __init__(self, way: Callable[..., Callable[[Event, int], None]], *keys: str) -> None:
        self.codes: dict[object, int] = {}
        self.state = State([column.scale for column in COLUMNS], OUTPUTS)
        self.take = way(self.state, self.codes, self.new_code, keys, "at", COLUMNS)

    def new_code(self, key: object) -> int:
        self.codes[key] = len(self.codes)
        return self.codes[key]


@given(st.lists(sales, max_size=30), st.sampled_from([("customer",), ("customer", "shop")]))
def test_both_ways_hold_the_same(events: list[Sale], keys: tuple[str, ...]) -> None:
    compiled, plain = Held(intake, *keys), Held(plain_intake, *keys)
    for position, event in enumerate(events):
        compiled.take(event, position)
        plain.take(event, position)

    assert compiled.codes == plain.codes
    assert compiled.state.dump() == plain.state.dump()


class Odd:
    """What the contract would not let through."""

    customer, shop, at, pieces, paid, note = "a", 1, Instant(1), 1, True, ""

    def __init__(self, **values: object) -> None:
        self.__dict__.update({"amount": 1.0} | values)


@pytest.mark.parametrize(
    "values",
    [
        {"amount": float("nan")},
        {"amount": float("inf")},
        {"amount": 1e300},
        {"amount": "1"},
        {"pieces": 2**53 + 1},
        {"pieces": None},
        {"at": Instant(2**62 + 1)},
        {"customer": []},
    ],
)
@pytest.mark.parametrize("way", [intake, plain_intake])
def test_what_cannot_be_held_is_refused_and_leaves_no_event(
    way: Callable[..., Callable[[Event, int], None]], values: dict[str, object]
) -> None:
    held = Held(way, "customer")

    with pytest.raises((ValueError, TypeError, OverflowError)):
        held.take(Odd(**values), 0)  # pyright: ignore[reportArgumentType] on purpose

    assert held.state.events() == 0


def test_errors_within_a_callback_come_through() -> None:
    held = Held(intake, "customer")
    with pytest.raises(AttributeError):
        held.take(object(), 0)  # pyright: ignore[reportArgumentType] on purpose
    held.codes["a"] = 2**31
    with pytest.raises(ValueError, match="code"):
        held.take(Odd(), 0)  # pyright: ignore[reportArgumentType] on purpose


def test_a_state_nobody_holds_goes_though_its_intake_names_its_owner() -> None:
    held = Held(intake, "customer")
    gone = weakref.ref(held)
    del held
    gc.collect()

    assert gone() is None


def test_wrong_arguments_are_named() -> None:
    held = Held(intake, "customer")
    with pytest.raises(TypeError, match="expected a State"):
        Intake(3, {}, held.new_code, ["customer"], "at", [])  # pyright: ignore[reportArgumentType] on purpose
    with pytest.raises(ValueError, match="0 fields for 5 columns"):
        Intake(held.state, {}, held.new_code, ["customer"], "at", [])
    with pytest.raises(TypeError):
        Intake(held.state, {}, held.new_code, ["customer"], "at", [(1, 2.0, None)] * 5)  # pyright: ignore[reportArgumentType] on purpose
    with pytest.raises(TypeError, match="takes 2 arguments"):
        held.take(Odd())  # pyright: ignore[reportCallIssue, reportArgumentType] on purpose
