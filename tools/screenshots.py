"""Pictures of the console for the documentation, taken of a running server.

    KINGPOST_API_KEY=kp_… python -m tools.screenshots --url http://127.0.0.1:8080

The key needs the scopes `records` and `review`. Of single things the first that its list
shows is taken. A picture that would be too large for the repository is an error.
"""

import argparse
import os
from base64 import b64decode
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from playwright.sync_api import sync_playwright

from tests.e2e.browser import FLAGS, Chromium, Scheme, Window, find_chromium

__all__ = ["PICTURES", "Picture", "take"]

IMAGES = Path(__file__).parents[1] / "docs/images"
LARGEST_BYTES = 150_000
REDRAWN_MS = 400
QUALITY = 88


class Picture(NamedTuple):
    """One picture: `console-<name>.webp`.

    Attributes:
        path: The page, or the list whose first link is followed.
        link: How the links in the list begin; empty for the page itself.
        query: What is added to the link.
        width: Of the window, in pixels.
    """

    name: str
    path: str
    link: str = ""
    query: str = ""
    scheme: Scheme = "light"
    width: int = 1280
    height: int = 800


PICTURES = (
    Picture("overview", "/"),
    Picture("overview-dark", "/", scheme="dark"),
    Picture("decision", "/", "/decisions/"),
    Picture("feature", "/decisions", "/features/"),
    Picture("records", "/records"),
    Picture("record", "/records?outcome=review", "/records/", "?explain=1"),
    Picture("record-dark", "/records?outcome=review", "/records/", "?explain=1", "dark"),
    Picture("inbox", "/inbox"),
    Picture("inbox-narrow", "/inbox", width=375, height=812),
    Picture("review", "/inbox", "/inbox/"),
    Picture("incidents", "/incidents"),
    Picture("incident", "/incidents", "/incidents/"),
    Picture("models", "/models"),
    Picture("model", "/models", "/models/"),
    Picture("approvals", "/approvals"),
)


def take(url: str, key: str, directory: Path = IMAGES) -> Iterator[Path]:
    """Take all pictures, and return where each was written.

    Raises:
        ValueError: One is too large.
        AssertionError: A page had something to complain of.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with _running() as chromium:
        with chromium.window(url) as window:
            window.open("/login")
            yield _shot(window, directory / "console-sign-in.webp")
        for one in PICTURES:
            with chromium.window(
                url, width=one.width, height=one.height, scheme=one.scheme
            ) as window:
                window.sign_in(key)
                window.open(_address(window, one) + one.query)
                yield _shot(window, directory / f"console-{one.name}.webp")


@contextmanager
def _running() -> Generator[Chromium, None, None]:
    with sync_playwright() as playwright:
        path = find_chromium()
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield Chromium(browser)
        browser.close()


def _address(window: Window, one: Picture) -> str:
    if one.path == "/decisions":  # there is no list of them but the overview
        window.open(_first(window, "/", "/decisions/"))
        return _first(window, "", one.link)
    return _first(window, one.path, one.link) if one.link else one.path


def _first(window: Window, path: str, link: str) -> str:
    if path:
        window.open(path)
    found = window.page.locator(f'main a[href*="{link}"]:visible').first
    return found.get_attribute("href") or "/"


def _shot(window: Window, file: Path) -> Path:
    window.settle()
    window.page.wait_for_timeout(REDRAWN_MS)
    session: Any = window.page.context.new_cdp_session(window.page)
    # half the size of a PNG; playwright itself knows no such format
    taken = session.send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY})
    size = file.write_bytes(b64decode(taken["data"]))
    if size > LARGEST_BYTES:
        raise ValueError(f"{file} has {size:,} bytes, more than {LARGEST_BYTES:,}")
    return file


def main() -> None:
    parser = argparse.ArgumentParser(description="Take pictures of a running console.")
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--out", type=Path, default=IMAGES)
    chosen = parser.parse_args()
    for file in take(chosen.url, os.environ["KINGPOST_API_KEY"], chosen.out):
        print(f"{file}  {file.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
