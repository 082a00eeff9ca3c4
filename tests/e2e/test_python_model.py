"""A plain Python model, registered, approved, served and replayed; a failing row fails alone."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tests.cli_app import SOURCE, kingpost
from tests.e2e.test_cli import ORDER, ask, refused, running

RULES = '''

def by_amount(rows):
    """Score by the amount, and break on 13."""
    if (rows[:, 0] == 13).any():
        raise ArithmeticError("an unlucky amount")
    return rows[:, 0] / (rows[:, 0] + 100)


'''


def application(directory: Path) -> None:
    start, end = SOURCE.index("        trainer="), SOURCE.index("        label=chargebacks")
    source = f"{SOURCE[:start]}        predict=by_amount,\n{SOURCE[end:]}"
    at = source.index("risk = kp.decision")
    (directory / "shop_app.py").write_text(source[:at] + RULES + source[at:])


def test_a_function_is_registered_served_recorded_and_replayed(tmp_path: Path) -> None:
    application(tmp_path)
    made = kingpost(tmp_path, "models", "register", "shop_app.py", "--by", "ann", "--json")
    kingpost(tmp_path, "approve", "shop_app.py", "--reason", "a rule of ours", "--json")
    secret = str(kingpost(tmp_path, "keys", "create", "--json")["secret"])
    asked = [
        ORDER | {"id": f"o{at}", "customer": f"c{at}", "amount": 13.0 if at == 5 else 300.0 + at}
        for at in range(12)
    ]

    with running(tmp_path) as url, ThreadPoolExecutor(12) as callers:
        told = list(callers.map(partial(ask, url, secret), asked))

    assert made["version"] == 1
    assert [status for status, _ in told] == [503 if at == 5 else 200 for at in range(12)]
    assert "model_error" in str(told[5][1])
    first = told[0][1]
    assert first["answer"] == {"fraud": True, "score": 0.75}
    assert kingpost(tmp_path, "replay", str(first["id"]), "--json")["is_equal"] is True
    assert kingpost(tmp_path, "verify", "--json")["different"] == 0
    assert "not_explainable" in refused(tmp_path, "explain", str(first["id"]))
    shown = kingpost(tmp_path, "models", "show", "shop_app.py", "--json")
    assert (shown["batching"], shown["parameters"]) == (
        "any",
        {"imported": "python", "name": "by_amount"},
    )


def test_a_changed_function_does_not_run_and_is_neither_trained_nor_imported(
    tmp_path: Path,
) -> None:
    application(tmp_path)
    kingpost(tmp_path, "models", "register", "shop_app.py", "--json")
    kingpost(tmp_path, "approve", "shop_app.py", "--reason", "a rule of ours", "--json")
    file = tmp_path / "shop_app.py"
    file.write_text(file.read_text().replace("+ 100", "+ 50"))

    assert "code" in refused(tmp_path, "run", "shop_app.py", "--port", "0")
    assert "[no_trainer]" in refused(tmp_path, "train", "shop_app.py")
    (tmp_path / "model.onnx").write_bytes(b"x")
    assert "[bad_model" in refused(tmp_path, "models", "import", "model.onnx", "shop_app.py")
