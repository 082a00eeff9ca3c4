"""The interactive documentation: a page and its parts, all from this package.

No part comes from another host, and the page is told to load none.
"""

import gzip
from functools import lru_cache
from importlib import resources

from kingpost.serving.errors import RouteNotFound
from kingpost.serving.http import HttpAnswer

__all__ = ["docs_file"]

_TYPES = {
    "docs.html": b"text/html; charset=utf-8",
    "docs.js": b"text/javascript; charset=utf-8",
    "swagger-ui-bundle.js": b"text/javascript; charset=utf-8",
    "swagger-ui.css": b"text/css; charset=utf-8",
    "favicon-32x32.png": b"image/png",
}
_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    b"img-src 'self' data:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@lru_cache
def docs_file(name: str) -> HttpAnswer:
    """Return a file of the documentation.

    Raises:
        RouteNotFound: There is none of that name.
    """
    media_type = _TYPES.get(name)
    if media_type is None:
        raise RouteNotFound
    files = resources.files("kingpost.serving").joinpath("static")
    packed = files.joinpath(f"{name}.gz")
    # the large ones are a fifth of the size in the package
    body = (
        gzip.decompress(packed.read_bytes())
        if packed.is_file()
        else files.joinpath(name).read_bytes()
    )
    headers = (
        (b"content-type", media_type),
        (b"content-security-policy", _POLICY),
        (b"x-content-type-options", b"nosniff"),
        (b"cache-control", b"public, max-age=3600"),
    )
    return HttpAnswer(200, headers, body)
