"""The routes of releases, as the API's description has them."""

from kingpost.serving.openapi_review import Described
from kingpost.serving.release_documents import (
    ReleaseActionDocument,
    ReleaseDocument,
    ReleasesDocument,
    ReleaseValueDocument,
    TakenValueDocument,
)

__all__ = ["RELEASE_OPERATIONS"]

_TAG = "releases"
_BODY = ("bad_body", "body_timeout", "body_too_large", "unsupported_media_type")
_LOG = ("journal_failed", "journal_full", "journal_read_only", "journal_in_use", "internal_error")

RELEASE_OPERATIONS = (
    Described(
        "/v1/releases",
        "get",
        _TAG,
        "List what runs, what is being released and what was",
        ReleasesDocument,
        ("not_configured", "internal_error"),
    ),
    Described(
        "/v1/releases/{decision}",
        "post",
        _TAG,
        "Promote what is being released, or roll back",
        ReleaseDocument,
        (
            *_BODY,
            *_LOG,
            "not_configured",
            "decision_not_found",
            "nothing_released",
            "unknown_bundle",
            "ambiguous_digest",
            "bundle_not_approved",
            "incomplete_approval",
        ),
        body=ReleaseActionDocument,
        needs_body=True,
    ),
    Described(
        "/v1/releases/{decision}/values",
        "post",
        _TAG,
        "Say what an answer was worth, so that a release is judged by it",
        TakenValueDocument,
        (*_BODY, "not_configured", "decision_not_found", "record_not_found", "internal_error"),
        body=ReleaseValueDocument,
        needs_body=True,
    ),
)
