"""What a role of an issuer's account lets somebody do here.

roles = read_roles("ml-ops=records,review;viewer=records")
"""

from collections.abc import Mapping, Sequence

from kingpost.access.errors import BadRoles
from kingpost.access.keys import SCOPES, is_scope

__all__ = ["read_roles", "roles_in"]


def read_roles(text: str, *, setting: str = "oidc_roles") -> Mapping[str, tuple[str, ...]]:
    """Read a setting such as `oidc_roles`: the scopes of each role.

    Raises:
        BadRoles: It is not written so, or names a scope there is none of.
    """
    roles: dict[str, tuple[str, ...]] = {}
    for part in _parts(text, ";"):
        role, _, listed = part.partition("=")
        role, scopes = role.strip(), _parts(listed, ",")
        if not role or not scopes:
            raise BadRoles(setting, part, "no role with a scope")
        if role in roles:
            raise BadRoles(setting, part, "a role twice")
        for scope in scopes:
            if not is_scope(scope):
                raise BadRoles(
                    setting, part, f"no scope is called {scope!r}, but {', '.join(SCOPES)}"
                )
        roles[role] = scopes
    return roles


def roles_in(claims: Mapping[str, object], path: str) -> Sequence[str] | None:
    """Return the roles that a claim lists, of one name or several; None when it is absent.

    Args:
        path: The claim's name; `realm_access.roles` is one inside another.
    """
    found: object = claims.get(path)
    if found is None and "." in path:
        name, _, rest = path.partition(".")
        inner = claims.get(name)
        return roles_in(inner, rest) if isinstance(inner, dict) else None  # pyright: ignore[reportUnknownArgumentType]  of JSON
    if isinstance(found, str):
        return [found]
    if isinstance(found, list):
        return [each for each in found if isinstance(each, str)]  # pyright: ignore[reportUnknownVariableType]  of JSON
    return None


def _parts(text: str, separator: str) -> tuple[str, ...]:
    parts = (part.strip() for part in text.split(separator))
    return tuple(part for part in parts if part)
