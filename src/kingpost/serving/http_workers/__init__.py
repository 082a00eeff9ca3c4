"""Worker processes that share the port: they speak HTTP and TLS, one engine decides."""

from kingpost.serving.http_workers.engine_side import HttpWorkers, StartsWorker
from kingpost.serving.http_workers.worker import run_http_worker

__all__ = ["HttpWorkers", "StartsWorker", "run_http_worker"]
