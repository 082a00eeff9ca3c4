"""The routes of jobs, as the API's description has them."""

from kingpost.serving.job_documents import (
    JobDecidedDocument,
    JobDocument,
    JobQueryDocument,
    JobsDocument,
)
from kingpost.serving.openapi_review import Described

__all__ = ["JOB_DOCUMENTS", "JOB_EVENTS_CODES", "JOB_OPERATIONS", "SUBMIT_CODES"]

_TAG = "jobs"
_ONE = "/v1/jobs/{id}"
_STORE = ("not_configured", "job_store_failed", "internal_error")

SUBMIT_CODES = (
    *_STORE,
    "bad_header",
    "bad_parameter",
    "decision_not_found",
    "job_key_reused",
    "jobs_full",
)
JOB_EVENTS_CODES = (*_STORE, "bad_header", "job_not_found", "overloaded")

JOB_OPERATIONS = (
    Described(
        "/v1/jobs",
        "get",
        _TAG,
        "List the jobs of your tenant that you may submit, the newest first",
        JobsDocument,
        (*_STORE, "bad_parameter"),
        query=JobQueryDocument,
    ),
    Described(_ONE, "get", _TAG, "Read a job", JobDocument, (*_STORE, "job_not_found")),
    Described(
        _ONE,
        "delete",
        _TAG,
        "Cancel a job that waits; one that runs gets no further attempt",
        JobDocument,
        (*_STORE, "job_not_found", "job_ended"),
    ),
    Described(
        f"{_ONE}/replay",
        "post",
        _TAG,
        "Let a dead job wait again, as if it had never been tried",
        JobDocument,
        (*_STORE, "job_not_found", "job_not_dead"),
        status=202,
    ),
    Described(
        f"{_ONE}/decide",
        "post",
        _TAG,
        "Decide a job that a worker holds; for `kingpost job-worker`, scope `jobs`",
        JobDecidedDocument,
        _STORE,
    ),
)

JOB_DOCUMENTS = (JobsDocument, JobDocument, JobDecidedDocument)
"""The types whose schemas they refer to; queries stand with their parameters."""
