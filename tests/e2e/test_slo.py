"""Objectives: declared with the decision, told by the command, the metrics and the API."""

import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.cli_app import SOURCE, kingpost
from tests.e2e.test_cli import ORDER, ask, running
from tests.e2e.test_python_model import RULES

WAIT_S = 60.0
SLOS = (
    '    slos=[kp.slo("answered", 0.999), kp.slo("in-time", 0.99, within="10s", over="28d")],\n)\n'
)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    start, end = SOURCE.index("        trainer="), SOURCE.index("        label=chargebacks")
    source = f"{SOURCE[:start]}        predict=by_amount,\n{SOURCE[end:]}"
    at = source.index("risk = kp.decision")
    source = source[:at] + RULES + source[at:].rstrip().removesuffix(")") + SLOS
    (tmp_path / "shop_app.py").write_text(source)
    kingpost(tmp_path, "models", "register", "shop_app.py", "--json")
    kingpost(tmp_path, "approve", "shop_app.py", "--reason", "a test", "--json")
    return tmp_path


def budgets(shop: Path) -> Mapping[str, Mapping[str, object]]:
    found = kingpost(shop, "slo", "shop_app.py", "--json")["slos"]
    assert isinstance(found, Sequence)
    return {one["objective"]: one for one in found}


def test_failures_spend_the_budget_and_everybody_sees_it(shop: Path) -> None:
    secret = str(kingpost(shop, "keys", "create", "--json")["secret"])
    assert budgets(shop) == {}

    with running(shop) as url:
        for number in range(40):
            amount = 13.0 if number >= 30 else 300.0  # the model breaks on 13
            ask(url, secret, ORDER | {"id": f"o{number}", "amount": amount})
        until = time.monotonic() + WAIT_S
        while not (found := budgets(shop)) or found["answered"]["total"] != 40:
            assert time.monotonic() < until, "the observer did not see all requests"
            time.sleep(0.2)
        with urllib.request.urlopen(f"{url}/metrics", timeout=60) as reply:
            metrics = reply.read().decode()

    answered, in_time = found["answered"], found["in-time"]
    assert (answered["bad"], answered["share"], answered["over_days"]) == (10, 0.999, 30.0)
    assert answered["budget_left"] == pytest.approx(1 - 0.25 / 0.001)
    assert in_time["bad"] == 10, "what failed was not in time either"
    burns = answered["burns"]
    assert isinstance(burns, Sequence)
    assert [burn["rule"] for burn in burns] == ["1h/5m", "6h/30m", "3d/6h"]
    assert all(burn["is_alert"] for burn in burns)
    labels = '{decision="risk",objective="answered",tenant="default"}'
    assert f"kingpost_slo_budget_left{labels} -249" in metrics
    assert 'kingpost_slo_burn_rate{decision="risk",objective="in-time",rule="1h/5m"' in metrics
