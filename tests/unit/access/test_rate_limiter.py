"""Limits per principal: what fits is let in, what does not takes nothing."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kingpost.access import NO_LIMITS, Limits, Principal, RateLimited, RateLimiter
from kingpost.access.rate_limiter import PRINCIPALS_HELD
from kingpost.core import Rate, rate_of
from tests.tiny_app import FakeClock


def who(name: str = "a1", *, tenant: str = "acme", **rates: str) -> Principal:
    limits = Limits(**{kind: rate_of(text) for kind, text in rates.items()})
    return Principal(name, tenant, frozenset({"decide"}), limits=limits or None)


def told(limiter: RateLimiter, principal: Principal, **amounts: float) -> dict[str, str]:
    fields = limiter.take(principal, **amounts)  # pyright: ignore[reportArgumentType]
    return {name.decode(): value.decode() for name, value in fields}


def test_who_has_no_limits_is_told_nothing() -> None:
    assert RateLimiter(FakeClock()).take(who()) == ()


def test_every_answer_tells_what_is_left_of_each_limit() -> None:
    limiter = RateLimiter(FakeClock())
    principal = who(requests="10/s", rows="1000/h", cost="5/m")

    fields = told(limiter, principal, rows=100, cost=2)

    assert fields == {
        "ratelimit": '"requests";r=9;t=1, "rows";r=900;t=360, "cost";r=3;t=24',
        "ratelimit-policy": '"requests";q=10;w=1, "rows";q=1000;w=3600, "cost";q=5;w=60',
    }


def test_a_bucket_is_emptied_refused_and_filled_evenly() -> None:
    clock = FakeClock()
    limiter, principal = RateLimiter(clock), who(requests="10/s")
    for _ in range(10):
        limiter.take(principal)

    with pytest.raises(RateLimited) as refused:
        limiter.take(principal)
    clock.advance(0.1)
    limiter.take(principal)
    with pytest.raises(RateLimited):
        limiter.take(principal)

    assert (refused.value.limit, refused.value.rate) == ("requests", "10/s")
    assert refused.value.retry_after_s == 1
    assert dict(refused.value.fields)[b"ratelimit"] == b'"requests";r=0;t=1'


def test_what_is_refused_takes_nothing_from_any_limit() -> None:
    limiter, principal = RateLimiter(FakeClock()), who(requests="10/s", cost="5/s")
    limiter.take(principal, cost=4)

    with pytest.raises(RateLimited, match="limit on cost"):
        limiter.take(principal, cost=4)

    assert told(limiter, principal, cost=1)["ratelimit"].startswith('"requests";r=8;')


def test_more_at_once_than_there_ever_is_says_to_ask_for_less() -> None:
    limiter, principal = RateLimiter(FakeClock()), who(rows="10/s")

    with pytest.raises(RateLimited, match="ask for less at once") as refused:
        limiter.take(principal, rows=11)

    assert refused.value.retry_after_s == 0


def test_principals_and_tenants_do_not_share() -> None:
    limiter = RateLimiter(FakeClock())
    for each in (who(requests="1/s"), who("b2", requests="1/s"), who(tenant="x", requests="1/s")):
        limiter.take(each)
        with pytest.raises(RateLimited):
            limiter.take(each)


def test_a_key_that_is_looked_up_again_keeps_what_it_took() -> None:
    limiter = RateLimiter(FakeClock())
    limiter.take(who(requests="2/s"))

    assert told(limiter, who(requests="2/s"))["ratelimit"] == '"requests";r=0;t=1'


def test_a_changed_limit_keeps_what_was_taken_of_the_others() -> None:
    limiter = RateLimiter(FakeClock())
    limiter.take(who(requests="2/s", rows="10/s"))

    with pytest.raises(RateLimited):
        limiter.take(who(requests="2/s", rows="20/s"), requests=2)


def test_a_limiter_holds_so_many_principals_and_forgets_those_with_full_buckets() -> None:
    clock = FakeClock()
    limiter, busy = RateLimiter(clock), who("busy", requests="1/h")
    for at in range(PRINCIPALS_HELD - 1):
        limiter.take(who(str(at), requests="1/s"))
    clock.advance(2)
    limiter.take(busy)

    limiter.take(who("another", requests="1/s"))

    with pytest.raises(RateLimited):
        limiter.take(busy)
    assert len(vars(limiter)["_held"]) < PRINCIPALS_HELD


asked = st.lists(
    st.tuples(st.integers(0, 3_000), st.integers(0, 6), st.integers(0, 6)), max_size=60
)


@given(asked=asked, number=st.integers(1, 9))
def test_within_any_time_never_more_passes_than_a_bucket_and_what_flows_in(
    asked: list[tuple[int, int, int]], number: int
) -> None:
    clock = FakeClock()
    limiter = RateLimiter(clock)
    principal = who(requests=f"{number}/s")
    passed: list[tuple[float, int]] = []
    for wait_ms, amount, _ in asked:
        clock.advance(wait_ms / 1000)
        before_s = clock.ns / 1e9
        level = number - _used(passed, number, before_s)
        try:
            limiter.take(principal, requests=amount)
        except RateLimited:
            assert amount > level - 1e-6, "what fits is let in"
        else:
            assert amount <= level + 1e-6, "what does not fit is refused"
            passed.append((before_s, amount))


def _used(passed: list[tuple[float, int]], number: int, now_s: float) -> float:
    """Say how empty a bucket is that `number` a second flow into, by the plain definition."""
    used, last_s = 0.0, 0.0
    for at_s, amount in passed:
        used = max(0.0, used - (at_s - last_s) * number) + amount
        last_s = at_s
    return max(0.0, used - (now_s - last_s) * number)


def test_limits_are_stored_as_text_and_an_own_one_goes_first() -> None:
    limits = Limits(requests=Rate(3, 1_000_000), cost=rate_of("9/h"))

    assert Limits.from_text(limits.to_text()) == limits
    assert Limits.from_text("") == NO_LIMITS
    assert not NO_LIMITS
    assert limits.over(Limits(rows=rate_of("1/s"), cost=rate_of("1/s"))) == limits._replace(
        rows=rate_of("1/s")
    )


def test_the_error_survives_pickling() -> None:
    error = RateLimited("rows", "10/s", 3, ((b"a", b"b"),))

    again = pickle.loads(pickle.dumps(error))

    assert (str(again), again.fields) == (str(error), error.fields)
