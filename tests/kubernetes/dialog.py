"""The page on which a user of JupyterHub chooses what to start."""

from __future__ import annotations

from collections.abc import Mapping

from playwright.async_api import Locator, Page

from tests.jupyter.hub import Hub

PATIENCE_MS = 30_000


class SpawnDialog:
    """The page "Server Options" in a tab of a signed-in user."""

    def __init__(self, page: Page, hub: Hub) -> None:
        self.page = page
        self._hub = hub
        self.errors: list[str] = []
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    async def open(self) -> None:
        await self.page.goto(f"{self._hub.url}hub/spawn")
        await self.page.locator("#kubespawner-profiles-list").wait_for()

    def field(self, name: str) -> Locator:
        """The list from which to choose, by its label."""
        return self.page.get_by_label(name, exact=True)

    async def choices(self) -> dict[str, list[str]]:
        """What there is to choose, and the choices of each, as a user reads them."""
        found = {}
        for label in await self.page.locator(".js-profile-option-label").all():
            name = (await label.inner_text()).strip()
            options = self.field(name).locator("option")
            found[name] = [text.strip() for text in await options.all_inner_texts()]
        return found

    async def chosen(self) -> dict[str, str]:
        """What is chosen at the moment."""
        return {
            name: (await self.field(name).locator("option:checked").inner_text()).strip()
            for name in await self.choices()
        }

    async def choose(self, chosen: Mapping[str, str]) -> None:
        """Choose by what a user reads; the rest stays as it is."""
        for name, choice in chosen.items():
            await self.field(name).select_option(label=choice)

    async def start(self) -> str:
        """Press Start; return what the page of the server says, or why there is none."""
        await self.page.get_by_role("button", name="Start").click()
        end = self.page.locator("#server, .spawn-error-msg, .error").first
        return (await end.inner_text()).strip()
