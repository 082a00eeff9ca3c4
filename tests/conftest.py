"""What every test stands on: services on demand, and how hard Hypothesis looks."""

import os

from hypothesis import settings

pytest_plugins = ["pytester", "tests.services"]

# Continuous integration looks at the same examples every time; a developer at new ones.
settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, database=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))
