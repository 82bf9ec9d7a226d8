"""Who may do what: proofs of access and the origin of requests."""

from __future__ import annotations

import re

import pytest

from vizproxy.errors import AccessDeniedError, OriginError
from vizproxy.gateway.access import Gatekeeper, Role, new_token

TOKEN = "k7P-secret"
GATE = Gatekeeper(TOKEN, allowed_origins=("https://hub.example.org/", "https://app.example.org"))

# --------------------------------------------------------------------------------------- proofs


def test_tokens_are_long_differ_and_fit_in_a_fragment() -> None:
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", token) for token in tokens)


@pytest.mark.parametrize(
    ("offered", "fits"),
    [
        (TOKEN, True),
        ("", False),
        (TOKEN[:-1], False),
        (TOKEN + "x", False),
        (TOKEN.upper(), False),
        (f" {TOKEN}", False),
        ("größe\udce4", False),
        ("\0", False),
    ],
)
def test_a_token_fits_or_not(offered: str, fits: bool) -> None:
    assert GATE.token_matches(offered) is fits


@pytest.mark.parametrize(
    ("proof", "role"),
    [
        ({}, Role.OPEN),
        ({"over_unix": True}, Role.CONTROL),
        ({"bearer": TOKEN}, Role.CONTROL),
        ({"cookie": GATE.cookie_value}, Role.CONTROL),
        ({"bearer": "wrong", "cookie": GATE.cookie_value}, Role.CONTROL),
        ({"bearer": GATE.cookie_value}, Role.OPEN),
        ({"cookie": TOKEN}, Role.OPEN),  # a cookie that leaks is not the token, nor the reverse
        ({"cookie": ""}, Role.OPEN),
        ({"bearer": ""}, Role.OPEN),
        ({"cookie": "\udce4"}, Role.OPEN),
    ],
)
def test_a_proof_gives_a_role(proof: dict[str, str | bool], role: Role) -> None:
    given = {"over_unix": False, "cookie": None, "bearer": None} | proof
    assert GATE.role(**given) is role  # type: ignore[arg-type]


def test_another_daemons_cookie_opens_nothing() -> None:
    other = Gatekeeper("another secret")
    assert other.role(over_unix=False, cookie=GATE.cookie_value, bearer=None) is Role.OPEN
    assert other.cookie_name != GATE.cookie_name  # browsers share one jar for all ports


def test_nothing_that_a_browser_keeps_gives_the_token_away() -> None:
    assert TOKEN not in GATE.cookie_name + GATE.cookie_value
    assert re.fullmatch(r"vizproxy-[0-9a-f]{12}", GATE.cookie_name)
    again = Gatekeeper(TOKEN)
    assert (again.cookie_name, again.cookie_value) == (GATE.cookie_name, GATE.cookie_value)


def test_a_higher_role_includes_the_lower_ones() -> None:
    for needed in Role:
        for role in Role:
            if role >= needed:
                GATE.check_role(needed, role)
            else:
                with pytest.raises(AccessDeniedError, match="`vizproxy url`"):
                    GATE.check_role(needed, role)


# -------------------------------------------------------------------------------------- origins

ALLOWED = [
    # no page asks: curl, a proxy's health check
    (None, "127.0.0.1:6080"),
    # the desktop's own page
    ("http://127.0.0.1:6080", "127.0.0.1:6080"),
    ("http://localhost:6080", "localhost:6080"),
    ("http://desk.example.org", "desk.example.org"),
    # the scheme's own port, written or not
    ("http://desk.example.org", "desk.example.org:80"),
    ("http://desk.example.org:80", "desk.example.org"),
    ("https://desk.example.org", "desk.example.org:443"),
    ("https://desk.example.org:443", "desk.example.org"),
    # host names have no case
    ("http://Desk.Example.ORG", "desk.example.org"),
    ("http://desk.example.org", "DESK.example.org"),
    # IPv6
    ("http://[::1]:6080", "[::1]:6080"),
    ("https://[2001:DB8::1]", "[2001:db8::1]:443"),
    # the origins of the configuration, with or without the slash that people copy along
    ("https://hub.example.org", "127.0.0.1:6080"),
    ("https://hub.example.org/", "127.0.0.1:6080"),
    ("https://app.example.org", "127.0.0.1:6080"),
]

REFUSED = [
    # another site
    ("http://evil.example.org", "desk.example.org"),
    ("http://127.0.0.1:6080", "localhost:6080"),
    # another port
    ("http://127.0.0.1:6081", "127.0.0.1:6080"),
    ("http://127.0.0.1", "127.0.0.1:6080"),
    ("https://desk.example.org", "desk.example.org:80"),
    ("http://desk.example.org", "desk.example.org:443"),
    # names that begin or end alike
    ("http://desk.example.org.evil.net", "desk.example.org"),
    ("http://evil-desk.example.org", "desk.example.org"),
    ("http://desk.example.org@evil.net", "desk.example.org"),
    ("http://sub.desk.example.org", "desk.example.org"),
    # a page without an origin: a file, a sandboxed frame, a redirect
    ("null", "desk.example.org"),
    ("null", "null"),
    ("", "desk.example.org"),
    ("file://", "desk.example.org"),
    # not an origin
    ("desk.example.org", "desk.example.org"),
    ("//desk.example.org", "desk.example.org"),
    ("http://", "desk.example.org"),
    ("http://desk.example.org:99999", "desk.example.org:99999"),
    ("http://desk.example.org:port", "desk.example.org:port"),
    ("http://[::1", "[::1"),
    ("http://[::2]:6080", "[::1]:6080"),
    ("javascript://desk.example.org", "desk.example.org"),
    # an origin of the configuration under another scheme or port
    ("http://hub.example.org", "127.0.0.1:6080"),
    ("https://hub.example.org:8443", "127.0.0.1:6080"),
    # no Host header
    ("http://desk.example.org", ""),
]


@pytest.mark.parametrize(("origin", "host"), ALLOWED)
def test_an_own_page_is_let_in(origin: str | None, host: str) -> None:
    GATE.check_origin(origin, [host])


@pytest.mark.parametrize(("origin", "host"), REFUSED)
def test_a_foreign_page_is_refused(origin: str, host: str) -> None:
    with pytest.raises(OriginError) as refused:
        GATE.check_origin(origin, [host])
    assert refused.value.http_status == 403


def test_behind_a_proxy_the_forwarded_host_counts_too() -> None:
    hosts = ["vizproxy", "hub.university.edu"]  # Host as the proxy sends it, X-Forwarded-Host
    GATE.check_origin("https://hub.university.edu", hosts)
    with pytest.raises(OriginError):
        GATE.check_origin("https://evil.example.org", hosts)
    with pytest.raises(OriginError):
        GATE.check_origin("https://hub.university.edu", [])


def test_a_refusal_quotes_little_of_what_was_sent() -> None:
    with pytest.raises(OriginError) as refused:
        GATE.check_origin("http://evil/\r\n" + "x" * 10_000, ["desk"])
    text = str(refused.value)
    assert len(text) < 400
    assert text.isprintable()
