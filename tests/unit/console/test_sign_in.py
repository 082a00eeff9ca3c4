"""The door of the console: who gets in, and what is believed of what they send."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlencode

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from kingpost.access import (
    MemoryKeys,
    MemorySessions,
    NewKey,
    Principal,
    Session,
    Sessions,
    SessionStoreFailed,
    create_key,
    revoke_key,
)
from kingpost.console import SignIn
from kingpost.console.error_pages import answer_error
from kingpost.console.forms import form_of
from kingpost.console.security import HEADERS, local_path
from kingpost.console.theme import theme_route
from kingpost.core import KingpostError
from tests.tiny_app import FakeClock

HERE = "http://test"
TOKEN = re.compile(r'name="csrf" value="([\w-]{43})"')


class Sick(MemorySessions):
    """A store of sessions that can be made to fail."""

    is_sick = False

    def find(self, digest: bytes) -> Session | None:
        if self.is_sick:
            raise SessionStoreFailed("disk I/O error")
        return super().find(digest)


class House:
    """A console of two pages behind its door, and a browser before it."""

    def __init__(self, public_url: str = "", base_url: str = HERE) -> None:
        self.clock, self.keys, self.store = FakeClock(), MemoryKeys(), Sick()
        self.sessions = Sessions(lambda: self.store, lambda: self.keys, self.clock)
        door = SignIn(self.sessions, lambda: self.keys, self.clock, public_url=public_url)
        self.changed: list[Mapping[str, str]] = []
        pages = Starlette(
            routes=[
                Route("/", self.who),
                Route("/records", self.who),
                Route("/change", self.change, methods=["POST", "PUT", "DELETE"]),
                theme_route(),
                *door.routes(),
            ],
            exception_handlers={KingpostError: answer_error},
        )
        self.app = door.guard(pages)
        transport = httpx.ASGITransport(self.app)
        self.browser = httpx.AsyncClient(transport=transport, base_url=base_url)

    async def who(self, request: Request) -> Response:
        principal: Principal = request.state.principal
        return PlainTextResponse(f"{principal.tenant}/{principal.by}/{request.state.csrf}")

    async def change(self, request: Request) -> Response:
        self.changed.append(form_of(await request.body()))
        return PlainTextResponse("changed")

    def key_of(self, *scopes: str, name: str = "ann") -> NewKey:
        return create_key(self.keys, self.clock, tenant="acme", scopes=scopes, name=name)

    async def form(self, query: str = "") -> str:
        """Open the page to sign in; return the secret of its form."""
        page = await self.browser.get(f"/login{query}")
        assert page.status_code == 200
        found = TOKEN.search(page.text)
        assert found
        return found[1]

    async def send(self, path: str, fields: Mapping[str, str], **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        kind = {"content-type": "application/x-www-form-urlencoded"}
        return await self.browser.post(
            path, content=urlencode(fields), headers={"origin": HERE} | kind | named
        )

    async def enter(self, key: str, following: str = "/") -> httpx.Response:
        fields = {"csrf": await self.form(), "key": key, "next": following}
        return await self.send("/login", fields)

    async def signed_in(self, *scopes: str) -> str:
        """Sign in with a new key; return the secret that forms bring along."""
        answer = await self.enter(self.key_of(*(scopes or ("records",))).secret)
        assert answer.status_code == 303, answer.text
        return (await self.browser.get("/")).text.rpartition("/")[2]


def run(scene: Callable[[House], Awaitable[None]], house: House | None = None) -> House:
    house = house or House()

    async def play() -> None:
        async with house.browser:
            await scene(house)

    asyncio.run(asyncio.wait_for(play(), 20))
    return house


def test_whoever_has_no_session_is_sent_to_sign_in_and_then_to_their_page() -> None:
    async def scene(house: House) -> None:
        sent = await house.browser.get("/records?decision=fraud&text=a%26b")

        assert sent.status_code == 303
        where = httpx.URL(sent.headers["location"])
        assert where.path == "/login"
        assert where.params["next"] == "/records?decision=fraud&text=a%26b"
        answer = await house.enter(house.key_of("records").secret, where.params["next"])
        assert answer.headers["location"] == "/records?decision=fraud&text=a%26b"

    run(scene)


def test_a_key_lets_in_its_holder() -> None:
    async def scene(house: House) -> None:
        await house.signed_in("records")

        page = await house.browser.get("/records")
        assert page.text.startswith("acme/ann/")

    run(scene)


@pytest.mark.parametrize("scope", ["records", "review", "review:fraud-desk"])
def test_a_key_for_reading_or_reviewing_opens_the_console(scope: str) -> None:
    async def scene(house: House) -> None:
        assert (await house.enter(house.key_of(scope).secret)).status_code == 303

    run(scene)


def test_a_key_for_neither_is_refused_with_the_reason() -> None:
    async def scene(house: House) -> None:
        answer = await house.enter(house.key_of("decide", "ingest").secret)

        assert answer.status_code == 403
        assert "lacks the scopes" in answer.text
        assert "kingpost" not in house.browser.cookies

    run(scene)


@pytest.mark.parametrize("key", ["", "kp_a_b", "x" * 5000, "é", "\0", "kp_1_'; DROP"])
def test_every_key_that_is_none_is_refused_alike(key: str) -> None:
    async def scene(house: House) -> None:
        answer = await house.enter(key)

        assert answer.status_code == 401
        assert 'role="alert">This API key is not valid; ask for a new one.' in answer.text
        assert key not in answer.text or not key
        assert "kingpost" not in house.browser.cookies

    run(scene)


def test_a_refused_form_can_be_sent_again() -> None:
    async def scene(house: House) -> None:
        refused = await house.enter("kp_a_b", "/records")
        again = TOKEN.search(refused.text)
        assert again
        assert 'name="next" value="/records"' in refused.text

        fields = {"csrf": again[1], "key": house.key_of("records").secret, "next": "/records"}
        assert (await house.send("/login", fields)).headers["location"] == "/records"

    run(scene)


def test_spaces_around_a_key_that_was_pasted_do_not_matter() -> None:
    async def scene(house: House) -> None:
        assert (await house.enter(f" {house.key_of('records').secret}\n")).status_code == 303

    run(scene)


def test_who_is_signed_in_is_not_asked_again() -> None:
    async def scene(house: House) -> None:
        await house.signed_in()

        answer = await house.browser.get("/login?next=/records")
        assert (answer.status_code, answer.headers["location"]) == (303, "/records")

    run(scene)


def test_signing_in_gives_a_new_session_whatever_came_with_it() -> None:
    async def scene(house: House) -> None:
        house.browser.cookies.set("kingpost", "chosen-by-somebody-else", domain="test.local")
        house.browser.cookies.set("kingpost", "chosen-by-somebody-else")
        answer = await house.enter(house.key_of("records").secret)

        assert "chosen-by-somebody-else" not in answer.headers["set-cookie"]
        stolen = httpx.Cookies({"kingpost": "chosen-by-somebody-else"})
        house.browser.cookies = stolen
        assert (await house.browser.get("/")).status_code == 303

    run(scene)


def test_signing_in_again_ends_the_session_before() -> None:
    async def scene(house: House) -> None:
        form = await house.form()
        await house.signed_in()
        before = house.browser.cookies["kingpost"]
        house.browser.cookies.set("kingpost-form", form)
        key = house.key_of("records").secret

        answer = await house.send("/login", {"csrf": form, "key": key})

        assert answer.status_code == 303
        house.browser.cookies = httpx.Cookies({"kingpost": before})
        assert (await house.browser.get("/")).status_code == 303

    run(scene)


def test_who_leaves_is_out_on_the_server_too() -> None:
    async def scene(house: House) -> None:
        csrf = await house.signed_in()
        token = house.browser.cookies["kingpost"]

        answer = await house.send("/logout", {"csrf": csrf})

        assert (answer.status_code, answer.headers["location"]) == (303, "/login")
        assert "kingpost" not in house.browser.cookies
        house.browser.cookies.set("kingpost", token)
        assert (await house.browser.get("/")).headers["location"] == "/login"

    run(scene)


def test_a_session_ends_with_its_key() -> None:
    async def scene(house: House) -> None:
        made = house.key_of("records")
        await house.enter(made.secret)
        assert (await house.browser.get("/")).status_code == 200

        revoke_key(house.keys, house.clock, made.key.id)

        assert (await house.browser.get("/")).status_code == 303

    run(scene)


def test_a_session_that_ran_out_leads_to_the_form_and_back() -> None:
    async def scene(house: House) -> None:
        await house.signed_in()
        house.clock.advance(3 * 3600)

        answer = await house.browser.get("/records")
        assert answer.headers["location"] == "/login?next=/records"

    run(scene)


def test_a_part_of_a_page_whose_session_ran_out_takes_the_page_to_sign_in() -> None:
    async def scene(house: House) -> None:
        answer = await house.browser.get(
            "/overview/part",
            headers={"hx-request": "true", "hx-current-url": f"{HERE}/records?text=x"},
        )

        assert answer.status_code == 401
        assert answer.headers["hx-redirect"] == "/login?next=/records%3Ftext%3Dx"

    run(scene)


def test_a_form_that_comes_when_the_session_ran_out_changes_nothing() -> None:
    async def scene(house: House) -> None:
        csrf = await house.signed_in()
        house.clock.advance(3 * 3600)

        answer = await house.send("/change", {"csrf": csrf}, referer=f"{HERE}/records")

        assert answer.headers["location"] == "/login?next=/records"
        assert house.changed == []

    run(scene)


@pytest.mark.parametrize("header", [False, True])
def test_a_form_with_the_secret_of_its_session_is_believed(header: bool) -> None:
    async def scene(house: House) -> None:
        csrf = await house.signed_in()
        fields = {"reason": "é & ü = 1+1", "csrf": "" if header else csrf}
        headers = {"x_csrf_token": csrf} if header else {}

        answer = await house.send("/change", fields, **headers)

        assert (answer.status_code, answer.text) == (200, "changed")
        assert house.changed == [fields]

    run(scene)


@pytest.mark.parametrize("token", ["", "x", "é", "0" * 43])
@pytest.mark.parametrize("header", [False, True])
def test_a_form_without_the_secret_of_its_session_changes_nothing(token: str, header: bool) -> None:
    async def scene(house: House) -> None:
        await house.signed_in()

        if header:
            raw = [(b"x-csrf-token", token.encode()), (b"origin", HERE.encode())]
            answer = await house.browser.post("/change", headers=raw)
        else:
            answer = await house.send("/change", {"csrf": token})

        assert answer.status_code == 403
        assert "not of your session" in answer.text
        assert house.changed == []

    run(scene)


def test_the_secret_of_another_session_is_not_believed() -> None:
    async def scene(house: House) -> None:
        other = await house.signed_in()
        house.browser.cookies.clear()
        await house.signed_in()

        assert (await house.send("/change", {"csrf": other})).status_code == 403
        assert house.changed == []

    run(scene)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "POST"])
def test_every_method_that_can_change_something_needs_the_secret(method: str) -> None:
    async def scene(house: House) -> None:
        await house.signed_in()

        answer = await house.browser.request(method, "/change", headers={"origin": HERE})

        assert answer.status_code == 403
        assert house.changed == []

    run(scene)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://test.evil.example"},
        {"origin": "http://test:81"},
        {"origin": "not a url"},
        {"origin": "http://[broken"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "nonsense"},
    ],
)
@pytest.mark.parametrize("path", ["/change", "/login", "/logout"])
def test_what_another_site_sends_is_not_believed(path: str, headers: dict[str, str]) -> None:
    async def scene(house: House) -> None:
        csrf = await house.signed_in()

        answer = await house.send(path, {"csrf": csrf}, **headers)

        assert answer.status_code == 403
        assert "another site" in answer.text
        assert house.changed == []
        assert (await house.browser.get("/")).status_code == 200, "still signed in"

    run(scene)


@pytest.mark.parametrize("host", ["[", "a b", "", "x" * 500, "evil.example"])
def test_a_host_that_is_none_of_ours_does_no_harm(host: str) -> None:
    async def scene(house: House) -> None:
        for headers in ({"host": host}, {"host": host, "hx-request": "true"}):
            answer = await house.browser.get("/records?a=1", headers=headers)
            assert answer.status_code in (303, 401)
            assert "next=/" in str(answer.headers) or headers.get("hx-request")

    run(scene)


@pytest.mark.parametrize("page", ["http://[", "https://evil.example//x.example", "", "x", "/\\x"])
def test_the_page_something_was_sent_from_leads_to_no_other_host(page: str) -> None:
    async def scene(house: House) -> None:
        headers = {"hx-request": "true", "hx-current-url": page}
        answer = await house.browser.get("/overview/part", headers=headers)

        assert answer.headers["hx-redirect"] == "/login"

    run(scene)


@pytest.mark.parametrize(
    "headers", [{"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}, {}]
)
def test_what_our_own_pages_and_other_programs_send_is_believed(headers: dict[str, str]) -> None:
    async def scene(house: House) -> None:
        csrf = await house.signed_in()

        assert (await house.send("/change", {"csrf": csrf}, **headers)).status_code == 200

    run(scene)


def test_a_proxy_may_give_the_server_another_name() -> None:
    async def scene(house: House) -> None:
        fields = {"csrf": await house.form(), "key": house.key_of("records").secret}
        answer = await house.send("/login", fields, origin="https://kingpost.example")

        assert answer.status_code == 303

    run(scene, House(public_url="https://kingpost.example", base_url="https://inside:8080"))


def test_the_form_to_sign_in_has_a_secret_of_its_own() -> None:
    async def scene(house: House) -> None:
        key = house.key_of("records").secret
        await house.form()

        for csrf in ("", "0" * 43):
            answer = await house.send("/login", {"csrf": csrf, "key": key})
            assert answer.status_code == 403
        house.browser.cookies.clear()
        answer = await house.send("/login", {"csrf": "", "key": key})
        assert answer.status_code == 403
        assert "kingpost" not in house.browser.cookies

    run(scene)


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"csrf=x&reason=" + b"x" * 70_000, "application/x-www-form-urlencoded", 413),
        (b"{}", "application/json", 413),
        (b"--x", "multipart/form-data; boundary=x", 413),
        (b"\xff\xfe=%ff", "application/x-www-form-urlencoded", 403),
        (b"a=1&" * 300, "application/x-www-form-urlencoded", 403),
    ],
)
@pytest.mark.parametrize("path", ["/change", "/login"])
def test_what_is_no_form_of_ours_is_refused(path: str, body: bytes, kind: str, status: int) -> None:
    async def scene(house: House) -> None:
        await house.signed_in()

        answer = await house.browser.post(
            path, content=body, headers={"content-type": kind, "origin": HERE}
        )

        assert answer.status_code == status
        assert house.changed == []

    run(scene)


@pytest.mark.parametrize(
    "path", ["/", "/login", "/nothing/here", "/static/0/none.css", "/overview/part"]
)
def test_every_answer_keeps_foreign_scripts_frames_and_caches_out(path: str) -> None:
    async def scene(house: House) -> None:
        for answer in (await house.browser.get(path), await house.send(path, {})):
            for name, value in HEADERS.items():
                assert answer.headers[name] == value
            assert answer.headers["cache-control"] == "no-store"
        policy = HEADERS["content-security-policy"]
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert "form-action 'self'" in policy

    run(scene)


def test_cookies_are_out_of_reach_of_scripts_and_of_other_sites() -> None:
    async def scene(house: House) -> None:
        for answer in (
            await house.browser.get("/login"),
            await house.enter(house.key_of("records").secret),
        ):
            for cookie in answer.headers.get_list("set-cookie"):
                assert "HttpOnly" in cookie
                assert "SameSite=lax" in cookie
                assert "Path=/" in cookie
                assert "Domain" not in cookie
                assert "Secure" not in cookie

    run(scene)


@pytest.mark.parametrize(
    ("public_url", "base_url"),
    [("https://kingpost.example", "https://kingpost.example"), ("", "https://kingpost.example")],
)
def test_behind_https_cookies_are_bound_to_the_host(public_url: str, base_url: str) -> None:
    async def scene(house: House) -> None:
        fields = {"csrf": await house.form(), "key": house.key_of("records").secret}
        answer = await house.send("/login", fields, origin="https://kingpost.example")

        cookies = answer.headers.get_list("set-cookie")
        assert [cookie.partition("=")[0] for cookie in cookies] == [
            "__Host-kingpost",
            "__Host-kingpost-form",
        ]
        assert all("; Secure" in cookie for cookie in cookies)
        assert (await house.browser.get("/")).status_code == 200

    run(scene, House(public_url, base_url))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/", "/"),
        (
            "/records?text=a%2Fb&x=https://evil.example",
            "/records?text=a%2Fb&x=https://evil.example",
        ),
        ("/decisions/fraud#top", "/decisions/fraud#top"),
        ("", "/"),
        ("records", "/"),
        ("//evil.example", "/"),
        ("///evil.example", "/"),
        ("/\\evil.example", "/"),
        ("\\/evil.example", "/"),
        ("/a\\b", "/"),
        ("/\t/evil.example", "/"),
        ("/\n/evil.example", "/"),
        (" //evil.example", "/"),
        ("https://evil.example", "/"),
        ("https:/evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("data:text/html,x", "/"),
        ("/x\0", "/"),
        ("/" + "x" * 3000, "/"),
        ("/login?next=/login", "/"),
        ("/logout", "/"),
    ],
)
def test_an_address_to_go_on_to_is_one_of_our_own(text: str, expected: str) -> None:
    assert local_path(text) == expected


@pytest.mark.parametrize("wanted", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_signing_in_leads_to_no_other_host(wanted: str) -> None:
    async def scene(house: House) -> None:
        answer = await house.enter(house.key_of("records").secret, wanted)
        assert answer.headers["location"] == "/"
        again = await house.browser.get("/login", params={"next": wanted})
        assert again.headers["location"] == "/"

    run(scene)


def test_what_was_asked_for_is_shown_as_text_and_runs_nowhere() -> None:
    async def scene(house: House) -> None:
        page = await house.browser.get("/login", params={"next": '/"><script>x</script>'})

        assert "<script" not in page.text

    run(scene)


def test_who_goes_away_in_the_middle_of_a_form_leaves_no_error() -> None:
    async def scene(house: House) -> None:
        await house.signed_in()
        cookie = f"kingpost={house.browser.cookies['kingpost']}".encode()
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/change",
            "query_string": b"",
            "headers": [(b"cookie", cookie), (b"host", b"test")],
        }
        sent: list[object] = []
        parts: list[dict[str, object]] = [
            {"type": "http.request", "body": b"csrf=", "more_body": True}
        ]

        async def receive() -> dict[str, object]:
            return parts.pop() if parts else {"type": "http.disconnect"}

        async def send(message: object) -> None:
            sent.append(message)

        await house.app(scope, receive, send)

        assert sent == []
        assert house.changed == []

    run(scene)


def test_sessions_that_cannot_be_reached_let_nobody_in_and_say_so() -> None:
    async def scene(house: House) -> None:
        await house.signed_in()
        house.store.is_sick = True

        answer = await house.browser.get("/")

        assert answer.status_code == 503
        assert "sessions cannot be reached" in answer.text

    run(scene)


def test_without_an_issuer_there_is_no_way_in_by_one() -> None:
    async def scene(house: House) -> None:
        assert "Sign in with" not in (await house.browser.get("/login")).text
        assert (await house.browser.get("/login/oidc")).status_code == 404

    run(scene)


@pytest.mark.parametrize("back", ["///evil.example/x", "//evil.example", "//[", "/\\evil.example"])
def test_choosing_colours_leads_to_no_other_host(back: str) -> None:
    async def scene(house: House) -> None:
        csrf = await house.signed_in()

        answer = await house.send("/theme", {"csrf": csrf, "theme": "dark", "back": back})

        assert (answer.status_code, answer.headers["location"]) == (303, "/")

    run(scene)


def test_a_form_is_small_also_with_its_secret_in_the_header() -> None:
    async def scene(house: House) -> None:
        csrf = await house.signed_in()

        answer = await house.send("/change", {"reason": "x" * 70_000}, x_csrf_token=csrf)

        assert answer.status_code == 413
        assert house.changed == []

    run(scene)


def test_an_answer_to_a_task_has_room_for_a_value_and_ends_somewhere() -> None:
    async def scene(house: House) -> None:
        csrf = await house.signed_in()

        large = await house.send("/inbox/none/modify", {"csrf": csrf, "value": "x" * 600_000})
        too_large = await house.send("/inbox/none/modify", {"csrf": csrf, "value": "x" * 1_100_000})

        assert large.status_code == 404, "it was let through, to where nothing is"
        assert too_large.status_code == 413

    run(scene)
