"""A server on Ray Serve decides and records as one of its own, and lets its data go at the end."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from kingpost.core import SystemClock, SystemDisk
from kingpost.journal import Journal
from tests.cli_app import PreparedShop
from tests.served_shop import order, recorded

# a proxy that is not ready in 5 s, as on a busy machine, would be killed and begun anew
RAY = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
    "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "60",
}
SCRIPT = """
import json
import sys

import httpx
import ray
from ray import serve

from kingpost.cli.on_ray import server

port, secret, *orders = sys.argv[1:]
ray.init(num_cpus=2, include_dashboard=False, logging_level="ERROR")
serve.start(http_options={"host": "127.0.0.1", "port": int(port)})
serve.run(server({"app": "shop_app.py", "config": "kingpost.toml"}), route_prefix="/")
with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
    client.headers["authorization"] = f"Bearer {secret}"
    answers = [client.post("/v1/decisions/risk", content=one).json() for one in orders]
    record = client.get("/v1/records/" + answers[0]["id"]).json()
    told = {"answers": answers, "record": record["id"], "other": client.get("/nowhere").status_code}
serve.shutdown()
ray.shutdown()
print(json.dumps(told))
"""


def test_a_server_on_ray_decides_and_records(prepared_shop: PreparedShop, tmp_path: Path) -> None:
    pytest.importorskip("ray.serve", reason="the extra ray is not installed", exc_type=ImportError)
    secret = prepared_shop.copied(tmp_path)
    (tmp_path / "kingpost.toml").write_text(f'data_dir = "{tmp_path / "data"}"\n')
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    before = recorded(tmp_path)
    orders = [order(f"o{number}", number).decode() for number in range(3)]

    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(port), secret, *orders],
        env=os.environ | RAY, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip

    assert run.returncode == 0, run.stderr
    told = msgspec.json.decode(run.stdout.splitlines()[-1])
    assert told["record"] == told["answers"][0]["id"]
    made = {one["id"]: one["answer"] for one in told["answers"]}
    assert recorded(tmp_path) == before | made
    Journal.open(
        tmp_path / "data" / "journal" / "data", disk=SystemDisk(), clock=SystemClock()
    ).close()
