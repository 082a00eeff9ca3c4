"""Whatever a service does: deadlines hold, limits hold, and nothing unsafe is sent twice."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kingpost.calls import (
    Breaker,
    Broken,
    Call,
    CallAnswer,
    ClientCredentials,
    RateLimit,
    Retries,
    Service,
)
from kingpost.calls.breaker import CircuitBreaker, Refusal
from kingpost.core import KingpostError
from tests.virtual_service import Slow, VirtualService, answer

URL = "https://pay.example"
TOKEN_URL = "https://login.example/token"


def answered(status: int, wait_s: int) -> CallAnswer:
    return answer(status, retry_after=str(wait_s)) if wait_s else answer(status)


statuses = st.sampled_from([200, 201, 400, 401, 404, 408, 425, 429, 500, 502, 503, 504])
answers = st.builds(answered, statuses, st.integers(0, 20))
brokens = st.sampled_from([Broken("lost", "ReadError"), Broken("unsent", "ConnectError")])
outcomes = st.builds(Slow, st.one_of(answers, brokens), st.floats(0, 15, allow_nan=False))
scripts = st.lists(outcomes, min_size=1, max_size=12)
methods = st.sampled_from(["GET", "PUT", "DELETE", "POST", "PATCH"])
chances = st.floats(0, 1)


def service(deadline_ms: int, **changes: object) -> Service:
    return Service("pay", URL, deadline=f"{deadline_ms}ms", **changes)  # pyright: ignore[reportArgumentType]: a field of its kind


@given(
    script=scripts,
    method=methods,
    deadline_ms=st.integers(1, 20_000),
    chance=chances,
    knows_keys=st.booleans(),
    has_token=st.booleans(),
    limit=st.none() | st.builds(RateLimit, st.integers(1, 3), st.just("3s")),
    calls=st.integers(1, 4),
)
def test_no_call_ends_after_its_deadline(
    script: Sequence[Slow],
    method: str,
    deadline_ms: int,
    chance: float,
    knows_keys: bool,
    has_token: bool,
    limit: RateLimit | None,
    calls: int,
) -> None:
    there = VirtualService(*script)
    client = there.client(
        service(
            deadline_ms,
            idempotency="Idempotency-Key" if knows_keys else "",
            at_most_once=not knows_keys,
            rate_limit=limit,
            auth=ClientCredentials(TOKEN_URL, "me", "s3cret") if has_token else None,
        ),
        random=lambda: chance,
    )

    for _ in range(calls):
        start_s = there.time.passed_s
        try:
            client.call(Call(method))
        except KingpostError:
            pass
        assert there.time.passed_s - start_s <= deadline_ms / 1000 + 1e-6


@given(script=scripts, method=st.sampled_from(["POST", "PATCH", "post"]), chance=chances)
def test_what_may_have_been_done_is_never_sent_again_without_a_key(
    script: Sequence[Slow], method: str, chance: float
) -> None:
    there = VirtualService()
    came: list[CallAnswer | Broken] = []
    left = list(script)

    def answers_of(_: object) -> Slow:
        one = left.pop(0) if len(left) > 1 else left[0]
        came.append(one.outcome if one.takes_s < 10 else Broken("lost", "late"))
        return one

    there.answers = answers_of
    client = there.client(service(10_000, at_most_once=True), random=lambda: chance)
    try:
        client.call(Call(method))
    except KingpostError:
        pass

    assert all(isinstance(one, Broken) and one.kind == "unsent" for one in came[:-1])


@given(script=scripts, chance=chances)
def test_a_call_that_is_sent_again_keeps_its_key(script: Sequence[Slow], chance: float) -> None:
    there = VirtualService(*script)
    client = there.client(service(20_000, idempotency="Idempotency-Key"), random=lambda: chance)
    try:
        client.post()
    except KingpostError:
        pass

    assert len({sent.headers["idempotency-key"] for sent in there.sent}) <= 1


@given(
    calls=st.integers(1, 5),
    per_ms=st.integers(1, 5000),
    waits_ms=st.lists(st.integers(0, 3000), min_size=1, max_size=40),
    script=st.lists(answers, min_size=1, max_size=5),
)
def test_no_stretch_of_time_has_more_calls_than_the_limit(
    calls: int, per_ms: int, waits_ms: Sequence[int], script: Sequence[CallAnswer]
) -> None:
    there = VirtualService(*script)
    client = there.client(service(20_000, rate_limit=RateLimit(calls, f"{per_ms}ms"), breaker=None))

    for wait_ms in waits_ms:
        there.time.sleep(wait_ms / 1000)
        try:
            client.get()
        except KingpostError:
            pass

    at_us = [round(at_s * 1e6) for at_s in there.at_s]
    for first, later in zip(at_us, at_us[calls:], strict=False):
        assert later - first >= per_ms * 1000


@given(budget=st.floats(0, 1), reserve=st.integers(0, 10), calls=st.integers(1, 60))
def test_further_attempts_stay_within_their_share_of_calls(
    budget: float, reserve: int, calls: int
) -> None:
    there = VirtualService(answer(503))
    retries = Retries(attempts=5, budget=budget, reserve=reserve)
    client = there.client(service(60_000, breaker=None, retries=retries))

    for _ in range(calls):
        try:
            client.get()
        except KingpostError:
            pass

    assert len(there.sent) - calls <= reserve + budget * calls + 1e-6


class BreakerRules(RuleBasedStateMachine):
    """The breaker, beside what its description says."""

    RULE = Breaker(window="10s", calls=6, minimum=3, failures=0.5, open="5s", probes=2)

    def __init__(self) -> None:
        super().__init__()
        self.breaker = CircuitBreaker(self.RULE)
        self.now_ns = 0
        self.under_way: list[tuple[int, str]] = []
        self.outcomes: list[tuple[int, bool]] = []
        self.opened_ns = 0

    @rule(seconds=st.floats(0, 12))
    def wait(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)

    @rule()
    def call(self) -> None:
        before = self.breaker.state
        is_over = self.now_ns >= self.opened_ns + 5_000_000_000
        admitted = self.breaker.admit(self.now_ns)
        if before == "closed":
            assert not isinstance(admitted, Refusal)
        if before == "open":
            assert isinstance(admitted, Refusal) is not is_over
        if isinstance(admitted, Refusal):
            assert 0 < admitted <= 5
        else:
            self.under_way.append((admitted, self.breaker.state))
        if before == "open" and is_over:
            assert self.breaker.state == "half_open"

    @precondition(lambda self: self.under_way)
    @rule(which=st.integers(0, 100), failed=st.sampled_from([True, False, None]))
    def end(self, which: int, failed: bool | None) -> None:
        turn, state = self.under_way.pop(which % len(self.under_way))
        before, is_current = self.breaker.state, turn == self.turn()
        self.breaker.note(turn, self.now_ns, failed=failed)
        after = self.breaker.state
        if not is_current:
            assert after == before  # what began in another state says nothing of this one
        elif state == "half_open" and failed:
            assert after == "open"
        elif state == "closed":
            self.note_closed(failed, after)
        if after == "open" and before != "open":
            self.opened_ns = self.now_ns
        if after != before:
            self.outcomes.clear()

    def turn(self) -> int:
        return self.breaker._turn  # pyright: ignore[reportPrivateUsage]: to compare with the model

    def note_closed(self, failed: bool | None, after: str) -> None:
        if failed is None:
            assert after == "closed"
            return
        self.outcomes.append((self.now_ns, failed))
        recent = [one for at, one in self.outcomes if at > self.now_ns - 10_000_000_000][-6:]
        is_bad = failed and len(recent) >= 3 and sum(recent) >= 0.5 * len(recent)
        assert (after == "open") is is_bad

    @invariant()
    def few_probes_are_under_way(self) -> None:
        if self.breaker.state == "half_open":
            current = [turn for turn, _ in self.under_way if turn == self.turn()]
            assert len(current) <= 2


TestBreaker = BreakerRules.TestCase
TestBreaker.settings = settings(max_examples=100, stateful_step_count=30)
