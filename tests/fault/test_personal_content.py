"""Personal content at a real server: nowhere in the clear, and gone with its key for good."""

import json
import shutil
import signal
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import cast

from tests.cli_app import kingpost
from tests.personal_shop import found_in, personal_of, prepare_personal_shop
from tests.served_shop import ServedShop, until

GONE, KEPT = "c3", "c5"
NUMBERS = count(1)


def body_of(customer: str) -> dict[str, object]:
    number = next(NUMBERS)
    return {
        "id": f"asked-{number}",
        "at": f"2018-08-11T02:00:{number:02d}Z",
        "customer": customer,
        "amount": 20.0,
        **personal_of(customer),
    }


def ask(shop: ServedShop, customer: str) -> str:
    answer = shop.decide(json.dumps(body_of(customer)).encode())
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def content_of(shop: ServedShop, identifier: str) -> Mapping[str, object]:
    record = shop.client.get(f"/v1/records/{identifier}").json()
    assert "event" in record, record
    return cast("Mapping[str, object]", record["event"]["body"])


def do_everything(shop: ServedShop, customer: str) -> str:
    """Send what is personal through every door; return the id of a record."""
    identifier = ask(shop, customer)
    events = [body_of(customer), body_of(customer), {**body_of(customer), "amount": "wrong"}]
    taken = shop.client.post("/v1/events/order", json=events).json()
    assert (taken["accepted"], len(taken["rejected"])) == (2, 1)
    corrected = shop.client.put(
        f"/v1/events/order/{events[0]['id']}", json=events[0] | {"amount": 7.5}
    )
    assert corrected.json() == {"status": "corrected"}
    job = shop.client.post("/v1/decisions/risk/jobs", json=body_of(customer)).json()
    until(
        lambda: shop.client.get(f"/v1/jobs/{job['id']}").json()["state"] == "done",
        "the job is done",
    )
    return identifier


def test_no_file_holds_personal_content_and_what_is_erased_cannot_be_read(tmp_path: Path) -> None:
    secret = prepare_personal_shop(tmp_path)
    data, log, out = tmp_path / "data", tmp_path / "server.log", tmp_path / "out"
    out.mkdir()
    texts = [text for one in (GONE, KEPT) for text in personal_of(one).values()]
    assert found_in([tmp_path / "orders.csv"], texts), "it can be found"
    with ServedShop(tmp_path, secret) as shop:
        records = {one: do_everything(shop, one) for one in (GONE, KEPT)}
        for customer, identifier in records.items():
            body = content_of(shop, identifier)
            assert body["name"] == personal_of(customer)["name"]
            assert str(body["email"]).startswith("hmac-sha256:")
            assert body["iban"] == "[dropped]"
        assert found_in([data, log], texts) == []

        shop.end(signal.SIGKILL)
    with ServedShop(tmp_path, secret) as shop:
        assert content_of(shop, records[GONE])["name"] == personal_of(GONE)["name"]
        verified = kingpost(tmp_path, "verify", "--json")
        assert (verified["different"], verified["erased"]) == (0, 0)
        kingpost(tmp_path, "hold", "customer", GONE, "--reason", "claim 7", "--url", shop.url,
                 "--json", KINGPOST_API_KEY=secret)  # fmt: skip
        asked = {"entity": "customer", "key": GONE}
        refused = shop.client.post("/v1/erasures", json=asked)
        assert (refused.status_code, refused.json()["code"]) == (409, "under_legal_hold")
        kingpost(tmp_path, "hold", "customer", GONE, "--release", "--url", shop.url, "--json",
                 KINGPOST_API_KEY=secret)  # fmt: skip
        held = kingpost(tmp_path, "holds", "--url", shop.url, "--json", KINGPOST_API_KEY=secret)
        assert len(cast("list[object]", held["holds"])) == 2
        kingpost(tmp_path, "erase", "customer", GONE, "--yes", "--url", shop.url, "--json",
                 KINGPOST_API_KEY=secret)  # fmt: skip
        assert content_of(shop, records[GONE])["name"] == "[erased]"
        assert content_of(shop, records[KEPT])["name"] == personal_of(KEPT)["name"]
        later = ask(shop, GONE)  # who comes back has a key anew
        assert content_of(shop, later)["name"] == personal_of(GONE)["name"]
        shop.end(signal.SIGKILL)

    with ServedShop(tmp_path, secret) as shop:
        assert content_of(shop, records[GONE])["name"] == "[erased]"
        assert content_of(shop, later)["name"] == personal_of(GONE)["name"]
        shop.end()

    kingpost(tmp_path, "snapshot", "shop_app.py", "--json")
    kingpost(tmp_path, "backfill", "shop_app.py", "--out", str(out / "past.parquet"), "--json")
    kingpost(tmp_path, "score", "shop_app.py", "risk", "orders.csv",
             "--out", str(out / "scored"), "--json")  # fmt: skip
    exported = kingpost(tmp_path, "export", "--out", str(out / "export"), "--json")
    assert cast("int", exported["records"]) == 5
    clear = out / "clear"
    kingpost(tmp_path, "export", "--out", str(clear), "--subject", f"customer={KEPT}",
             "--with-personal", "--json")  # fmt: skip
    assert found_in([clear / "records.jsonl"], [personal_of(KEPT)["name"]])
    shutil.rmtree(clear)
    verified = kingpost(tmp_path, "verify", "--json")
    assert verified["different"] == 0
    assert cast("int", verified["erased"]) >= 2
    replayed = kingpost(tmp_path, "replay", records[GONE], "--json", code=1)
    assert (replayed["is_erased"], replayed["erased_fields"]) == (True, ["name"])
    assert found_in([data, log, out], texts) == []
