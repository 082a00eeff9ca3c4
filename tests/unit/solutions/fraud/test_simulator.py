"""The simulated card business has the shape of the real file and is the same every time."""

from pathlib import Path

import duckdb
import numpy as np
import pytest

from solutions.fraud.simulator import (
    CARD_DAYS,
    HIGH_AMOUNT,
    REACH,
    TERMINAL_DAYS,
    Simulation,
    Table,
    main,
    simulate,
)

SMALL = Simulation(days=40, customers=200, terminals=300)


@pytest.fixture(scope="module")
def table() -> Table:
    return simulate(SMALL)


def test_one_seed_gives_one_table_and_another_seed_another(table: Table) -> None:
    again = simulate(SMALL)
    other = simulate(Simulation(SMALL.days, SMALL.customers, SMALL.terminals, seed=8))

    assert all(np.array_equal(table[name], again[name]) for name in table)
    assert not np.array_equal(table["TX_AMOUNT"][:100], other["TX_AMOUNT"][:100])


def test_rows_are_in_the_order_of_time_within_the_days_asked_for(table: Table) -> None:
    times = table["TX_DATETIME"].astype("datetime64[us]")

    assert np.all(times[1:] >= times[:-1])
    assert times[0] >= np.datetime64("2018-04-01")
    assert times[-1] < np.datetime64("2018-05-11")
    assert table["TRANSACTION_ID"].tolist() == list(range(len(times)))


def test_amounts_are_whole_cents_and_above_zero(table: Table) -> None:
    amounts = table["TX_AMOUNT"].astype(np.float64)

    assert amounts.min() > 0
    assert np.abs(amounts * 100 - np.rint(amounts * 100)).max() < 1e-6


def test_a_high_amount_is_always_fraud(table: Table) -> None:
    high = table["TX_AMOUNT"].astype(np.float64) > HIGH_AMOUNT

    assert high.any()
    assert table["TX_FRAUD"][high].all()


def test_a_compromised_terminal_turns_every_payment_to_fraud_for_four_weeks(table: Table) -> None:
    day = (table["TX_DATETIME"].astype("datetime64[D]") - np.datetime64("2018-04-01")).astype(int)
    bad = np.flatnonzero(table["TX_FRAUD_SCENARIO"] == 2)
    terminal, first = table["TERMINAL_ID"][bad[0]], day[bad[0]]

    there = (table["TERMINAL_ID"] == terminal) & (day >= first)
    there &= day < first + TERMINAL_DAYS - int(first)  # whenever in the first days it began

    assert table["TX_FRAUD"][there].all()


def test_a_compromised_card_pays_far_more_than_usual_now_and_then(table: Table) -> None:
    stolen = table["TX_FRAUD_SCENARIO"] == 3
    amounts = table["TX_AMOUNT"].astype(np.float64)
    cards = table["CUSTOMER_ID"][stolen]
    usual = np.array([amounts[(table["CUSTOMER_ID"] == c) & ~stolen].mean() for c in cards])

    assert 3 < np.median(amounts[stolen] / usual) < 7
    assert 0 < stolen.mean() < CARD_DAYS / SMALL.days


def test_customers_pay_at_terminals_near_them(table: Table) -> None:
    """Few of many terminals lie within reach, so each customer sees a few per cent of them."""
    reached = [len(np.unique(table["TERMINAL_ID"][table["CUSTOMER_ID"] == c])) for c in range(200)]

    share_in_reach = np.pi * REACH**2 / 100**2
    assert np.mean(reached) < 3 * share_in_reach * SMALL.terminals


def test_the_full_size_has_a_last_week_of_more_than_66_000_payments() -> None:
    """The size is what the demonstration needs: the demo serves the last week."""
    size = Simulation()
    expected = size.customers * 1.94 * 7

    assert expected - 4 * expected**0.5 > 66_000


def test_the_command_writes_a_parquet_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "transactions.parquet"
    few = ["--days", "3", "--customers", "20", "--terminals", "5", "--seed", "1"]

    assert main(["--out", str(file), *few]) == 0

    with duckdb.connect() as connection:
        columns = connection.execute("SELECT * FROM read_parquet(?)", [str(file)]).fetchnumpy()
    expected = simulate(Simulation(3, 20, 5, 1))
    assert columns.keys() == expected.keys()
    assert all(np.array_equal(columns[name], expected[name]) for name in expected)
    assert "transactions" in capsys.readouterr().err


def test_no_days_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--out", str(tmp_path / "x.parquet"), "--days", "0"])

    assert "--days must be at least 1" in capsys.readouterr().err
