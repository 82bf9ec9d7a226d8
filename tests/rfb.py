"""A small RFB client (RFC 6143) for the tests, over the daemon's WebSocket.

It knows security type None, raw encoding and the DesktopSize pseudo-encoding, and keeps what it is
sent in a framebuffer. Everything else that x11vnc may send is read and dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Callable

import aiohttp

RAW = 0
DESKTOP_SIZE = -223
BYTES_PER_PIXEL = 4
MIB = 1024 * 1024

Colour = tuple[int, int, int]


class ConnectionEndedError(ConnectionError):
    """The daemon closed the WebSocket; ``code`` and ``reason`` are those of the close frame."""

    def __init__(self, code: int | None, reason: str) -> None:
        super().__init__(f"closed with {code}: {reason}")
        self.code = code
        self.reason = reason


class RfbClient:
    """One viewer. ``sizes`` are the sizes that the desktop has had, the first one included."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self._buffer = bytearray()
        self.name = ""
        self.width = 0
        self.height = 0
        self.framebuffer = bytearray()
        self.sizes: list[tuple[int, int]] = []
        self.updates = 0

    # bytes

    async def read(self, length: int) -> bytes:
        """The next ``length`` bytes from the server."""
        while len(self._buffer) < length:
            message = await self.socket.receive()
            if message.type is not aiohttp.WSMsgType.BINARY:
                if message.type is aiohttp.WSMsgType.CLOSE:
                    raise ConnectionEndedError(message.data, message.extra or "")
                raise ConnectionEndedError(self.socket.close_code, "without a close frame")
            self._buffer += message.data
        taken = bytes(self._buffer[:length])
        del self._buffer[:length]
        return taken

    async def send(self, data: bytes) -> None:
        """Send bytes as one message."""
        await self.socket.send_bytes(data)

    # protocol

    async def handshake(self) -> None:
        """Everything up to the first request for pixels."""
        version = await self.read(12)
        assert version == b"RFB 003.008\n", version
        await self.send(version)
        types = await self.read((await self.read(1))[0])
        assert 1 in types, f"security type None is not offered: {types!r}"
        await self.send(b"\x01")
        assert await self.read(4) == bytes(4), "security handshake failed"
        await self.send(b"\x01")  # shared
        width, height = struct.unpack("!HH", await self.read(4))
        await self.read(16)
        (length,) = struct.unpack("!I", await self.read(4))
        self.name = (await self.read(length)).decode()
        self._resize(width, height)
        # 32 bits a pixel, little endian, in memory blue, green, red, unused
        pixel_format = struct.pack("!BBBBHHHBBB3x", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
        await self.send(b"\x00" + bytes(3) + pixel_format)
        await self.send(struct.pack("!BxHii", 2, 2, RAW, DESKTOP_SIZE))

    async def request(self, *, incremental: bool) -> None:
        """Ask for the pixels of the whole desktop, or for what has changed of them."""
        await self.send(struct.pack("!BBHHHH", 3, incremental, 0, 0, self.width, self.height))

    async def read_message(self) -> int:
        """Read one message from the server and return its type."""
        kind = (await self.read(1))[0]
        match kind:
            case 0:
                (count,) = struct.unpack("!xH", await self.read(3))
                for _ in range(count):
                    await self._read_rectangle()
                self.updates += 1
            case 1:
                _, colours = struct.unpack("!xHH", await self.read(5))
                await self.read(6 * colours)
            case 2:
                pass  # bell
            case 3:
                (length,) = struct.unpack("!3xI", await self.read(7))
                await self.read(length)
            case _:
                raise AssertionError(f"unknown message type {kind}")
        return kind

    async def _read_rectangle(self) -> None:
        x, y, width, height, encoding = struct.unpack("!HHHHi", await self.read(12))
        if encoding == DESKTOP_SIZE:
            self._resize(width, height)
            return
        assert encoding == RAW, f"encoding {encoding} was not asked for"
        row = width * BYTES_PER_PIXEL
        if width == self.width:
            start = y * row
            self.framebuffer[start : start + row * height] = await self.read(row * height)
            return
        for line in range(y, y + height):
            start = (line * self.width + x) * BYTES_PER_PIXEL
            self.framebuffer[start : start + row] = await self.read(row)

    def _resize(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.framebuffer = bytearray(width * height * BYTES_PER_PIXEL)
        self.sizes.append((width, height))

    # what tests do

    async def update(self, *, incremental: bool = True) -> None:
        """Ask for an update and wait until it has arrived."""
        await self.request(incremental=incremental)
        while await self.read_message() != 0:
            pass

    def pixel(self, x: int, y: int) -> Colour:
        """The colour at a place, as red, green, blue."""
        start = (y * self.width + x) * BYTES_PER_PIXEL
        blue, green, red = self.framebuffer[start : start + 3]
        return red, green, blue

    async def until(self, seen: Callable[[], bool], *, limit: float = 10) -> None:
        """Watch until ``seen`` holds."""
        try:
            async with asyncio.timeout(limit):
                await self.update(incremental=False)
                while not seen():
                    await self.update()
        except TimeoutError:
            raise AssertionError(f"not seen within {limit:g} s") from None

    async def until_ended(self, *, limit: float = 10) -> ConnectionEndedError:
        """Watch until the daemon ends the connection; say how it did."""
        async with asyncio.timeout(limit):
            while True:
                with contextlib.suppress(ConnectionError):  # what was sent before is still there
                    await self.request(incremental=True)
                try:
                    await self.read_message()
                except ConnectionEndedError as error:
                    return error

    async def move(self, x: int, y: int, *, buttons: int = 0) -> None:
        """Put the pointer at a place, with these buttons down (bit 0 is the left one)."""
        await self.send(struct.pack("!BBHH", 5, buttons, x, y))

    async def click(self, x: int, y: int, *, button: int = 1) -> None:
        """Press and release a button at a place."""
        await self.move(x, y)
        await self.move(x, y, buttons=1 << (button - 1))
        await self.move(x, y)

    async def press(self, keysym: int) -> None:
        """Press and release a key."""
        for down in (1, 0):
            await self.send(struct.pack("!BBxxI", 4, down, keysym))


@contextlib.asynccontextmanager
async def watching(session: aiohttp.ClientSession) -> AsyncIterator[RfbClient]:
    """A viewer of the desktop that ``session`` leads to."""
    async with session.ws_connect(
        "/websockify", protocols=("binary",), compress=0, max_msg_size=64 * MIB
    ) as socket:
        client = RfbClient(socket)
        async with asyncio.timeout(10):
            await client.handshake()
        yield client
