"""A service that cannot work is refused where it is declared, by the name of the field."""

import pickle
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kingpost.calls import (
    ApiKey,
    BadService,
    Bearer,
    Breaker,
    ClientCredentials,
    RateLimit,
    RefreshToken,
    Retries,
    Service,
    Tls,
)

URL = "https://pay.example"


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("name", {"name": ""}),
        ("name", {"name": "a\nb"}),
        ("base_url", {"base_url": "pay.example"}),
        ("base_url", {"base_url": "ftp://pay.example"}),
        ("base_url", {"base_url": "https://"}),
        ("base_url", {"base_url": "https://a:99999/"}),
        ("base_url", {"base_url": "https://me:s3cret@pay.example"}),
        ("base_url", {"base_url": "https://a/#b"}),
        ("base_url", {"base_url": "http://pay.example", "auth": Bearer("s3cret")}),
        ("deadline", {"deadline": "ten"}),
        ("deadline", {"deadline": "0s"}),
        ("deadline", {"deadline": timedelta(seconds=-1)}),
        ("retries.attempts", {"retries": Retries(attempts=0)}),
        ("retries.first_wait", {"retries": Retries(first_wait="x")}),
        ("retries.attempt", {"retries": Retries(attempt="0s")}),
        ("retries.budget", {"retries": Retries(budget=1.5)}),
        ("retries.reserve", {"retries": Retries(reserve=-1)}),
        ("breaker.failures", {"breaker": Breaker(failures=0)}),
        ("breaker.minimum", {"breaker": Breaker(minimum=101)}),
        ("breaker.probes", {"breaker": Breaker(probes=0)}),
        ("breaker.open", {"breaker": Breaker(open="0s")}),
        ("rate_limit.calls", {"rate_limit": RateLimit(0)}),
        ("rate_limit.per", {"rate_limit": RateLimit(1, "0s")}),
        ("bulkhead", {"bulkhead": 0}),
        ("idempotency", {"idempotency": "no header"}),
        ("at_most_once", {"idempotency": "Idempotency-Key", "at_most_once": True}),
        ("auth.header", {"auth": ApiKey("s3cret", "no header")}),
        ("auth.token_url", {"auth": ClientCredentials("login", "me", "s3cret")}),
        ("auth.token_url", {"auth": ClientCredentials("http://login.example", "me", "s3cret")}),
        ("auth.client_id", {"auth": RefreshToken(URL, "", "s3cret")}),
        ("tls.key", {"tls": Tls(key=Path("key.pem"))}),
        ("max_answer_bytes", {"max_answer_bytes": 0}),
    ],
)
def test_a_declaration_that_cannot_work_is_refused(field: str, changes: dict[str, Any]) -> None:
    given: dict[str, Any] = {"name": "pay", "base_url": URL, **changes}

    with pytest.raises(BadService) as caught:
        Service(**given)

    assert caught.value.field == field
    assert "s3cret" not in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_secrets_may_go_in_the_open_only_where_that_is_said_or_stays_on_the_machine() -> None:
    local = Service("pay", "http://127.0.0.1:8080", auth=Bearer("x"))
    said = Service("pay", "http://pay.cluster", auth=Bearer("x"), tls=None)

    assert (local.auth, said.tls) == (Bearer("x"), None)
    with pytest.raises(BadService, match="https"):
        Service("pay", "http://pay.cluster", auth=Bearer("x"))


def test_times_may_be_written_both_ways() -> None:
    assert Service("pay", URL, deadline=timedelta(milliseconds=1500)).deadline_s == 1.5
    assert Service("pay", URL).deadline_s == 10
