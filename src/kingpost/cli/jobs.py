"""The jobs of an installation, joined from its settings."""

from collections.abc import Mapping

from kingpost.calls import Relay, Route, ServiceClient, WebhookEndpoint, webhook_service
from kingpost.cli.place import data_directory
from kingpost.core import Settings, duration_us
from kingpost.jobs import JobStore, open_job_queue, open_job_store, webhook_route
from kingpost.serving import JobSetup

__all__ = ["open_jobs"]


def open_jobs(settings: Settings, *, works_here: bool) -> JobSetup:
    """Open what a server's jobs stand on.

    Raises:
        BadWebhookSecret: The secret cannot sign.
        KingpostError: See `open_job_store` and `open_job_queue`.
    """
    routes = _routes(settings)
    store: JobStore = open_job_store(settings.job_store, data_directory(settings).jobs)
    try:
        queue = open_job_queue(settings.job_queue)
    except BaseException:
        store.close()
        raise
    return JobSetup(
        store,
        queue,
        tuple(settings.job_webhook_urls),
        Relay(store.outbox, routes) if routes else None,
        settings.jobs_waiting,
        duration_us(settings.jobs_keep) / 1e6,
        works_here,
    )


def _routes(settings: Settings) -> Mapping[str, Route]:
    secrets = (settings.job_webhook_secret,)
    return {
        webhook_route(name): Route(
            WebhookEndpoint(ServiceClient(webhook_service(f"job-webhook-{name}", url)), secrets)
        )
        for name, url in settings.job_webhook_urls.items()
    }
