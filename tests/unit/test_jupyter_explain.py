"""The page that explains why there is no desktop."""

from __future__ import annotations

import base64
import hashlib
import json
import re

import pytest

from vizproxy.jupyter.explain import Explanation, Page, Phase, fragment

SERVERS = "frame-ancestors 'self'; report-uri /user/zoe/api/security/csp-report"

NASTY = Explanation(
    Phase.FAILED,
    "No <desktop>",
    'It said "no" & `rm -rf <x>`.',
    "cannot reach it: why",
    "a hint",
    advice="Try `apt-get install x`, or & more.",
    report="<b>$style</b>",
    output=("<script>alert(1)</script>", "second $health"),
)


@pytest.fixture(scope="module")
def page() -> Page:
    return Page.read()


def sources(page: Page, tag: str, html: str) -> str:
    body = re.search(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
    assert body is not None
    return base64.b64encode(hashlib.sha256(body[1].encode()).digest()).decode()


def test_nothing_that_it_shows_is_taken_for_html():
    html = fragment(NASTY)
    assert "No &lt;desktop&gt;" in html
    assert "<code>rm -rf &lt;x&gt;</code>" in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\nsecond $health" in html
    assert "<script" not in html
    assert "&lt;b&gt;$style" in html


def test_the_policy_lets_exactly_its_own_style_and_script_in(page: Page):
    html = page.render(NASTY, "/user/zoe/desktop/healthz").decode()
    policy = page.policy(SERVERS)
    assert f"script-src 'sha256-{sources(page, 'script', html)}'" in policy
    assert f"style-src 'sha256-{sources(page, 'style', html)}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_the_page_knows_where_to_ask(page: Page):
    html = page.render(NASTY, '/user/"zo"/desktop/healthz').decode()
    assert 'data-health="/user/&quot;zo&quot;/desktop/healthz"' in html
    assert '<noscript><meta http-equiv="refresh"' in html
    assert "http://" not in html
    assert "https://" not in html


@pytest.mark.parametrize(
    ("servers", "framed_by"),
    [
        (SERVERS, "frame-ancestors 'self'"),
        ("frame-ancestors 'none'", "frame-ancestors 'self'"),
        (
            "frame-ancestors 'self' https://hub.example.org",
            "frame-ancestors 'self' https://hub.example.org",
        ),
        ("frame-ancestors", "frame-ancestors 'self'"),
        ("", "frame-ancestors 'self'"),
    ],
)
def test_jupyterlab_may_frame_it_and_whom_the_server_allows(
    page: Page, servers: str, framed_by: str
):
    directives = [part.strip() for part in page.policy(servers).split(";")]
    assert [d for d in directives if d.startswith("frame-ancestors")] == [framed_by]


def test_reports_go_where_the_servers_go(page: Page):
    assert page.policy(SERVERS).endswith("report-uri /user/zoe/api/security/csp-report")
    assert "sandbox" not in page.policy("sandbox; script-src 'none'")


def test_programs_get_the_apis_form_of_an_error():
    error = json.loads(NASTY.as_json(with_html=False))
    assert error == {"code": "not_running", "message": "cannot reach it: why", "hint": "a hint"}
    assert json.loads(NASTY.as_json(with_html=True))["html"] == fragment(NASTY)
