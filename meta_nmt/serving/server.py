"""The page and its JSON API: one model, one translation at a time, bounded in size, time and number.

A request's text is at most MAX_CHARACTERS long, and its body MAX_BODY bytes. At most ``queue_size`` requests wait; one
more is told to come back later (429). A request that waits longer than ``timeout_s`` is told so (504). No request names
a file: the page, the card and the model are read once, at the start. All text travels as JSON and is shown as text.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from meta_nmt.translation.translator import Translation, Translator

MAX_CHARACTERS = 2_000
MAX_BODY = 16 * MAX_CHARACTERS  # bytes: a character is at most 12 as JSON writes it
DRAINED = 1 << 22  # bytes of a body that is too long that are still read
MAX_NBEST = 10
BATCH = 8  # waiting requests that are translated together
NEAREST = 5  # universal tokens of a piece
PAGE = Path(__file__).parent / "page"
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")

logger = logging.getLogger(__name__)


class Question(BaseModel):
    """What to translate: one sentence; line breaks count as spaces."""

    model_config = ConfigDict(extra="forbid")
    text: str = Field(max_length=MAX_CHARACTERS, description="a sentence of the source language")
    nbest: int = Field(3, ge=1, le=MAX_NBEST, description="hypotheses wanted, at most the server's beam width")


class Near(BaseModel):
    """A universal token near a source piece."""

    token: str = Field(description="a universal token: a piece of the target language")
    weight: float = Field(description="its share in the representation of the source piece, 0 to 1")


class Piece(BaseModel):
    """A source piece as the model read it."""

    piece: str
    nearest: list[Near] = Field(description="greatest share first; none for pieces without a vector")


class Answered(BaseModel):
    """One hypothesis of an answer."""

    text: str
    score: float = Field(description="mean log-probability of a piece; 0 is certain")
    pieces: list[str]


class Answer(BaseModel):
    """A translation, best hypothesis first."""

    source_lang: str
    target_lang: str
    text: str
    hypotheses: list[Answered]
    pieces: list[Piece]
    warnings: list[str]


class About(BaseModel):
    """The model that is served, and the limits."""

    source_lang: str
    target_lang: str
    beam: int
    max_characters: int = MAX_CHARACTERS


class Full(Exception):
    """The refusal of a request because too many wait."""


@dataclass
class Limits:
    """The limits of the server.

    queue_size: how many requests may wait.
    timeout_s: seconds in which a request must be translated, waiting included.
    """

    queue_size: int = 32
    timeout_s: float = 30.0


class Desk:
    """A queue of requests, which one thread translates in order, a few together where several wait."""

    def __init__(self, translator: Translator, limits: Limits) -> None:
        self.translator, self.limits = translator, limits
        self.thread = ThreadPoolExecutor(1, "translate")
        self.waiting: asyncio.Queue[tuple[str, asyncio.Future[Translation]]] = asyncio.Queue(limits.queue_size)

    async def translate(self, text: str) -> Translation:
        """The translation of a text, after those that wait before it; raises Full, and TimeoutError."""
        future: asyncio.Future[Translation] = asyncio.get_running_loop().create_future()
        try:
            self.waiting.put_nowait((text, future))
        except asyncio.QueueFull:
            raise Full from None
        return await asyncio.wait_for(future, self.limits.timeout_s)

    async def work(self) -> None:
        """Translate what waits, for ever; requests that have ended are left out."""
        while True:
            batch = [await self.waiting.get()]
            while len(batch) < BATCH and not self.waiting.empty():
                batch.append(self.waiting.get_nowait())
            batch = [(text, future) for text, future in batch if not future.done()]
            try:
                outcomes = await asyncio.get_running_loop().run_in_executor(
                    self.thread, self._translate, [text for text, _ in batch]
                )
            except Exception as error:  # noqa: BLE001  one bad batch must not stop the server
                logger.exception("a translation failed")
                outcomes = [error] * len(batch)
            for (_, future), outcome in zip(batch, outcomes, strict=True):
                if future.done():
                    continue
                if isinstance(outcome, Translation):
                    future.set_result(outcome)
                else:
                    future.set_exception(RuntimeError("the translation failed"))

    def _translate(self, lines: Sequence[str]) -> Sequence[Translation | Exception]:
        return self.translator.results(lines, min(MAX_NBEST, self.translator.beam)) if lines else []


class BodyLimit:
    """ASGI middleware that answers 413 to a body of more than ``most`` bytes.

    Such a body is read to its end, but not kept, so that a browser sees the answer. After DRAINED bytes the connection
    is closed.
    """

    def __init__(self, app: ASGIApp, most: int) -> None:
        self.app, self.most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body, size, more = bytearray(), 0, True
        while more and size <= DRAINED:
            message = await receive()
            size += len(message.get("body", b""))
            more = message["type"] == "http.request" and bool(message.get("more_body"))
            if size <= self.most:
                body += message.get("body", b"")
        if size > self.most:
            too_long = f"the text must be at most {MAX_CHARACTERS:,} characters long"
            await JSONResponse({"detail": too_long}, 413, {"Connection": "close"})(scope, receive, send)
            return
        whole: list[Message] = [{"type": "http.request", "body": bytes(body), "more_body": False}]
        await self.app(scope, lambda: _next(whole, receive), send)


async def _next(whole: list[Message], receive: Receive) -> Message:
    return whole.pop() if whole else await receive()


def read_page() -> tuple[str, str]:
    """The page in one piece, and its content security policy, which allows its own script, style and server alone."""
    names = {name: (PAGE / name).read_text("utf-8") for name in ("page.html", "page.css", "page.js")}
    html = names["page.html"].replace("/*STYLE*/", names["page.css"]).replace("/*SCRIPT*/", names["page.js"])
    style, script = (
        f"'sha256-{base64.b64encode(hashlib.sha256(names[name].encode()).digest()).decode()}'"
        for name in ("page.css", "page.js")
    )
    policy = (
        f"default-src 'none'; script-src {script}; style-src {style}; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return html, policy


def answer(translation: Translation, translator: Translator, nbest: int) -> Answer:
    """A translation as the API answers it, with ``nbest`` hypotheses and the nearest tokens of each piece."""
    return Answer(
        source_lang=translator.source_lang,
        target_lang=translator.target_lang,
        text=translation.text,
        hypotheses=[Answered(text=h.text, score=h.score, pieces=h.pieces) for h in translation.hypotheses[:nbest]],
        pieces=[
            Piece(piece=p, nearest=[Near(token=t, weight=w) for t, w in translator.neighbours.get(p, [])[:NEAREST]])
            for p in translation.pieces
        ],
        warnings=translation.warnings,
    )


def make_app(translator: Translator, limits: Limits, card: str = "", hosts: Sequence[str] = LOOPBACK) -> FastAPI:
    """The application.

    Args:
        card: the model card, shown as it is.
        hosts: names that the server is called by; a request for another name is refused (DNS rebinding). "*" is any.
    """
    desk, (page, policy) = Desk(translator, limits), read_page()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        worker = asyncio.create_task(desk.work())
        yield
        worker.cancel()
        with suppress(asyncio.CancelledError):
            await worker
        desk.thread.shutdown(wait=False, cancel_futures=True)

    title = f"Translation from {translator.source_lang} to {translator.target_lang}"
    app = FastAPI(
        title=title, docs_url=None, redoc_url=None, lifespan=lifespan
    )  # their pages load scripts from other servers
    app.add_middleware(BodyLimit, most=MAX_BODY)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False)

    @app.middleware("http")
    async def headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call_next(request)
        response.headers["Content-Security-Policy"] = policy
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["X-Frame-Options"] = "DENY"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
        response.headers["Cache-Control"] = "no-store"
        return response

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        """The error as one sentence; pydantic's own answer would send the text back."""
        first: dict[str, Any] = dict(error.errors()[0])
        where = ".".join(str(part) for part in first["loc"] if part != "body")
        return JSONResponse({"detail": f"{where}: {first['msg']}" if where else str(first["msg"])}, 422)

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def index() -> str:
        return page

    @app.get("/card", response_class=PlainTextResponse)
    async def model_card() -> str:
        """The model card, Markdown as plain text."""
        return card

    @app.get("/api/model")
    async def model() -> About:
        """The model that is served, and its limits."""
        return About(
            source_lang=translator.source_lang, target_lang=translator.target_lang, beam=min(MAX_NBEST, translator.beam)
        )

    @app.post("/api/translate", responses={
        413: {"description": "the body is too long"}, 422: {"description": "the question is not valid"},
        429: {"description": "too many requests wait; come back after Retry-After seconds"},
        504: {"description": "it took too long"},
    })  # fmt: skip
    async def translate(question: Question) -> Answer:
        """Translates one sentence."""
        try:
            translation = await desk.translate(question.text)
        except Full:
            raise HTTPException(429, "too many requests; please try again in a moment", {"Retry-After": "2"}) from None
        except TimeoutError:
            raise HTTPException(504, f"this took longer than {limits.timeout_s:g} seconds") from None
        return answer(translation, translator, question.nbest)

    return app
