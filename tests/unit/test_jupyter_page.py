"""The page that explains why there is no desktop, in a browser."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, Page, expect

from tests.support import eventually
from vizproxy.jupyter import explain
from vizproxy.jupyter.explain import Explanation, Phase

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

STARTING = Explanation(Phase.STARTING, "The desktop is starting", "A few seconds.", "not yet")
FAILED = Explanation(
    Phase.FAILED,
    "The desktop has failed",
    "There is no `Xorg`.",
    "no Xorg",
    advice="Try <b>this</b>.",
    output=("<img src=x onerror=document.title='caught'>",),
)


class Site:
    """A server with the page, and a desktop behind it that comes when it is told to."""

    def __init__(self) -> None:
        self.explanation: Explanation | None = STARTING
        self.asked = 0
        self.page = explain.Page.read()
        self.url = ""

    async def root(self, _: web.Request) -> web.Response:
        if self.explanation is None:
            return web.Response(text="<h1>The desktop itself</h1>", content_type="text/html")
        return web.Response(
            status=503,
            body=self.page.render(self.explanation, "/desktop/healthz"),
            content_type="text/html",
            headers={"Content-Security-Policy": self.page.policy("frame-ancestors 'self'")},
        )

    async def health(self, _: web.Request) -> web.Response:
        self.asked += 1
        if self.explanation is None:
            return web.json_response({"status": "alive"})
        return web.Response(status=503, body=self.explanation.as_json(with_html=True))

    async def frame(self, _: web.Request) -> web.Response:
        html = '<iframe src="/desktop/" style="display: none"></iframe>'
        return web.Response(text=html, content_type="text/html")

    async def asked_more(self) -> None:
        before = self.asked

        async def more() -> bool:
            return self.asked > before

        await eventually(more)


@contextlib.asynccontextmanager
async def site() -> AsyncIterator[Site]:
    made = Site()
    app = web.Application()
    app.router.add_get("/desktop/", made.root)
    app.router.add_get("/desktop/healthz", made.health)
    app.router.add_get("/lab", made.frame)
    async with TestServer(app) as server:
        made.url = str(server.make_url("/"))
        yield made


@contextlib.asynccontextmanager
async def tab(browser: Browser, **options: object) -> AsyncIterator[Page]:
    context = await browser.new_context(**options)  # type: ignore[arg-type]
    problems: list[str] = []
    page = await context.new_page()
    page.on("pageerror", lambda error: problems.append(str(error)))
    yield page
    await context.close()
    assert problems == []


async def test_it_gives_way_to_the_desktop(browser: Browser):
    async with site() as served, tab(browser) as page:
        await page.goto(f"{served.url}desktop/")
        await expect(page.get_by_role("heading", name="The desktop is starting")).to_be_visible()
        await served.asked_more()
        served.explanation = None
        await expect(page.get_by_role("heading", name="The desktop itself")).to_be_visible()


async def test_it_tells_what_has_changed_and_shows_it_as_text(browser: Browser):
    async with site() as served, tab(browser) as page:
        await page.goto(f"{served.url}desktop/")
        served.explanation = FAILED
        await expect(page.get_by_role("heading", name="The desktop has failed")).to_be_visible()
        await expect(page.locator("code")).to_have_text("Xorg")
        await expect(page.get_by_text("Try <b>this</b>.")).to_be_visible()
        await expect(page.locator("pre")).to_contain_text("<img src=x")
        assert await page.title() == "Desktop"
        served.explanation = dataclasses.replace(FAILED, title="Still no desktop")
        await expect(page.get_by_role("heading", name="Still no desktop")).to_be_visible()


async def test_it_asks_ever_less_and_in_the_end_only_when_told_to(browser: Browser):
    async with site() as served, tab(browser) as page:
        await page.clock.install()
        await page.goto(f"{served.url}desktop/")
        await page.clock.run_for(600)

        async def first() -> bool:
            return served.asked == 1

        await eventually(first)
        await page.clock.fast_forward(16 * 60_000)
        button = page.get_by_role("button", name="Try again")
        await expect(button).to_be_visible()
        await expect(page.get_by_text("does not keep the session alive")).to_be_visible()
        before = served.asked
        await page.clock.run_for(60_000)
        assert served.asked == before
        await button.click()
        await expect(button).to_be_hidden()

        async def asked() -> bool:
            return served.asked > before

        await eventually(asked)


async def test_nothing_is_asked_where_nobody_can_see_it(browser: Browser):
    async with site() as served, tab(browser) as page:
        await page.goto(f"{served.url}lab")
        frame = page.locator("iframe")
        inner = page.frames[1]
        await inner.wait_for_function("document.readyState === 'complete'")
        await inner.evaluate("() => new Promise(done => setTimeout(done, 800))")
        assert served.asked == 0
        await frame.evaluate("frame => { frame.style.display = 'block' }")
        await served.asked_more()


async def test_it_says_when_the_server_itself_is_gone(browser: Browser):
    async with tab(browser) as page:
        async with site() as served:
            await page.goto(f"{served.url}desktop/")
            await served.asked_more()
        await expect(page.get_by_text("The Jupyter server does not answer.")).to_be_visible()


async def test_without_scripts_it_reloads_itself(browser: Browser):
    async with site() as served, tab(browser, java_script_enabled=False) as page:
        await page.goto(f"{served.url}desktop/")
        served.explanation = None
        await expect(page.get_by_role("heading", name="The desktop itself")).to_be_visible(
            timeout=15_000
        )
