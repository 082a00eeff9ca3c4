"""The door of the console, as the settings want it."""

from kingpost.access import MIGRATIONS, Sessions, SqliteKeys, SqliteSessions, read_roles
from kingpost.console import Issuer, IssuerSettings, SignIn
from kingpost.core import Clock, Settings
from kingpost.decisions import DataDirectory
from kingpost.storage import ThreadConnections, migrate, open_database

__all__ = ["open_sign_in"]


def open_sign_in(settings: Settings, where: DataDirectory, clock: Clock) -> SignIn:
    """Open the sessions of an installation, and join the issuer that it names.

    Raises:
        BadRoles: The setting `oidc_roles` cannot be read.
        ExtraMissing: An issuer is named, and the extra `oidc` is not installed.
        DatabaseUnreadable, DatabaseNewer: The sessions cannot be opened.
    """
    connection = open_database(where.access)
    try:
        migrate(connection, "access", MIGRATIONS)
    finally:
        connection.close()
    connections = ThreadConnections(where.access)

    def keys() -> SqliteKeys:
        return SqliteKeys(connections.get())

    return SignIn(
        Sessions(lambda: SqliteSessions(connections.get()), keys, clock),
        keys,
        clock,
        public_url=settings.public_url,
        issuer=_issuer(settings, clock),
    )


def _issuer(settings: Settings, clock: Clock) -> Issuer | None:
    roles = read_roles(settings.oidc_roles)
    if not settings.oidc_issuer:
        return None
    named = IssuerSettings(
        url=settings.oidc_issuer,
        client_id=settings.oidc_client_id,
        client_secret=settings.oidc_client_secret,
        roles=roles,
        role_claim=settings.oidc_role_claim,
        tenant=settings.oidc_tenant or settings.tenant,
    )
    return Issuer(named, clock)
