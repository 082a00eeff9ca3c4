"""Calls to other systems: services, signed webhooks, outbox and inbox; load on one's own server."""

from kingpost.calls.answer import CallAnswer
from kingpost.calls.breaker import BreakerState
from kingpost.calls.call import Call
from kingpost.calls.call_metrics import CallMetrics, NoCallMetrics, PrometheusCallMetrics
from kingpost.calls.client import AsyncServiceClient, CallSurroundings, ServiceClient
from kingpost.calls.credentials import (
    ApiKey,
    Auth,
    Bearer,
    ClientCredentials,
    MemoryTokens,
    RefreshToken,
    Token,
    TokenStore,
)
from kingpost.calls.errors import (
    AnswerTooLarge,
    AuthFailed,
    BadCall,
    BadService,
    BadWebhookSecret,
    BulkheadFull,
    CallFailed,
    CallStoreFailed,
    CallStoreNewer,
    CircuitOpen,
    DeadLetterNotFound,
    DeadlineExceeded,
    EffectUndeclared,
    OutcomeUnknown,
    PeerUntrusted,
    RateLimited,
    ServerUnreachable,
    WebhookFailed,
    WebhookRefused,
)
from kingpost.calls.exchange import AsyncExchange, Broken, CallRequest, Exchange
from kingpost.calls.limits import retry_after_s
from kingpost.calls.load import Answer, LoadClient, LoadReport
from kingpost.calls.outbox import (
    Claimed,
    DeadLetter,
    DeadLetters,
    Inbox,
    Outbox,
    OutboxMessage,
    RouteBacklog,
)
from kingpost.calls.outbox_memory import MemoryDeadLetters, MemoryInbox, MemoryOutbox
from kingpost.calls.outbox_postgres import (
    PostgresDeadLetters,
    PostgresInbox,
    PostgresOutbox,
    prepare_postgres_calls,
)
from kingpost.calls.outbox_sql import SqlDeadLetters, SqlOutbox
from kingpost.calls.outbox_sqlite import (
    CALL_MIGRATIONS,
    SqliteDeadLetters,
    SqliteInbox,
    SqliteOutbox,
)
from kingpost.calls.relay import (
    RELAY_WAITS,
    Delivery,
    Relay,
    RelayRound,
    Route,
    Sender,
    ServiceSender,
)
from kingpost.calls.service import Breaker, RateLimit, Retries, Service, Tls
from kingpost.calls.sql import SqlDatabase, SqlRow, SqlValue
from kingpost.calls.sql_postgres import PostgresDatabase
from kingpost.calls.sql_sqlite import SqliteDatabase
from kingpost.calls.webhook import WebhookSender, is_signed, webhook_headers
from kingpost.calls.webhook_in import ReceivedWebhook, WebhookReceiver
from kingpost.calls.webhook_out import WebhookEndpoint, webhook_service

__all__ = [
    "CALL_MIGRATIONS",
    "RELAY_WAITS",
    "Answer",
    "AnswerTooLarge",
    "ApiKey",
    "AsyncExchange",
    "AsyncServiceClient",
    "Auth",
    "AuthFailed",
    "BadCall",
    "BadService",
    "BadWebhookSecret",
    "Bearer",
    "Breaker",
    "BreakerState",
    "Broken",
    "BulkheadFull",
    "Call",
    "CallAnswer",
    "CallFailed",
    "CallMetrics",
    "CallRequest",
    "CallStoreFailed",
    "CallStoreNewer",
    "CallSurroundings",
    "CircuitOpen",
    "Claimed",
    "ClientCredentials",
    "DeadLetter",
    "DeadLetterNotFound",
    "DeadLetters",
    "DeadlineExceeded",
    "Delivery",
    "EffectUndeclared",
    "Exchange",
    "Inbox",
    "LoadClient",
    "LoadReport",
    "MemoryDeadLetters",
    "MemoryInbox",
    "MemoryOutbox",
    "MemoryTokens",
    "NoCallMetrics",
    "Outbox",
    "OutboxMessage",
    "OutcomeUnknown",
    "PeerUntrusted",
    "PostgresDatabase",
    "PostgresDeadLetters",
    "PostgresInbox",
    "PostgresOutbox",
    "PrometheusCallMetrics",
    "RateLimit",
    "RateLimited",
    "ReceivedWebhook",
    "RefreshToken",
    "Relay",
    "RelayRound",
    "Retries",
    "Route",
    "RouteBacklog",
    "Sender",
    "ServerUnreachable",
    "Service",
    "ServiceClient",
    "ServiceSender",
    "SqlDatabase",
    "SqlDeadLetters",
    "SqlOutbox",
    "SqlRow",
    "SqlValue",
    "SqliteDatabase",
    "SqliteDeadLetters",
    "SqliteInbox",
    "SqliteOutbox",
    "Tls",
    "Token",
    "TokenStore",
    "WebhookEndpoint",
    "WebhookFailed",
    "WebhookReceiver",
    "WebhookRefused",
    "WebhookSender",
    "is_signed",
    "prepare_postgres_calls",
    "retry_after_s",
    "webhook_headers",
    "webhook_service",
]
