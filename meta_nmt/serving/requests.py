"""What stands around every request: a deadline and a limit for its body, an end where its client goes, and headers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from fastapi.responses import JSONResponse
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_S = 10.0  # seconds for a request's body
DRAINED = 1 << 22  # bytes of a body that is too long that are still read


class WholeBody:
    """ASGI middleware that reads a request's body first, and drops the request where its client goes.

    A body of more than ``most`` bytes is answered 413 with the sentence ``too_long``. It is read to its end, but not
    kept, so that a browser sees the answer. After DRAINED bytes the connection is closed. A body that is not
    whole after ``seconds`` is answered 408.
    """

    def __init__(self, app: ASGIApp, most: int, too_long: str, seconds: float = BODY_S) -> None:
        self.app, self.most, self.too_long, self.seconds = app, most, too_long, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self.seconds):
                body = await self._read(receive)
        except TimeoutError:
            await refuse(f"the request must be whole in {self.seconds:g} seconds", 408, scope, receive, send)
        except ClientDisconnect:
            return
        else:
            if body is None:
                await refuse(self.too_long, 413, scope, receive, send)
            else:
                await self._answer(body, scope, receive, send)

    async def _read(self, receive: Receive) -> bytes | None:
        """The body; None where it is too long. Raises ClientDisconnect."""
        body, size, more = bytearray(), 0, True
        while more and size <= DRAINED:
            message = await receive()
            if message["type"] != "http.request":
                raise ClientDisconnect
            size += len(message.get("body", b""))
            more = bool(message.get("more_body"))
            if size <= self.most:
                body += message.get("body", b"")
        return bytes(body) if size <= self.most else None

    async def _answer(self, body: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        whole: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        gone = asyncio.ensure_future(receive())  # after the body, the server says when the client has gone

        async def given() -> Message:
            return whole.pop() if whole else await asyncio.shield(gone)

        work = asyncio.ensure_future(self.app(scope, given, send))
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            if not work.done():
                work.cancel()
        with suppress(asyncio.CancelledError):
            await work


async def refuse(sentence: str, status: int, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with a sentence, and close the connection."""
    content = {"detail": sentence, "error": sentence}  # `error` is where LibreTranslate's clients look
    await JSONResponse(content, status, {"Connection": "close"})(scope, receive, send)


class WithHeaders:
    """ASGI middleware that gives every answer the same ``headers``."""

    def __init__(self, app: ASGIApp, headers: Mapping[str, str]) -> None:
        self.app, self.headers = app, headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self.headers)
            await send(message)

        await self.app(scope, receive, with_headers)
