"""The settings of one installation: `kingpost.toml`, then `KINGPOST_*`, read once.

Library code takes values; only a composition root reads this. An unknown key is an error,
so that a misspelt setting is never silently the default. A secret is never part of a
message or of a `repr`.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from kingpost.core.durations import BadDuration, duration_us
from kingpost.core.errors import KingpostError
from kingpost.core.rates import BadRate, rate_of

__all__ = [
    "SECRET_SETTINGS",
    "BadSetting",
    "CheckedSettings",
    "Settings",
    "check_settings",
    "read_settings",
]

_LONGEST_SHOWN = 60


class BadSetting(KingpostError):
    """A setting that is unknown or has a value it cannot have."""

    code = "bad_setting"

    def __init__(self, source: str, key: str, expected: str) -> None:
        super().__init__(source, key, expected)
        self.source, self.key, self.expected = source, key, expected

    def __str__(self) -> str:
        return f"{self.source}: setting {self.key!r}: {self.expected}"


@dataclass(frozen=True)
class Settings:
    """What an installation may choose; an empty text means none.

    Attributes:
        data_dir: Where the journal, the artefacts and the keys lie.
        tenant: The tenant of commands that name none.
        host: Address the server listens on.
        port: Port the server listens on; 0 takes a free one.
        grpc_port: Port it takes gRPC on, at the same address; 0 takes a free one, -1 none.
        http_workers: So many processes share the port, speak HTTP and TLS, and hand requests to
            the one that decides; 0 has that one do it all. Linux spreads connections over them.
        max_body_bytes: The largest request to a decision.
        drain: How long a stopping server waits for requests in flight.
        drain_delay: How long before that it takes requests while it says that it is not ready, so
            that a load balancer hears of it first.
        threads: Threads for backfills and training.
        features_memory_mb: Memory for the events of windowed features, in MiB; keys that
            were not touched for longest lie in a file beyond it. 0 sets no limit.
        online_store: Where windowed features are kept when several servers share them, as
            `redis://user:password@host:6379/0`; in the server's own process when empty.
        partition: The name of this server's part of the journal, `<data_dir>/journal/<name>`.
            Each server of an installation has one of its own.
        partitions: All of them with their data directories, as
            `data=/srv/a/.kingpost;b=/srv/b/.kingpost`, in the same order everywhere, new ones
            at the end. Empty where there is one.
        control_dir: Where bundles, approvals, releases and artefacts lie when several servers
            share them, as `/mnt/shared/kingpost`; `data_dir` when empty.
        approvers: Whose approvals count, by their public keys, as `ada=<base64>;bob=<base64>`; when
            empty everybody's do who can write to the control log. From the file only.
        own_approvals: `refused`, or `allowed` where whoever made a model may approve it. From the
            file only.
        workflow_store: Where workflows are kept when workers of several machines share them, as
            `postgresql://user:password@host:5432/database`; a file in `data_dir` when empty.
        worker: The name of this machine's worker of workflows; each that runs has a name of its
            own. A worker takes up what one of its name left unfinished, or one that is gone.
        job_store: Where jobs are kept when workers of several machines share them, as
            `postgresql://user:password@host:5432/database`; a file in `data_dir` when empty.
        subject_key_store: Where the keys of data subjects are kept when they are to lie apart from
            what they encrypt, as `postgresql://user:password@host:5432/database`; a file in
            `data_dir` when empty.
        job_queue: What wakes workers, as `nats://host:4222`, `amqp://user:password@host/` or
            `kafka://host:9092`; they look into the store by themselves when empty.
        job_webhooks: Receivers that jobs may name, as `crm=https://crm.example/hook;erp=…`.
        job_webhook_secret: Signs what is sent to them.
        streams_in: Topics that events come from, by their streams, as
            `order=nats://host:4222/orders;payment=kafka://host:9092/payments`.
        streams_out: Topics that events go to, by their streams, and the records of a decision, as
            `order=file:topics/orders;records:fraud=nats://host:4222/answers`.
        jobs_waiting: So many jobs may wait; one more is sent away with 503.
        jobs_keep: How long jobs are kept that have ended.
        otlp_endpoint: Where the spans of requests, workflows and steps go by OTLP over HTTP, as
            `http://127.0.0.1:4318`; when empty, those of workflows go nowhere, and those of
            requests where the variables `OTEL_EXPORTER_OTLP_…` say.
        trace_sample: The share of requests that spans are sent of, 0 to 1; a caller that sends
            `traceparent` says itself whether its request is one. 0 sends none.
        access_log: The share of requests that the server writes a line of, in JSON on standard
            error, 0 to 1.
        log_format: How log lines are written: `text`, `json`, or `auto`, which is text for a
            terminal and else JSON.
        snapshot_every: After so many more events and records `kingpost run` takes a
            snapshot, so that the next start is quick. 0 takes none.
        seal: `on` has the observer beside a server seal finished segments of the journal as
            Parquet; `off` leaves that to `kingpost seal`.
        archive_store: Where sealed segments are put besides, as `s3://bucket/prefix`, a prefix for
            each installation; credentials come from `AWS_ACCESS_KEY_ID` and its like. Nowhere
            when empty.
        archive_endpoint: Where that store is reached, as `https://minio.internal:9000`; Amazon's
            when empty.
        retention: For how long decisions and streams are kept before `kingpost retention apply`
            removes them, as `fraud=400d;*=800d`, `*` for all others; for ever when none names
            them.
        retention_minimum: What the law asks for: records are kept for that long at least.
        public_url: What people's browsers call the server, as `https://kingpost.example`;
            links in alerts and the address to return to after signing in begin with it.
        alert_webhook: URL that is told of incidents; a secret too, since chat services
            let in whoever knows it.
        alert_webhook_secret: Signs what is sent there.
        alert_slack: Incoming webhook of Slack, or of a chat service that takes its messages; a
            secret too.
        alert_smtp: Mail server for incidents, as `mail.example:587`.
        alert_smtp_user: Name to sign in to it with.
        alert_smtp_password: Its password.
        alert_from: Address that such mail comes from.
        alert_to: Addresses that it goes to, separated by commas.
        oidc_issuer: Whose accounts people sign in with, as `https://login.example/realm`.
        oidc_client_id: What the console is called there.
        oidc_client_secret: Its secret there.
        oidc_roles: What a role may do, as `ml-ops=records,review;viewer=records`.
        oidc_role_claim: The claim that lists a person's roles.
        oidc_tenant: The tenant of everybody who signs in that way; `tenant` when empty.
        jwt_issuer: Whose bearer tokens are taken beside API keys, to the letter of their `iss`.
        jwt_audience: What this installation is called in the `aud` of such tokens.
        jwt_jwks_url: Where the issuer's keys are; its description says so when empty.
        jwt_key_file: A file that has them instead, a key set in JSON or one key in PEM; read anew
            every 5 s.
        jwt_scope_claim: The claim with a token's scopes or roles, words or a list.
        jwt_roles: What a role in it may do, as `scorer=decide:fraud;ops=records,metrics`; when
            empty its words are scopes themselves.
        jwt_tenant_claim: The claim that names the tenant; everybody's is `tenant` when empty.
        jwt_leeway: How far the issuer's clock may be off.
        tls_certificate: The server's certificate in PEM, with those up to its authority; it speaks
            HTTPS then. Read anew when it changes, as the other files of TLS.
        tls_key: Its private key; in the same file when empty.
        tls_client_ca: The authorities whose certificates callers must bring; none when empty.
        tls_clients: `required`, or `optional` where a caller may bring an API key or token alone.
        tls_principals: What a caller may do who brings a certificate of a name, as
            `scorer.internal=decide:fraud;ops=records,metrics`.
        limit_requests: How many requests a principal may send, as `100/s` or `10000/h`; without
            limit when empty.
        limit_rows: How many rows it may send, of requests, events and batches.
        limit_cost: How much they may cost; a decision costs 1, or what it declares.
        tree_origin: What the log of records is called in checkpoints, as `kingpost.example/log`;
            made up at the first one when empty, and never changed after it.
        tree_key: A file with the key that signs checkpoints, kept elsewhere; one is made in the
            data directory when empty.
        tree_witnesses: Who else signs checkpoints, as `VKEY https://host/path`, more of them
            after `;`.
        control_origin: What the control log is called in checkpoints; as `tree_origin`, with
            `/control` behind it, when empty.
        control_key: A file with the key that signs its checkpoints, kept elsewhere.
        control_checkpoint: A file with a checkpoint of the control log that was kept elsewhere;
            nothing is served from a log that does not continue it.
    """

    data_dir: Path = Path(".kingpost")
    tenant: str = "default"
    host: str = "127.0.0.1"
    port: int = 8080
    grpc_port: int = -1
    http_workers: int = 0
    max_body_bytes: int = 256 * 1024
    drain: str = "10s"
    drain_delay: str = "0s"
    threads: int = 2
    features_memory_mb: int = 0
    online_store: str = field(default="", repr=False)
    partition: str = "data"
    partitions: str = ""
    control_dir: str = ""
    approvers: str = ""
    own_approvals: str = "refused"
    workflow_store: str = field(default="", repr=False)
    worker: str = "local"
    job_store: str = field(default="", repr=False)
    subject_key_store: str = field(default="", repr=False)
    job_queue: str = field(default="", repr=False)
    job_webhooks: str = field(default="", repr=False)
    job_webhook_secret: str = field(default="", repr=False)
    streams_in: str = field(default="", repr=False)
    streams_out: str = field(default="", repr=False)
    jobs_waiting: int = 100_000
    jobs_keep: str = "7d"
    otlp_endpoint: str = ""
    trace_sample: float = 0.0
    access_log: float = 0.0
    log_format: str = "text"
    snapshot_every: int = 500_000
    seal: str = "on"
    archive_store: str = ""
    archive_endpoint: str = ""
    retention: str = ""
    retention_minimum: str = "184d"
    public_url: str = ""
    alert_webhook: str = field(default="", repr=False)
    alert_webhook_secret: str = field(default="", repr=False)
    alert_slack: str = field(default="", repr=False)
    alert_smtp: str = ""
    alert_smtp_user: str = ""
    alert_smtp_password: str = field(default="", repr=False)
    alert_from: str = ""
    alert_to: str = ""
    oidc_issuer: str = ""
    oidc_client_id: str = ""
    oidc_client_secret: str = field(default="", repr=False)
    oidc_roles: str = ""
    oidc_role_claim: str = "roles"
    oidc_tenant: str = ""
    jwt_issuer: str = ""
    jwt_audience: str = ""
    jwt_jwks_url: str = ""
    jwt_key_file: str = ""
    jwt_scope_claim: str = "scope"
    jwt_roles: str = ""
    jwt_tenant_claim: str = ""
    jwt_leeway: str = "30s"
    tls_certificate: str = ""
    tls_key: str = ""
    tls_client_ca: str = ""
    tls_clients: str = "required"
    tls_principals: str = ""
    limit_requests: str = ""
    limit_rows: str = ""
    limit_cost: str = ""
    tree_origin: str = ""
    tree_key: str = ""
    tree_witnesses: str = ""
    control_origin: str = ""
    control_key: str = ""
    control_checkpoint: str = ""

    @property
    def job_webhook_urls(self) -> Mapping[str, str]:
        """Where webhooks of jobs go, by the name of their receiver."""
        return dict(_pairs(self.job_webhooks))

    def stream_urls(self, direction: Literal["in", "out"]) -> Mapping[str, str]:
        """Where streams come from, or go to, by their names."""
        return dict(_pairs(self.streams_in if direction == "in" else self.streams_out))

    @property
    def retentions(self) -> tuple[tuple[str, str], ...]:
        """The names of decisions and streams, and for how long each is kept."""
        return _pairs(self.retention)

    @property
    def tree_witness_urls(self) -> tuple[tuple[str, str], ...]:
        """The verifier key and the URL of each witness."""
        pairs = [part.strip().partition(" ") for part in self.tree_witnesses.split(";")]
        return tuple((key, url.strip()) for key, _, url in pairs if key)

    @property
    def drain_s(self) -> float:
        """The drain time in seconds."""
        return duration_us(self.drain) / 1e6

    @property
    def drain_delay_s(self) -> float:
        """The time before the drain in seconds."""
        return duration_us(self.drain_delay) / 1e6

    @property
    def partition_directories(self) -> tuple[tuple[str, Path], ...]:
        """The partitions and their data directories, in order; none where they are not listed."""
        return _partitions(self.partitions)


class CheckedSettings(NamedTuple):
    """Settings as far as they could be read, and everything that is wrong with them.

    Attributes:
        sources: Where each setting that is not the default comes from, by its name.
        problems: In the order they were met; `settings` may be used when there is none.
    """

    settings: Settings
    sources: Mapping[str, str]
    problems: tuple[KingpostError, ...]


SECRET_SETTINGS = frozenset(one.name for one in fields(Settings) if not one.repr)
"""Settings that are shown to nobody."""

_NAMES = tuple(one.name for one in fields(Settings))
_PATHS = ("data_dir",)
_NUMBERS = {
    "port": (0, 65535),
    "grpc_port": (-1, 65535),
    "http_workers": (0, 64),
    "max_body_bytes": (1, 1 << 40),
    "threads": (1, 4096),
    "features_memory_mb": (0, 1 << 30),
    "snapshot_every": (0, 1 << 40),
    "jobs_waiting": (1, 1 << 40),
}
_SHARES = ("trace_sample", "access_log")
_LENGTHS = ("drain", "drain_delay", "jobs_keep", "retention_minimum", "jwt_leeway")
_REQUIRED = ("data_dir", "tenant", "host", "partition", "jwt_scope_claim", *_LENGTHS)
_RATES = ("limit_requests", "limit_rows", "limit_cost")
_LOG_FORMATS = ("auto", "text", "json")
_STORES = ("redis", "rediss", "unix")
_PARTITION = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_SHARE = re.compile(r"[01](?:\.[0-9]{1,18})?", re.ASCII)
_URLS = (
    "archive_endpoint",
    "public_url",
    "alert_webhook",
    "alert_slack",
    "oidc_issuer",
    "jwt_jwks_url",
)
_NEEDS = (
    ("archive_endpoint", ("archive_store",)),
    ("job_webhooks", ("job_webhook_secret",)),
    ("alert_smtp", ("alert_from", "alert_to")),
    ("oidc_issuer", ("oidc_client_id",)),
    ("jwt_issuer", ("jwt_audience",)),
    ("jwt_audience", ("jwt_issuer",)),
    ("tls_key", ("tls_certificate",)),
    ("tls_client_ca", ("tls_certificate",)),
    ("tls_principals", ("tls_client_ca",)),
)
_FILE_ONLY = ("approvers", "own_approvals", "control_checkpoint")
"""Settings that no variable overrides: who starts a process does not say who may approve."""
_STREAMS = ("streams_in", "streams_out")
_BROKERS = ("nats", "tls", "kafka", "file")
_NO_SETTINGS = ("KINGPOST_API_KEY", "KINGPOST_URL", "KINGPOST_CHROMIUM")
"""Variables for clients of a server, and for what looks at its pages."""


def read_settings(file: Path | None, environment: Mapping[str, str]) -> Settings:
    """Read the file, if there is one, then the environment over it.

    Args:
        file: A TOML file; None when there is none.
        environment: As `os.environ`; names `KINGPOST_<SETTING>` count, and those of the
            test suite (`KINGPOST_TEST_…`) and of clients do not.

    Raises:
        BadSetting: A key is unknown, or a value is not of its kind; the first of them.
    """
    checked = check_settings(file, environment)
    if checked.problems:
        raise checked.problems[0]
    return checked.settings


def check_settings(file: Path | None, environment: Mapping[str, str]) -> CheckedSettings:
    """Read as `read_settings` does, and go on after what is wrong, to tell all of it."""
    settings = Settings()
    sources: dict[str, str] = {}
    problems: list[BadSetting] = []
    for source, key, value in _found(file, environment, problems):
        try:
            settings = replace(settings, **{key: _parsed(source, key, value)})
        except BadSetting as problem:
            problems.append(problem)
        else:
            sources[key] = source
    problems += _missing(settings, sources)
    return CheckedSettings(settings, sources, tuple(problems))


def _found(
    file: Path | None, environment: Mapping[str, str], problems: list[BadSetting]
) -> Iterator[tuple[str, str, object]]:
    if file is not None:
        try:
            # an editor may have put a byte order mark in front
            table = tomllib.loads(file.read_text("utf-8-sig"))
        except (OSError, ValueError, RecursionError) as error:
            problems.append(BadSetting(str(file), "(file)", f"cannot be read as TOML: {error}"))
        else:
            for key, value in table.items():
                yield str(file), key, value
    for name, value in environment.items():
        is_test = name.startswith("KINGPOST_TEST_") or name in _NO_SETTINGS
        if name.startswith("KINGPOST_") and not is_test:
            key = name.removeprefix("KINGPOST_").lower()
            if key in _FILE_ONLY:
                expected = "is taken from the settings file only; unset the variable"
                problems.append(BadSetting(f"environment variable {name}", key, expected))
                continue
            yield f"environment variable {name}", key, value


def _parsed(source: str, key: str, value: object) -> str | int | float | Path:
    if key not in _NAMES:
        raise BadSetting(source, key, f"is unknown; known are {', '.join(_NAMES)}")
    shown = "a value that is not shown" if key in SECRET_SETTINGS else repr(value)
    shown = shown if len(shown) <= _LONGEST_SHOWN else f"{shown[:_LONGEST_SHOWN]}…"
    if key in _NUMBERS:
        return _number(source, key, value, shown)
    if key in _SHARES:
        return _share(source, key, value, shown)
    if not isinstance(value, str) or (key in _REQUIRED and not value):
        kind = "a path as a text" if key in _PATHS else "a text"
        raise BadSetting(source, key, f"expected {kind}, found {shown}")
    if not value.isprintable():
        raise BadSetting(source, key, "has characters that are no text, as line ends")
    try:
        if key in _LENGTHS:
            duration_us(value)
        if key in _RATES and value:
            rate_of(value)
        if key == "retention":
            for _, length in _pairs(value):
                duration_us(length)
    except (BadDuration, BadRate) as error:
        raise BadSetting(source, key, str(error)) from error
    if key == "own_approvals" and value not in ("refused", "allowed"):
        raise BadSetting(source, key, f"expected refused or allowed, found {shown}")
    if key == "tls_clients" and value not in ("required", "optional"):
        raise BadSetting(source, key, f"expected required or optional, found {shown}")
    if key == "seal" and value not in ("on", "off"):
        raise BadSetting(source, key, f"expected on or off, found {shown}")
    if key == "archive_store" and value and not _is_url(value, ("s3",)):
        raise BadSetting(source, key, f"expected s3://bucket/prefix, found {shown}")
    if key in _URLS and value and not _is_url(value):
        raise BadSetting(source, key, f"expected a URL, as https://host/path, found {shown}")
    if key == "alert_smtp" and value and not _is_host_and_port(value):
        raise BadSetting(source, key, f"expected a host and a port, as mail:587, found {shown}")
    if key == "job_webhooks" and not all(map(_is_webhook, _pairs(value))):
        expected = "expected name=https://host/path, more of them after ;"
        raise BadSetting(source, key, f"{expected}, found {shown}")
    if key in _STREAMS and not _are_streams(_pairs(value)):
        expected = "expected stream=nats://host:4222/subject, more of them after ;, each name once"
        raise BadSetting(source, key, f"{expected}, found {shown}")
    if key == "log_format" and value not in _LOG_FORMATS:
        raise BadSetting(source, key, f"expected {', '.join(_LOG_FORMATS)}, found {shown}")
    problem = _partition_problem(key, value) or _tree_problem(key, value)
    if problem:
        raise BadSetting(source, key, f"{problem}, found {shown}")
    return Path(value) if key in _PATHS else value


def _partition_problem(key: str, value: str) -> str:
    """Say what is wrong with a setting of shared features; nothing when it is sound."""
    if key == "online_store" and value and not _is_url(value, _STORES):
        return "expected a URL, as redis://host:6379/0"
    if key == "partition" and (_PARTITION.fullmatch(value) is None or value == "control"):
        return "expected a name of 1 to 64 lower-case letters, digits, - and _, and not 'control'"
    if key == "partitions" and value:
        found = _partitions(value)
        names = [name for name, _ in found]
        if not all(map(_PARTITION.fullmatch, names)) or not all(
            directory.name for _, directory in found
        ):
            return "expected name=directory, more of them after ;"
        if len(set(names)) < len(names):
            return "expected each partition once"
    return ""


def _tree_problem(key: str, value: str) -> str:
    """Say what is wrong with a setting of the tree; nothing when it is sound."""
    if key in ("tree_origin", "control_origin") and any(
        one.isspace() or one == "+" for one in value
    ):
        return "expected a name without spaces and +, as kingpost.example/log"
    if key == "tree_witnesses":
        for part in filter(None, map(str.strip, value.split(";"))):
            vkey, _, url = part.partition(" ")
            if vkey.count("+") < 2 or not _is_url(url.strip()):
                return "expected VKEY https://host/path, more of them after ;"
    return ""


def _partitions(text: str) -> tuple[tuple[str, Path], ...]:
    return tuple((name, Path(directory)) for name, directory in _pairs(text))


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    """Read `name=value;name=value`."""
    pairs = [part.partition("=") for part in text.split(";") if part.strip()]
    return tuple((name.strip(), value.strip()) for name, _, value in pairs)


def _is_webhook(pair: tuple[str, str]) -> bool:
    return _PARTITION.fullmatch(pair[0]) is not None and _is_url(pair[1])


def _are_streams(pairs: Sequence[tuple[str, str]]) -> bool:
    names = {name for name, _ in pairs if name}
    return len(names) == len(pairs) and all(url.partition(":")[0] in _BROKERS for _, url in pairs)


def _number(source: str, key: str, value: object, shown: str) -> int:
    lowest, highest = _NUMBERS[key]
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
        raise BadSetting(
            source, key, f"expected a whole number from {lowest} to {highest}, found {shown}"
        )
    return value


def _share(source: str, key: str, value: object, shown: str) -> float:
    if isinstance(value, str) and _SHARE.fullmatch(value):
        value = float(value)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
        raise BadSetting(source, key, f"expected a number from 0 to 1, found {shown}")
    return float(value)


def _is_url(text: str, schemes: tuple[str, ...] = ("http", "https")) -> bool:
    try:
        parts = urlsplit(text)
        _ = parts.port  # reading it checks it
    except ValueError:
        return False
    where = parts.path if parts.scheme == "unix" else parts.hostname
    return parts.scheme in schemes and bool(where) and " " not in text


def _is_host_and_port(text: str) -> bool:
    host, _, port = text.rpartition(":")
    return bool(host) and port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536


def _missing(settings: Settings, sources: Mapping[str, str]) -> Iterator[BadSetting]:
    for key, others in _NEEDS:
        for other in others:
            if getattr(settings, key) and not getattr(settings, other):
                yield BadSetting(sources[key], key, f"needs {other}, which is not set")
    listed = [name for name, _ in settings.partition_directories]
    if listed and settings.partition not in listed:
        expected = f"lists {', '.join(listed)} and not {settings.partition!r}, this server's own"
        yield BadSetting(sources["partitions"], "partitions", expected)
