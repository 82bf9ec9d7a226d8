"""Web servers around the desktop: a proxy with a prefix, as a hub has one, and a foreign site."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from html import escape
from pathlib import Path

import aiohttp
from aiohttp import WSMsgType, web
from playwright.async_api import Frame
from yarl import URL

from tests.e2e.viewer import Viewer

PREFIX = "/user/zo%C3%AB/desktop/"
"""What browsers make of /user/zoë/desktop/."""

SANDBOX = "allow-same-origin allow-scripts allow-popups allow-forms allow-downloads allow-modals"
"""What JupyterLab lets the frame of a proxied app do."""

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "upgrade", "content-length"}


@contextlib.asynccontextmanager
async def site(app: web.Application) -> AsyncIterator[str]:
    """Serve an application on a free port of this machine; yield its address."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def page_site(html: str) -> AsyncIterator[str]:
    """A site that has one page."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=html, content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page)
    async with site(app) as address:
        yield address + "/"


@contextlib.asynccontextmanager
async def prefix_site(socket: Path) -> AsyncIterator[PrefixProxy]:
    """A proxy that shows the desktop under PREFIX, and a page at /lab that holds it in a frame."""
    connector = aiohttp.UnixConnector(str(socket))
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
        proxy = PrefixProxy(session)
        app = web.Application()
        app.router.add_get("/lab", proxy.lab)
        app.router.add_route("*", "/{path:.*}", proxy.forward)
        async with site(app) as proxy.address:
            yield proxy


class PrefixProxy:
    """Forwards what is under the prefix to the daemon's socket and keeps the Host header.

    ``strays`` are the requests that were not under the prefix. A path that is ``out_of_order`` is
    answered by the proxy, with an error. ``frame`` are more attributes of the frame at /lab.
    """

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.address = ""
        self.strays: list[str] = []
        self.out_of_order: set[str] = set()
        self.frame = ""
        self._session = session
        self._sockets: dict[web.WebSocketResponse, str] = {}

    @property
    def link(self) -> str:
        return self.address + PREFIX

    @property
    def open_sockets(self) -> list[str]:
        """The paths of the WebSockets that are open."""
        return list(self._sockets.values())

    async def lab(self, request: web.Request) -> web.Response:
        query = escape(f"?{request.query_string}" if request.query_string else "", quote=True)
        html = (
            "<!doctype html><title>Lab</title><link rel='icon' href='data:,'>"
            "<input id='cell' autofocus>"
            "<iframe id='desktop' width='800' height='500' style='border: 0; display: block'"
            f" sandbox='{SANDBOX}' {self.frame} src='{PREFIX}{query}'></iframe>"
        )
        return web.Response(text=html, content_type="text/html")

    async def drop_sockets(self, path: str | None = None) -> None:
        """Close every WebSocket, or those of a path, as a proxy does that is restarted."""
        for socket, its in tuple(self._sockets.items()):
            if path in {None, its}:
                await socket.close(code=1001)

    async def forward(self, request: web.Request) -> web.StreamResponse:
        if not request.raw_path.startswith(PREFIX):
            self.strays.append(request.raw_path)
            raise web.HTTPNotFound
        path = URL("http://vizproxy/" + request.raw_path.removeprefix(PREFIX), encoded=True)
        if path.path in self.out_of_order:
            raise web.HTTPBadGateway
        headers = request.headers.copy()
        for name in list(headers):
            if name.lower() in HOP_BY_HOP or name.lower().startswith("sec-websocket-"):
                del headers[name]
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._forward_socket(request, path, headers)
        body = await request.read()
        try:
            async with self._session.request(
                request.method, path, headers=headers, data=body, allow_redirects=False
            ) as answer:
                kept = {k: v for k, v in answer.headers.items() if k.lower() not in HOP_BY_HOP}
                return web.Response(status=answer.status, headers=kept, body=await answer.read())
        except aiohttp.ClientError:
            raise web.HTTPBadGateway from None

    async def _forward_socket(
        self, request: web.Request, path: URL, headers: aiohttp.typedefs.LooseHeaders
    ) -> web.WebSocketResponse:
        ours = web.WebSocketResponse(protocols=("binary",), compress=False)
        await ours.prepare(request)  # before the daemon is reached, as jupyter-server-proxy does
        self._sockets[ours] = path.path
        async with self._session.ws_connect(
            path, headers=headers, protocols=("binary",), max_msg_size=0
        ) as theirs:
            copies = [
                asyncio.create_task(_copy(ours, theirs)),
                asyncio.create_task(_copy(theirs, ours)),
            ]
            await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
            await ours.close(code=theirs.close_code or 1000)
            await theirs.close()
            await asyncio.gather(*copies)
        del self._sockets[ours]
        return ours


Socket = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


async def _copy(source: Socket, sink: Socket) -> None:
    with contextlib.suppress(ConnectionError):
        async for message in source:
            if message.type is WSMsgType.BINARY:
                await sink.send_bytes(message.data)
            elif message.type is WSMsgType.TEXT:
                await sink.send_str(message.data)


async def framed(viewer: Viewer, proxy: PrefixProxy, query: str = "") -> Frame:
    """Open the page that has the desktop in a frame, and turn the viewer to that frame."""
    await viewer.page.goto(f"{proxy.address}/lab{query}")
    handle = await viewer.page.query_selector("#desktop")
    assert handle is not None
    frame = await handle.content_frame()
    assert frame is not None
    viewer.frame = frame
    await viewer.reaches("connected")
    return frame
