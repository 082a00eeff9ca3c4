"""A column of local times and one local time get the same moment, whatever the clocks do."""

from datetime import datetime, timedelta

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from kingpost.contracts import FIRST_US, LAST_US, Instant, zone_named
from kingpost.integrations.zones import utc_of

ZONES = st.sampled_from(
    [
        "UTC",
        "Europe/Rome",
        "America/New_York",
        "America/Sao_Paulo",
        "Asia/Kolkata",
        "Asia/Tehran",
        "Australia/Lord_Howe",
        "Africa/Monrovia",
        "Pacific/Apia",
        "Europe/Dublin",
        "Atlantic/Azores",
    ]
)
MOMENTS = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31)) | st.datetimes(
    datetime(1850, 1, 1),
    datetime(2040, 1, 1),
)
NEAR_CHANGES = st.sampled_from(
    [datetime(1999, 3, 28), datetime(2018, 10, 28), datetime(2018, 11, 4), datetime(2011, 12, 30)]
).flatmap(lambda day: st.datetimes(day - timedelta(days=1), day + timedelta(days=1)))


@given(moments=st.lists(MOMENTS | NEAR_CHANGES, max_size=20), zone=ZONES)
@example([datetime(2018, 10, 28, 2, 30), datetime(2018, 3, 25, 2, 30)], "Europe/Rome")
@example([datetime(2011, 12, 30, 12), datetime(2011, 12, 31)], "Pacific/Apia")
@example([datetime(2018, 11, 4), datetime(2018, 11, 3, 23, 59)], "America/Sao_Paulo")
def test_a_column_of_local_times_is_read_as_each_of_them(
    moments: list[datetime], zone: str
) -> None:
    local = np.array(moments, "datetime64[us]").astype(np.int64)

    utc = utc_of(local, zone_named(zone))

    assert utc.tolist() == [Instant.parse(moment.isoformat(), zone=zone).us for moment in moments]


def test_a_time_in_no_year_stays_as_it_is() -> None:
    local = np.array([FIRST_US - 1, LAST_US + 1, 2**63 - 1], np.int64)

    assert utc_of(local, zone_named("Europe/Rome")).tolist() == local.tolist()
