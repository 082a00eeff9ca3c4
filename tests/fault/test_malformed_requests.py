"""Ten thousand malformed requests: the server stands them, and nothing acknowledged is lost."""

from pathlib import Path

from tests.cli_app import PreparedShop, kingpost
from tests.served_shop import ServedShop, recorded
from tools.fuzz import Target, fuzz

COUNT = 10_000
MOST_GROWTH_BYTES = 128 << 20
PAGES = (
    "/", "/login", "/login/oidc", "/login/oidc/callback", "/logout", "/records", "/records/x", "/inbox", "/inbox/x",
    "/incidents", "/incidents/x", "/models", "/models/risk/1", "/decisions/risk", "/decisions/risk/features/amount",
    "/approvals", "/static/x", "/docs", "/docs/x", "/openapi.json", "/metrics", "/health/live", "/health/ready", "/v1/x",
)  # fmt: skip


def test_a_server_stands_malformed_requests_and_loses_nothing(
    prepared_shop: PreparedShop, tmp_path: Path
) -> None:
    secret = prepared_shop.copied(tmp_path)
    with ServedShop(tmp_path, secret) as server:
        described: dict[str, object] = server.client.get("/openapi.json").json()["paths"]
        paths = (*(path.replace("{id}", "x") for path in described), *PAGES)
        target = Target(server.url, secret, paths, "/v1/decisions/risk", server.process.pid)

        report = fuzz(target, count=COUNT, seed=7)

        assert report.findings == []
        assert report.sent == COUNT
        assert report.good > 50
        assert report.slow_closed == 48
        assert report.grown_bytes < MOST_GROWTH_BYTES
        assert server.is_ready()
        for identifier in list(report.recorded)[::20]:
            assert server.client.get(f"/v1/records/{identifier}").status_code == 200
        assert server.end() == 0
    log = server.log.read_text()
    assert "Traceback" not in log
    records = recorded(tmp_path)
    assert {key: records.get(key) for key in report.recorded} == report.recorded
    assert kingpost(tmp_path, "verify", "--json")["different"] == 0
