"""Somebody else's web application behind jupyter-server-proxy, in the style of code-server.

``python neighbour.py PORT``. Its page loads a script by a relative address and opens a WebSocket; it
says ``echo: hello`` when all of that came through. ``api/path`` tells which path the application saw.
"""

from __future__ import annotations

import sys

from aiohttp import web

PAGE = (
    "<!doctype html><title>Neighbour</title><link rel=icon href='data:,'>"
    "<p id=said></p><script src='static/app.js'></script>"
)
SCRIPT = """
const socket = new WebSocket(new URL('socket', location.href.replace(/^http/, 'ws')));
socket.onopen = () => socket.send('hello');
socket.onmessage = ({ data }) => { document.getElementById('said').textContent = data; };
"""


async def answer(request: web.Request) -> web.StreamResponse:
    """Answer as the last part of the path asks, whatever comes before it."""
    path = request.rel_url.raw_path
    if path.endswith("/static/app.js"):
        return web.Response(text=SCRIPT, content_type="text/javascript")
    if path.endswith("/api/path"):
        return web.json_response({"path": path, "method": request.method})
    if path.endswith("/socket"):
        return await echo(request)
    return web.Response(text=PAGE, content_type="text/html")


async def echo(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(f"echo: {message.data}")
    return socket


def main() -> None:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)


if __name__ == "__main__":
    main()
