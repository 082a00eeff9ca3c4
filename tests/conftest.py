"""What every test stands on: services, a shop, and how hard Hypothesis looks."""

import os

from hypothesis import HealthCheck, settings

pytest_plugins = ["pytester", "tests.cli_app", "tests.services"]

# No limit of time: a machine may be slow. Continuous integration looks at the same examples every time; a developer at new ones.
settings.register_profile("dev", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "ci", settings.get_profile("dev"), derandomize=True, database=None, print_blob=True
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))
