"""The page and noVNC: what is served, with which headers, and what is not."""

import asyncio
from pathlib import Path

import pytest
from yarl import URL

from vizproxy import resources

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGE_FILES = sorted(
    path.name for path in resources.web().iterdir() if path.suffix in {".js", ".css", ".svg"}
)
TYPES = {".js": "javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html"}


def check_headers(response):
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'self'" in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize("path", ["", *PAGE_FILES, "novnc/core/rfb.js"])
async def test_the_files_of_the_page(shared, path):
    async with shared.session() as session, session.get(f"/{path}") as response:
        assert response.status == 200
        assert TYPES[Path(path).suffix or ".html"] in response.content_type
        assert response.headers["Cache-Control"] == "no-cache"
        check_headers(response)
        served = await response.read()
    if not path.startswith("novnc/"):
        assert served == (resources.web() / (path or "index.html")).read_bytes()


async def test_a_file_that_the_browser_has_is_not_sent_again(shared):
    async with shared.session() as session:
        async with session.get("/novnc/core/rfb.js") as response:
            etag = response.headers["ETag"]
        headers = {"If-None-Match": etag}
        async with session.get("/novnc/core/rfb.js", headers=headers) as response:
            assert response.status == 304
            assert await response.read() == b""


@pytest.mark.parametrize(
    "path",
    [
        "/healthz",
        "/readyz",
        "/api/v1/status",
        "/api/v1/nothing",
        "/nothing",
        "/websockify",
        "/novnc/x",
    ],
)
async def test_every_answer_has_the_security_headers(shared, path):
    async with shared.session() as session, session.get(path) as response:
        check_headers(response)


@pytest.mark.parametrize(
    "path",
    [
        *("/package.json", "/package-lock.json", "/tsconfig.json", "/index.htm", "/index.html/"),
        *(
            "/node_modules/",
            "/node_modules/@novnc/novnc/core/rfb.js",
            "/node_modules/.package-lock.json",
        ),
        *("/novnc", "/novnc/", "/novnc/core", "/novnc/core/", "/novnc/nothing.js"),
        *("/novnc/../package.json", "/novnc/%2e%2e/package.json", "/novnc/..%2fpackage.json"),
        *("/novnc/%2e%2e%2f%2e%2e%2f%2e%2e%2fpackage.json", "/novnc/..%5c..%5cpackage.json"),
        *("/novnc//etc/passwd", "//etc/passwd", "/novnc/%2fetc%2fpasswd", "/novnc/core/%00"),
        *("/novnc/../../../../../../../../../../../etc/passwd", "/../../etc/passwd"),
        *(
            "/novnc/" + "%2e%2e/" * 12 + "etc/passwd",
            "/%2e%2e/%2e%2e/etc/passwd",
            "/token",
            "/Xauthority",
        ),
        "/novnc/" + "a" * 5000,
    ],
)
async def test_nothing_else_is_served(shared, path):
    url = URL(path, encoded=True)
    async with shared.session() as session, session.get(f"http://vizproxy{url}") as response:
        body = await response.read()
        assert 400 <= response.status < 500, body
        assert b"root:" not in body
        assert b"dependencies" not in body


@pytest.mark.parametrize("target", ["/novnc/../package.json", "/novnc/../../../../../etc/passwd"])
async def test_a_path_that_no_client_has_tidied_up(shared, target):
    """Clients resolve ``..`` themselves, so this one is written by hand."""
    reader, writer = await asyncio.open_unix_connection(str(shared.socket))
    writer.write(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    assert answer.split(b" ")[1] in {b"403", b"404"}, answer
    assert b"root:" not in answer
