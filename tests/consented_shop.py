"""A shop whose offers need consent: its declarations, what may happen, and what is right then."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from hypothesis import strategies as st

import kingpost as kp
from kingpost.contracts import contract_of
from kingpost.decisions import Application, Ask, Engine, ServedDecision, Windows
from kingpost.features import Histories
from kingpost.journal import scan
from kingpost.records import DecisionRecord
from tests.simulated_disk import SimulatedDisk
from tests.tiny_app import BUNDLE, MODEL, ByAmount, FakeClock, train
from tests.written import written

__all__ = [
    "APPLICATION",
    "CONTRACTS",
    "DATA",
    "NAMES",
    "PERSONAL",
    "PROBES",
    "SNAPSHOTS",
    "House",
    "Model",
    "Permission",
    "Sale",
    "Step",
    "decision",
    "histories_of",
    "lived",
    "steps",
]

DATA, SNAPSHOTS = Path("/journal/data"), Path("/snapshots")
START = "2018-08-01T12:0{}:00Z"


class Sale(kp.Event):
    id: kp.Key[str]
    at: kp.EventTime
    customer: str
    shop: str
    amount: Annotated[float, kp.Range(ge=0), kp.Resolution("0.01")]


class Permission(kp.Event):
    id: kp.Key[str]
    at: kp.EventTime
    customer: str
    purpose: Literal["ads", "news"]
    granted: bool


class Refund(kp.Event):
    sale: kp.Key[str]
    at: kp.EventTime
    known_at: kp.KnownTime
    due: bool


sales, permissions, refunds = kp.stream(Sale), kp.stream(Permission), kp.stream(Refund)
ads = permissions.where("purpose", equals="ads").by("customer").consent("granted", purpose="ads")
own = sales.by("customer").over("1d").features(count=kp.count(), mean=kp.mean("amount"))
for_ads = kp.consented(
    sales.by("customer").over("7d").features(count=kp.count(), mean=kp.mean("amount")), ads
)
in_shop = kp.consented(sales.by("customer", "shop").over("7d").features(count=kp.count()), ads)
by_shop = sales.by("shop").over("7d").features(count=kp.count())


@kp.feature
def share(amount: float, customer_mean_7d: float) -> float:
    return amount / customer_mean_7d


@kp.feature
def night(amount: float) -> float:
    return amount + 1.0


decision = kp.decision(
    "offer",
    request=Sale,
    features=[kp.field("amount"), own, for_ads, in_shop, by_shop, share, kp.consented(night, ads)],
    model=kp.model("offer", trainer=train, label=refunds.label("due")),  # pyright: ignore[reportArgumentType]  never trained
)
CONTRACTS = {one.name: one for one in decision.streams}
APPLICATION = Application(Path(), Path("consent.py"), CONTRACTS, {"offer": decision}, {})
NAMES = decision.features.names
PERSONAL = {
    "customer_count_7d", "customer_mean_7d", "customer_shop_count_7d", "share", "night",
}  # fmt: skip


class Step(NamedTuple):
    """Something that happens."""

    what: Literal["ask", "sell", "say", "correct", "unsay", "unsell", "erase", "kill", "snapshot"]
    number: int
    customer: str
    shop: str
    minute: int
    granted: bool
    purpose: str

    @property
    def amount(self) -> float:
        return 10.25 * (self.number + 1)

    @property
    def sale(self) -> bytes:
        at = START.format(self.minute)
        return (
            f'{{"id":"s{self.number}","at":"{at}","customer":"{self.customer}",'
            f'"shop":"{self.shop}","amount":{self.amount}}}'
        ).encode()

    @property
    def permission(self) -> bytes:
        at = START.format(self.minute)
        return (
            f'{{"id":"p{self.number % 4}","at":"{at}","customer":"{self.customer}",'
            f'"purpose":"{self.purpose}","granted":{str(self.granted).lower()}}}'
        ).encode()


steps = st.lists(
    st.builds(
        Step,
        what=st.sampled_from(
            [
                "ask",
                "sell",
                "sell",
                "say",
                "say",
                "say",
                "correct",
                "unsay",
                "unsell",
                "erase",
                "kill",
                "snapshot",
            ]
        ),
        number=st.integers(0, 40),
        customer=st.sampled_from(["ann", "bob"]),
        shop=st.sampled_from(["s", "t"]),
        minute=st.integers(0, 3),
        granted=st.sampled_from([True, True, False]),
        purpose=st.sampled_from(["ads", "ads", "ads", "news"]),
    ),
    max_size=30,
)
PROBES = [
    Step("ask", 90 + at, customer, "s", 9, granted=True, purpose="ads")
    for at, customer in enumerate(("ann", "bob"))
]


class Model:
    """The plain definition: what is held under each key, and of whom."""

    def __init__(self) -> None:
        self.sales: dict[str, Step | None] = {}
        self.permissions: dict[str, tuple[int, Step, bytes] | None] = {}
        """When each came that counts, what it says, and its body."""
        self.own: dict[str, list[Step]] = {"ann": [], "bob": []}
        self.personal: dict[str, list[Step]] = {"ann": [], "bob": []}
        self.moment = 0

    def consents(self, customer: str) -> bool:
        said = [
            (step.minute, moment, step.granted)
            for moment, step, _ in filter(None, self.permissions.values())
            if step.customer == customer and step.purpose == "ads"
        ]
        return bool(said) and max(said)[2]

    def take(self, step: Step) -> None:
        self.moment += 1
        sale, said = f"s{step.number}", f"p{step.number % 4}"
        match step.what:
            case "ask" | "sell":
                if sale not in self.sales:
                    self.sales[sale] = step
                    self.own[step.customer].append(step)
                    if self.consents(step.customer):
                        self.personal[step.customer].append(step)
            case "say":
                self.permissions.setdefault(said, (self.moment, step, step.permission))
            case "correct":
                held = self.permissions.get(said)
                if held is not None and held[2] != step.permission:
                    self.permissions[said] = (self.moment, step, step.permission)
            case "unsay":
                self.permissions[said] = None
            case "unsell":
                before, self.sales[sale] = self.sales.get(sale), None
                for held in (*self.own.values(), *self.personal.values()):
                    held[:] = [one for one in held if one is not before]
            case "erase":
                self.own[step.customer] = []
                for key, one in self.permissions.items():
                    if one is not None and one[1].customer == step.customer:
                        # its key is taken: another one is a duplicate, a correction counts
                        self.permissions[key] = (one[0], one[1]._replace(purpose="erased"), one[2])
            case "kill" | "snapshot":
                pass
        for customer in ("ann", "bob"):
            if not self.consents(customer):
                self.personal[customer] = []

    def expected(self, probe: Step) -> dict[str, float]:
        own, personal = self.own[probe.customer], self.personal[probe.customer]
        values = {"amount": probe.amount, **_of("customer", "1d", own)}
        if not self.consents(probe.customer):
            return values | dict.fromkeys(PERSONAL, math.nan)
        values |= _of("customer", "7d", personal)
        values["customer_shop_count_7d"] = float(sum(one.shop == "s" for one in personal))
        values["share"] = probe.amount / values["customer_mean_7d"]
        return values | {"night": probe.amount + 1.0}


def _of(key: str, window: str, held: list[Step]) -> dict[str, float]:
    cents = sum(round(step.amount * 100) for step in held)
    mean = cents / (len(held) * 100) if held else math.nan
    return {f"{key}_count_{window}": float(len(held)), f"{key}_mean_{window}": mean}


class House:
    """An engine over a simulated disk, with snapshots.

    Args:
        windows: Opens where its windows are kept, given the disk; in process by default.
        data: The partition that it writes.
    """

    def __init__(
        self,
        disk: SimulatedDisk | None = None,
        *,
        windows: Callable[[SimulatedDisk], Windows | None] = lambda disk: None,
        data: Path = DATA,
    ) -> None:
        self.disk, self.clock = disk or SimulatedDisk(), FakeClock()
        self.records: list[tuple[Step, DecisionRecord]] = []
        self.data, self._windows = data, windows
        self.engine = self._open()

    def _open(self) -> Engine:
        served = {"offer": ServedDecision(decision, BUNDLE, MODEL, ByAmount(), 0.5)}
        return Engine.open(
            self.data,
            APPLICATION,
            served,
            disk=self.disk,
            clock=self.clock,
            snapshots=SNAPSHOTS / self.data.name,
            windows=self._windows(self.disk),
        )

    def take(self, step: Step) -> None:
        engine = self.engine
        match step.what:
            case "ask":
                event = contract_of(Sale).decode(step.sale)
                ask = Ask("offer", "acme", "k", event, step.sale, "0", None, None, 0)
                [reply] = written(lambda landed: engine.decide([ask], landed))
                if reply.record is not None:
                    self.records.append((step, reply.record))
            case "sell" | "say":
                stream = contract_of(Sale) if step.what == "sell" else contract_of(Permission)
                body = step.sale if step.what == "sell" else step.permission
                event = stream.decode(body)
                written(lambda landed: engine.ingest("acme", stream.name, [(event, body)], landed))
            case "correct":
                event = contract_of(Permission).decode(step.permission)
                written(
                    lambda landed: engine.correct(
                        "acme", "permission", event, step.permission, landed
                    )
                )
            case "unsay":
                key = f"p{step.number % 4}"
                written(lambda landed: engine.retract("acme", "permission", key, landed))
            case "unsell":
                key = f"s{step.number}"
                written(lambda landed: engine.retract("acme", "sale", key, landed))
            case "erase":
                written(
                    lambda landed: (
                        engine.erase(
                            "acme", "customer", step.customer, by="k", reason="", landed=landed
                        ),
                        True,
                    )
                )
            case "kill" | "snapshot":
                engine.close()
                if step.what == "snapshot":
                    assert engine.write_snapshot()
                self.disk = self.disk.after_kill()
                self.engine = self._open()


def lived(past: list[Step]) -> Iterator[tuple[House, Model]]:
    """Let things happen to an engine and to the plain definition."""
    house, model = House(), Model()
    for step in past:
        house.take(step)
        model.take(step)
    yield house, model
    house.engine.close()


def histories_of(house: House) -> Histories:
    """Read what a house's journal holds."""
    histories = Histories(CONTRACTS.values())
    for commit in scan(house.data, disk=house.disk):
        histories.add(commit)
    return histories
