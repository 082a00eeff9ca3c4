"""The routes of the catalogue, as the API's description has them."""

from kingpost.serving.feature_documents import FeatureDocument, FeaturesDocument, FeaturesQuery
from kingpost.serving.openapi_review import Described

__all__ = ["FEATURE_OPERATIONS"]

_CODES = ("not_configured", "internal_error", "monitor_store_failed")

FEATURE_OPERATIONS = (
    Described(
        "/v1/features",
        "get",
        "features",
        "List the features that are declared: what each is, who owns and who uses it",
        FeaturesDocument,
        (*_CODES, "bad_parameter"),
        query=FeaturesQuery,
    ),
    Described(
        "/v1/features/{name}",
        "get",
        "features",
        "Read a feature: its lineage, its versions, how it was in training and how it is now",
        FeatureDocument,
        (*_CODES, "feature_not_found", "record_search_failed"),
    ),
)
