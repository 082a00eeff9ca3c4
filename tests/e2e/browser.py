"""A real browser for tests of pages; it complains of all that should not be on a page.

    with chromium.window(shop.url) as window:
        window.sign_in(key)
        window.page.get_by_role("link", name="Inbox").click()

The rule: a window that was closed without an error had no error and no warning in its
console, asked nobody but the server for anything, and had no answer of 500 or more. What a
test expects of these it says beforehand, with `expect`.

A machine without Chromium skips these tests; with `KINGPOST_TEST_SERVICES=required` that
is a failure. `KINGPOST_CHROMIUM` names another binary.
"""

import os
import re
import shutil
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Literal
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe  # pyright: ignore[reportMissingTypeStubs]
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Page,
    Request,
    Response,
    sync_playwright,
)

__all__ = ["Chromium", "Window", "chromium", "find_chromium"]

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
NAMES = ("chromium", "chromium-browser", "google-chrome")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
PATIENCE_MS = 60_000

Scheme = Literal["light", "dark"]


def find_chromium() -> str | None:
    """Return the browser's binary; None when there is none."""
    named = os.environ.get("KINGPOST_CHROMIUM")
    return named or next(filter(None, map(shutil.which, NAMES)), None)


class Window:
    """A window of a browser with a profile of its own.

    Attributes:
        page: What it shows.
        complaints: What should not have happened, in its order.
    """

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.complaints: list[str] = []
        self._expected: list[re.Pattern[str]] = []
        self._host = urlsplit(url).netloc
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self._complain(f"error on the page: {error}"))
        page.on("request", self._see)
        page.on("response", self._answered)

    def expect(self, pattern: str) -> None:
        """Let complaints that hold a pattern pass from now on."""
        self._expected.append(re.compile(pattern))

    def open(self, path: str) -> Response:
        """Open a page of the server."""
        answer = self.page.goto(f"{self.url}{path}")
        assert answer is not None
        return answer

    def sign_in(self, key: str, path: str = "/") -> None:
        """Open a page, and sign in with an API key on the way to it."""
        self.open(path)
        self.page.get_by_label("API key", exact=True).fill(key)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url(lambda url: urlsplit(url).path != "/login")

    def check_access(self) -> None:
        """Check the page by axe-core: WCAG 2 up to 2.2, A and AA."""
        self.settle()
        options = {"runOnly": {"type": "tag", "values": RULES}}
        found = Axe().run(self.page, options=options)  # pyright: ignore[reportUnknownMemberType]
        assert found.violations_count == 0, f"{self.page.url}\n{found.generate_report()}"

    def check_width(self) -> None:
        """Check that the page as a whole does not scroll sideways."""
        wide, shown = self.page.evaluate(
            "() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert wide <= shown, f"{self.page.url} is {wide} px wide in a window of {shown} px"

    def settle(self) -> None:
        """Wait until the page has what it loads and has drawn it."""
        self.page.wait_for_load_state("load")
        self.page.evaluate(
            "() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))"
        )

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._complain(f"{message.type} in the console of {self.page.url}: {message.text}")

    def _see(self, request: Request) -> None:
        where = urlsplit(request.url)
        if where.scheme in ("http", "https", "ws", "wss") and where.netloc != self._host:
            self._complain(f"a request to another host: {request.url}")

    def _answered(self, response: Response) -> None:
        if response.status >= 500:
            self._complain(f"{response.status} of {response.url}")

    def _complain(self, text: str) -> None:
        if not any(pattern.search(text) for pattern in self._expected):
            self.complaints.append(text)


class Chromium:
    """A running browser."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser

    @contextmanager
    def window(
        self,
        url: str,
        *,
        width: int = 1280,
        height: int = 800,
        scheme: Scheme = "light",
        scripts: bool = True,
    ) -> Generator[Window, None, None]:
        """Open a window, and see at its end that there was nothing to complain of.

        Args:
            url: The server's.
            scheme: The colours of the system it pretends to run on.
            scripts: Whether pages may run scripts.
        """
        context = self._browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            java_script_enabled=scripts,
            reduced_motion="reduce",
            locale="en-GB",
            timezone_id="Asia/Kolkata",  # pages say UTC, wherever they are read
        )
        try:
            window = Window(context.new_page(), url)
            yield window
            assert not window.complaints, "\n".join(window.complaints)
        finally:
            context.close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    """Start the browser once for the tests of a module."""
    path = find_chromium()
    if path is None:
        reason = f"no browser: none of {', '.join(NAMES)} is installed"
        if os.environ.get("KINGPOST_TEST_SERVICES") == "required":
            pytest.fail(f"{reason}; KINGPOST_TEST_SERVICES=required forbids to skip")
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield Chromium(browser)
        browser.close()
