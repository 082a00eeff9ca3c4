"""The routes of erasures, as the API's description has them."""

from kingpost.serving.erasure_routes import ErasedDocument, EraseDocument, ErasuresDocument
from kingpost.serving.hold_routes import HoldAskedDocument, HoldDocument, HoldsDocument
from kingpost.serving.openapi_review import Described

__all__ = ["ERASURE_OPERATIONS"]

_TAG = "erasures"

ERASURE_OPERATIONS = (
    Described(
        "/v1/erasures",
        "get",
        _TAG,
        "List the entities that were erased, the latest first",
        ErasuresDocument,
    ),
    Described(
        "/v1/erasures",
        "post",
        _TAG,
        "Erase an entity: features forget its events, now and in every computation of the past",
        ErasedDocument,
        (
            "bad_body",
            "body_timeout",
            "body_too_large",
            "unsupported_media_type",
            "entity_not_found",
            "erasure_failed",
            "under_legal_hold",
            "journal_failed",
            "journal_full",
            "journal_read_only",
            "journal_closed",
            "engine_stopped",
            "internal_error",
        ),
        body=EraseDocument,
        needs_body=True,
    ),
    Described(
        "/v1/holds",
        "get",
        _TAG,
        "List who is under a legal hold, and who was released, the latest first",
        HoldsDocument,
    ),
    Described(
        "/v1/holds",
        "post",
        _TAG,
        "Let nobody erase an entity, or release it",
        HoldDocument,
        (
            "bad_body",
            "body_timeout",
            "body_too_large",
            "unsupported_media_type",
            "entity_not_found",
            "journal_failed",
            "journal_full",
            "journal_read_only",
            "journal_closed",
            "engine_stopped",
            "internal_error",
        ),
        body=HoldAskedDocument,
        needs_body=True,
    ),
)
