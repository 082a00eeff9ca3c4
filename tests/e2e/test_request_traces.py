"""Spans of requests reach a collector, and lines the access log, of a server of its own."""

import json
from pathlib import Path

import pytest

from tests.cli_app import PreparedShop
from tests.otlp_collector import facts_of, otlp_collector
from tests.served_shop import ServedShop, order

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def test_a_decision_is_traced_and_logged_under_the_id_of_its_record(
    prepared_shop: PreparedShop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = prepared_shop.copied(tmp_path)
    monkeypatch.setenv("KINGPOST_ACCESS_LOG", "1")
    with otlp_collector() as collector:
        monkeypatch.setenv("KINGPOST_TRACE_SAMPLE", "0.000001")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
        with ServedShop(tmp_path, secret) as shop:
            kept = shop.client.post(
                "/v1/decisions/risk",
                content=order("o1", 1),
                headers={"traceparent": f"00-{TRACE}-{PARENT}-01"},
            ).json()
            left = shop.decide(order("o2", 2)).json()
            record = shop.client.get(f"/v1/records/{kept['id']}").json()
            assert shop.end() == 0

    assert record["trace_id"] == TRACE
    assert set(collector.paths) == {"/v1/traces"}
    spans = {span.name: span for span in collector.spans()}
    assert set(spans) == {
        "POST /v1/decisions/risk",
        *(f"kingpost.{stage}" for stage in ("queue", "features", "model", "journal", "answer")),
    }
    whole = spans.pop("POST /v1/decisions/risk")
    assert (whole.trace_id.hex(), whole.parent_span_id.hex()) == (TRACE, PARENT)
    facts = facts_of(whole)
    assert facts["kingpost.record"] == kept["id"]
    assert (facts["kingpost.decision"], facts["kingpost.bundle"]) == ("risk", kept["bundle"])
    assert all(span.parent_span_id == whole.span_id for span in spans.values())
    lines = [json.loads(line) for line in shop.log.read_text().splitlines() if line[:1] == "{"]
    logged = [one for one in lines if one["event"] == "request"]
    assert [(one["route"], one["status"]) for one in logged] == [
        ("/v1/decisions/risk", 200),
        ("/v1/decisions/risk", 200),
        ("/v1/records/{identifier}", 200),
    ]
    assert [one["record"] for one in logged[:2]] == [kept["id"], left["id"]]
    told = b"".join(collector.bodies) + shop.log.read_bytes()
    for hidden in (secret.rpartition("_")[2], record["principal"], "customer", "default"):
        assert hidden.encode() not in told
