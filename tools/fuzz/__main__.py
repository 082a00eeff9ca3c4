"""`python -m tools.fuzz`: one run against a server, and one JSON line of what came of it.

The good requests in between are for the decision of `tests/cli_app.py`; another server
refuses them, which is told as a finding.
"""

import argparse
import json
import sys

import httpx

from tools.fuzz.run import Target, fuzz

_PAGES = (
    "/", "/login", "/logout", "/records", "/records/x", "/inbox", "/inbox/x", "/incidents", "/incidents/x", "/models",
    "/models/x/1", "/approvals", "/static/x", "/docs", "/openapi.json", "/metrics", "/health/live", "/health/ready",
)  # fmt: skip


def main() -> None:
    """Read the routes from the server's own description, and send."""
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz", description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--key", default="")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pid", type=int)
    asked = parser.parse_args()
    described = httpx.get(f"{asked.url}/openapi.json").json()["paths"]
    decision = next(path for path in described if path.startswith("/v1/decisions/"))
    paths = (*(path.replace("{id}", "x") for path in described), *_PAGES)
    target = Target(asked.url, asked.key, paths, decision, asked.pid)
    report = fuzz(target, count=asked.count, seed=asked.seed)
    result = {
        "sent": report.sent,
        "kinds": report.kinds,
        "statuses": {str(status): number for status, number in sorted(report.statuses.items())},
        "good": report.good,
        "recorded": len(report.recorded),
        "slow_closed": report.slow_closed,
        "grown_mb": round(report.grown_bytes / 1e6, 1),
        "wall_s": round(report.wall_s, 1),
        "findings": [finding._asdict() for finding in report.findings[:20]],
        "found": len(report.findings),
    }
    print(json.dumps(result))
    sys.exit(1 if report.findings else 0)


main()
