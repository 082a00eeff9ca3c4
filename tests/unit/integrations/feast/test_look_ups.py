"""What an imported view gives at a request is what Feast's point-in-time join gives."""

import math
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kingpost.contracts import Event, Instant, batch_of, contract_of
from kingpost.core import Place
from kingpost.features import FeatureSet, History, Requests, feature_matrix
from kingpost.integrations.feast.importer import import_feast
from tests.feast_repositories import DRIVERS, declared, write_repository

DAY = 86_400_000_000
NOON = 1_533_124_800_000_000

rows = st.lists(
    st.tuples(
        st.integers(0, 5),  # days before noon
        st.integers(0, 2),  # driver
        st.none() | st.integers(-9, 9).map(float),
    ),
    max_size=12,
    unique_by=lambda row: row[:2],
)


def joined(held: list[tuple[int, int, float | None]], driver: int) -> float:
    """Join by hand: the driver's latest row by noon, less than its ttl of two days old."""
    found = [(age, rate) for age, one, rate in held if one == driver and age < 2]
    rate = min(found, key=lambda one: one[0])[1] if found else None
    return math.nan if rate is None else rate


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(held=rows)
def test_a_look_up_is_the_latest_row_within_the_ttl(
    tmp_path: Path, held: list[tuple[int, int, float | None]]
) -> None:
    made = import_feast(write_repository(tmp_path / "repo", DRIVERS))
    with declared(made.text, tmp_path) as module:
        contract = contract_of(module.DriverHourlyStats)
        request = contract_of(module.ActivityV2Request)
        features = FeatureSet(request, [module.driver_hourly_stats], Place("here", 1))
        stats: list[Event] = [
            module.DriverHourlyStats(
                id=f"{driver}@{age}",
                event_timestamp=Instant(NOON - age * DAY),
                created=Instant(NOON - age * DAY),
                driver_id=driver,
                conv_rate=rate,
                acc_rate=None,
                avg_daily_trips=3,
                plate=None,
            )
            for age, driver, rate in held
        ]
        asked: list[Event] = [
            module.ActivityV2Request(id=str(driver), at=Instant(NOON), more=1, driver_id=driver)
            for driver in range(3)
        ]
        histories = {
            contract.name: History(batch_of(contract, stats), np.arange(len(stats))),
            request.name: History(batch_of(request, asked), np.arange(100, 103)),
        }

        past = histories[request.name]
        values = feature_matrix(features, Requests(past.events, past.positions), histories)

    np.testing.assert_array_equal(values[:, 0], [joined(held, driver) for driver in range(3)])
    assert features.names[0] == "driver_id_conv_rate"
