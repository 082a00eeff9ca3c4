"""`kill -9` among corrections and retractions: what was acknowledged stays as it was said."""

import signal
import threading
from pathlib import Path

import httpx

from tests.cli_app import PreparedShop, kingpost
from tests.served_shop import ServedShop, order, until

KILLS = 2
CUSTOMERS = 45
JSON = {"content-type": "application/json"}


class Changes:
    """Takes events back and corrects them, one after the other, until the server is gone."""

    def __init__(self, shop: ServedShop, run: int) -> None:
        self.told: dict[str, tuple[str, bytes]] = {}
        """By key: what was acknowledged last, and the event."""
        self._shop, self._run = shop, run
        self._thread = threading.Thread(target=self._send)
        self._thread.start()

    def wait_for(self, acknowledged: int) -> None:
        until(lambda: len(self.told) >= acknowledged, f"{acknowledged} changes are acknowledged")

    def stop(self) -> None:
        self._thread.join(120)
        assert not self._thread.is_alive()

    def _send(self) -> None:
        number = 0
        try:
            while True:
                self._one(f"k{self._run}-{number}", number)
                number += 1
        except httpx.TransportError:
            return

    def _one(self, key: str, number: int) -> None:
        client, path = self._shop.client, f"/v1/events/order/{key}"
        if number % 4 == 3:
            assert client.delete(path).json() == {"status": "held"}
            self.told[key] = ("held", b"")
            return
        assert self._shop.decide(order(key, number)).status_code in (200, 202)
        if number % 4 == 0:
            assert client.delete(path).json() == {"status": "retracted"}
            self.told[key] = ("retracted", b"")
        else:
            body = order(key, number + CUSTOMERS)
            changed = client.put(path, content=body, headers=JSON)
            assert changed.json() == {"status": "corrected"}
            self.told[key] = ("corrected", body)


def test_acknowledged_changes_outlive_a_kill_and_records_come_out_the_same(
    prepared_shop: PreparedShop, tmp_path: Path
) -> None:
    secret = prepared_shop.copied(tmp_path)
    told: dict[str, tuple[str, bytes]] = {}
    for run in range(KILLS):
        with ServedShop(tmp_path, secret) as shop:
            changes = Changes(shop, run)
            changes.wait_for(40 + 7 * run)
            shop.end(signal.SIGKILL)
            changes.stop()
            told |= changes.told

    assert {status for status, _ in told.values()} == {"held", "retracted", "corrected"}
    with ServedShop(tmp_path, secret) as shop:
        for key, (status, body) in told.items():
            path = f"/v1/events/order/{key}"
            if status == "corrected":
                again = shop.client.put(path, content=body, headers=JSON)
            else:
                again = shop.client.delete(path)
            assert again.json() == {"status": "held" if status == "held" else "unchanged"}
        for number in range(CUSTOMERS):
            shop.decide(order(f"after-{number}", number))
        assert shop.end() == 0

    verified = kingpost(tmp_path, "verify", "--json")
    assert verified["different"] == 0
    assert int(str(verified["records"])) > len(told) // 2
