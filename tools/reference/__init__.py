"""The reference pages under `docs/reference`, written from the code by `make reference`.

The rule: a page is a function of the source alone, so that the same source gives the same
bytes on every machine. `tests/unit/test_reference.py` says when a page is stale.
"""

from tools.reference.pages import REFERENCE, reference_pages

__all__ = ["REFERENCE", "reference_pages"]
