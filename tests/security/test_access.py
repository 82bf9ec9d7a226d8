"""Who gets in: over TCP with the token alone, from pages of our own site alone."""

import contextlib

import aiohttp
import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families

from tests.rfb import watching
from tests.support import running_daemon
from vizproxy.api.app import ROUTES
from vizproxy.gateway.access import Role

pytestmark = pytest.mark.asyncio(loop_scope="module")

FOREIGN = ["https://evil.example", "http://vizproxy.evil.example", "null", "", "http://", "file://"]
ALLOWED = "https://hub.example"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tcp(tmp_path_factory):
    """A desktop that listens on TCP, too."""
    directory = tmp_path_factory.mktemp("tcp")
    arguments = ("--http", "127.0.0.1:0")
    running = running_daemon(directory, *arguments, VIZPROXY_HTTP_ALLOWED_ORIGINS=ALLOWED)
    async with running as daemon:
        yield daemon


@contextlib.asynccontextmanager
async def browser(daemon, **headers):
    """A client over TCP, with a cookie jar that takes cookies from an address as well."""
    jar = aiohttp.CookieJar(unsafe=True)
    url = (await daemon.status())["listening"][0]
    async with aiohttp.ClientSession(url, cookie_jar=jar, headers=headers) as session:
        yield session


def token_of(daemon):
    return (daemon.directory / "token").read_text()


async def open_with(session, token):
    async with session.post("/api/v1/session", json={"token": token}) as response:
        return response.status, response.headers.get("Set-Cookie")


SOCKETS = {"/websockify", "/api/v1/events", "/api/v1/lease"}
UPGRADE = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}


def route_path(route):
    filled = route.path.replace("{name}", "xorg").replace("{action}", "raise")
    return filled.replace("{id}", "0x400001" if "windows" in filled else "xclock-1")


def route_id(route):
    return f"{route.method} {route_path(route)}"


async def status_code(daemon, **headers):
    """What a client with these headers gets when it asks for the status."""
    async with browser(daemon, **headers) as session, session.get("/api/v1/status") as response:
        return response.status


async def check_works(session):
    async with session.get("/api/v1/status") as response:
        assert response.status == 200
    async with watching(session) as viewer:
        await viewer.update(incremental=False)


# over TCP: the token


async def test_the_open_routes_are_these():
    routes = {(route.method, route.path) for route in ROUTES if route.needs is Role.OPEN}
    assert routes == {("GET", "/healthz"), ("GET", "/readyz"), ("POST", "/api/v1/session")}


async def test_whatever_changes_something_checks_the_origin_and_needs_control():
    for route in ROUTES:
        if route.method != "GET" or route.path == "/websockify":
            assert route.acts, route
            assert route.needs is Role.CONTROL or route.path == "/api/v1/session"


PROOFS = {
    "none": {},
    "wrong token": {"Authorization": "Bearer " + "x" * 43},
    "empty token": {"Authorization": "Bearer "},
    "odd token": {"Authorization": "Bearer \u00e9"},
    "long token": {"Authorization": "Bearer " + "y" * 7000},
    "another scheme": {"Authorization": "Basic Og=="},
    "wrong cookie": {"Cookie": "vizproxy=1; vizproxy-000000000000=0"},
}


@pytest.mark.parametrize("proof", PROOFS)
@pytest.mark.parametrize("route", [r for r in ROUTES if r.needs is not Role.OPEN], ids=route_id)
async def test_nobody_gets_in_without_the_token(tcp, route, proof):
    headers = PROOFS[proof] | (UPGRADE if route.path in SOCKETS else {})
    async with (
        browser(tcp, **headers) as session,
        session.request(route.method, route_path(route), json={}) as response,
    ):
        assert response.status == 401
        answer = await response.json()
    assert answer["code"] == "access_denied"
    assert "vizproxy url" in answer["hint"]


async def test_a_forwarded_host_or_a_cookie_name_is_no_proof(tcp):
    async with browser(tcp) as session:
        _, cookie = await open_with(session, token_of(tcp))
    name = cookie.partition("=")[0]
    for value in ("", "x", token_of(tcp), "0" * 64):
        assert await status_code(tcp, Cookie=f"{name}={value}") == 401


@pytest.mark.parametrize("token", ["", "x", "é", 5, None, ["x"], "a" * 50_000, "\x00"])
async def test_a_wrong_token_opens_nothing(tcp, token):
    async with browser(tcp) as session:
        assert await open_with(session, token) == (401, None)
        async with session.get("/api/v1/status") as response:
            assert response.status == 401


async def test_a_token_with_something_added_opens_nothing(tcp):
    async with browser(tcp) as session:
        for token in (token_of(tcp) + "x", token_of(tcp)[:-1], " " + token_of(tcp)):
            assert await open_with(session, token) == (401, None)


async def test_the_token_is_traded_for_a_cookie(tcp):
    async with browser(tcp) as session:
        status, cookie = await open_with(session, token_of(tcp))
        assert status == 204
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert "Path=/" in cookie
        assert "Max-Age" not in cookie, "it ends with the browser's session"
        assert "expires" not in cookie.lower()
        assert token_of(tcp) not in cookie
        await check_works(session)


async def test_the_token_works_as_a_bearer_token(tcp):
    async with browser(tcp, Authorization=f"Bearer {token_of(tcp)}") as session:
        await check_works(session)


async def test_the_cookie_of_another_daemon_opens_nothing(tcp, tmp_path):
    async with running_daemon(tmp_path, "--http", "127.0.0.1:0") as other:
        async with browser(other) as session:
            _, theirs = await open_with(session, token_of(other))
        async with browser(tcp) as session:
            _, ours = await open_with(session, token_of(tcp))
        name, value = ours.partition("=")[0], theirs.partition(";")[0].partition("=")[2]
        assert name != theirs.partition("=")[0], "each daemon on a host has a cookie of its own"
        for cookie in (theirs.partition(";")[0], f"{name}={value}"):
            assert await status_code(tcp, Cookie=cookie) == 401


async def test_the_page_itself_is_open_and_knows_no_secret(tcp):
    async with browser(tcp) as session, session.get("/") as response:
        assert response.status == 200
        assert token_of(tcp) not in await response.text()


# pages of other sites


ACTING = [route for route in ROUTES if route.acts]


@pytest.mark.parametrize("origin", FOREIGN)
@pytest.mark.parametrize("route", ACTING, ids=route_id)
async def test_pages_of_other_sites_can_do_nothing(tcp, route, origin):
    headers = {"Origin": origin}
    if route.path in SOCKETS:
        headers |= UPGRADE
    over_tcp = browser(tcp, Authorization=f"Bearer {token_of(tcp)}")
    async with over_tcp as one, tcp.session() as two:
        for session in (one, two):
            request = session.request(
                *(route.method, route_path(route)),
                json={"width": 800, "height": 600},
                headers=headers,
            )
            async with request as response:
                assert response.status == 403
                assert (await response.json())["code"] == "origin_refused"
    assert (await tcp.status())["display"]["width"] == 1600


async def test_a_foreign_page_gets_no_picture(tcp):
    async with tcp.session() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect("/websockify", origin="https://evil.example")
    assert refused.value.status == 403


async def test_who_gets_no_picture_is_counted(tcp):
    before = await refusals(tcp)
    async with tcp.session() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect("/websockify", origin="https://evil.example")
    async with browser(tcp) as session:
        for _ in range(2):
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await session.ws_connect("/websockify")
        async with session.get("/api/v1/status") as response:
            assert response.status == 401, "which is no viewer"
    after = await refusals(tcp)
    counted = {reason: after[reason] - before[reason] for reason in after}
    assert counted == {"not_ready": 0, "too_many": 0, "access": 2, "origin": 1}


async def refusals(daemon):
    """How many viewers were not let in, by the reason."""
    async with daemon.session() as session, session.get("/metrics") as response:
        families = text_string_to_metric_families(await response.text())
    samples = {sample.name: family.samples for family in families for sample in family.samples}
    counted = samples["vizproxy_viewers_refused_total"]
    return {sample.labels["reason"]: sample.value for sample in counted}


async def test_our_own_page_gets_the_picture(tcp):
    origin = (await tcp.status())["listening"][0].rstrip("/")
    async with (
        browser(tcp, Authorization=f"Bearer {token_of(tcp)}") as session,
        session.ws_connect("/websockify", origin=origin) as socket,
    ):
        assert (await socket.receive_bytes(timeout=5)).startswith(b"RFB")


async def test_allowed_origins_get_the_picture(tcp):
    async with tcp.session() as session:
        async with session.ws_connect("/websockify", origin=ALLOWED) as socket:
            assert (await socket.receive_bytes(timeout=5)).startswith(b"RFB")
        for near in (ALLOWED.replace("https", "http"), ALLOWED + ":8443", ALLOWED + ".evil"):
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await session.ws_connect("/websockify", origin=near)


@pytest.mark.parametrize(
    ("host", "forwarded", "origin", "allowed"),
    [
        ("localhost:8888", None, "http://localhost:8888", True),
        ("localhost:8888", None, "http://localhost:8889", False),
        ("localhost", "hub.site", "https://hub.site", True),
        ("localhost", "hub.site:8443, inner", "https://hub.site:8443", True),
        ("localhost", "hub.site", "https://evil.example", False),
    ],
)
async def test_a_proxy_on_the_unix_socket_says_what_the_site_is_called(
    tcp, host, forwarded, origin, allowed
):
    headers = {"Host": host} | ({"X-Forwarded-Host": forwarded} if forwarded else {})
    async with tcp.session() as session:
        connecting = session.ws_connect("/websockify", origin=origin, headers=headers)
        if allowed:
            async with connecting as socket:
                assert (await socket.receive_bytes(timeout=5)).startswith(b"RFB")
        else:
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await connecting


async def test_over_tcp_nobody_is_believed_about_the_name_of_the_site(tcp):
    forged = {"X-Forwarded-Host": "evil.example", "Authorization": f"Bearer {token_of(tcp)}"}
    async with browser(tcp, **forged) as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect("/websockify", origin="https://evil.example")
    assert refused.value.status == 403
