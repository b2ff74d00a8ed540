"""The page and its JSON API: one model, one translation at a time, bounded in size, time and number.

The texts of a request have at most MAX_CHARACTERS together and MAX_LINES lines, and its body MAX_BODY bytes. At most
``queue_size`` requests wait; one more is told to come back later (429). A request that waits longer than ``timeout_s``
is told so (504). No request names a file: the page, the card and the model are read once, at the start. All text
travels as JSON and is shown as text.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from starlette.middleware.trustedhost import TrustedHostMiddleware

from data_prep.base.language_registry import language_name
from meta_nmt.serving import LOOPBACK, libre_translate
from meta_nmt.serving.connections import Complaints
from meta_nmt.serving.desk import MAX_NBEST, Desk, Failed, Full, Limits
from meta_nmt.serving.requests import WholeBody, WithHeaders
from meta_nmt.serving.texts import Text, likenesses
from meta_nmt.translation.translator import Translation, Translator

MAX_CHARACTERS = 2_000
MAX_LINES = 200
MAX_BODY = 16 * MAX_CHARACTERS  # bytes: a character is at most 12 as JSON writes it
NEAREST = 5  # universal tokens of a piece
PAGE = Path(__file__).parent / "page"


def check_texts(asked: Any) -> Any:
    """A text, or a list of texts, as it is; ValueError where it is neither, or too much."""
    texts = asked if isinstance(asked, list) else [asked]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("must be a text, or a list of texts")
    if (size := sum(map(len, texts))) > MAX_CHARACTERS:
        raise ValueError(f"must be at most {MAX_CHARACTERS} characters long, but has {size}")
    if (lines := sum(max(1, len(text.splitlines())) for text in texts)) > MAX_LINES:
        raise ValueError(f"must have at most {MAX_LINES} lines, but has {lines}")
    return asked


Texts = Annotated[str | list[str], BeforeValidator(check_texts)]


class Question(BaseModel):
    """What to translate: a text, whose lines are translated one by one, or a list of texts."""

    model_config = ConfigDict(extra="forbid")
    text: Texts = Field(description=f"text of the source language, at most {MAX_CHARACTERS} characters in all")
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
    like: int | None = Field(description="place of a better one that differs in case, spaces and punctuation alone")


class Answer(BaseModel):
    """A translation, best hypothesis first. Line breaks are those of the text that was asked for."""

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
    source_name: str = Field(description="the language's name in English; its code where no name is known")
    target_name: str
    beam: int
    max_characters: int = MAX_CHARACTERS


class Health(BaseModel):
    """The state of the server."""

    status: str = "ok"


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


def answer(text: Text, translations: Sequence[Translation], translator: Translator, nbest: int) -> Answer:
    """The translations of a text's lines as the API answers them, with the nearest tokens of each piece.

    There are at most ``nbest`` hypotheses.
    """
    hypotheses = text.alternatives(translations)[:nbest]
    several = len(translations) > 1
    return Answer(
        source_lang=translator.source_lang,
        target_lang=translator.target_lang,
        text=text.joined([translation.text for translation in translations]),
        hypotheses=[
            Answered(text=h.text, score=h.score, pieces=h.pieces, like=like)
            for h, like in zip(hypotheses, likenesses([h.text for h in hypotheses]), strict=True)
        ],
        pieces=[
            Piece(piece=p, nearest=[Near(token=t, weight=w) for t, w in translator.neighbours.get(p, [])[:NEAREST]])
            for translation in translations
            for p in translation.pieces
        ],
        warnings=[
            f"line {number}: {warning}" if several else warning
            for number, translation in enumerate(translations, 1)
            for warning in translation.warnings
        ],
    )


def make_app(translator: Translator, limits: Limits, card: str = "", hosts: Sequence[str] = LOOPBACK) -> FastAPI:
    """The application.

    Args:
        card: the model card, shown as it is.
        hosts: names that the server is called by; a request for another name is refused (DNS rebinding). "*" is any.
    """
    desk, (page, policy) = Desk(translator, limits), read_page()
    headers = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cache-Control": "no-store",
    }

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        asyncio.get_running_loop().set_exception_handler(Complaints())
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
    app.add_middleware(
        WholeBody, most=MAX_BODY, too_long=f"the text must be at most {MAX_CHARACTERS:,} characters long"
    )
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False)
    app.add_middleware(WithHeaders, headers=headers)

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> JSONResponse:
        """The answer to what is a fault of ours; it is made outside of all middleware."""
        return JSONResponse({"detail": "the server failed; its log says why"}, 500, headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        """The error as one sentence; pydantic's own answer would send the text back."""
        first: dict[str, Any] = dict(error.errors()[0])
        where = ".".join(str(part) for part in first["loc"] if part != "body")
        detail = f"{where[:40]}: {first['msg']}" if where else str(first["msg"])
        return JSONResponse({"detail": detail.encode("utf-8", "replace").decode()}, 422)

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def index() -> str:
        return page

    @app.get("/health")
    async def health() -> Health:
        """Says that the server is there."""
        return Health()

    @app.get("/card", response_class=PlainTextResponse)
    async def model_card() -> str:
        """The model card, Markdown as plain text."""
        return card

    @app.get("/api/model")
    async def model() -> About:
        """The model that is served, and its limits."""
        source, target = translator.source_lang, translator.target_lang
        return About(
            source_lang=source, target_lang=target, source_name=language_name(source) or source,
            target_name=language_name(target) or target, beam=min(MAX_NBEST, translator.beam),
        )  # fmt: skip

    async def answers(asked: Sequence[str], nbest: int) -> list[Answer]:
        """The answers to texts, which are translated together; HTTPException where that can't be."""
        texts = [Text.cut(text) for text in asked]
        try:
            translations = iter(await desk.translate([line for text in texts for line in text.lines]))
        except Full:
            raise HTTPException(429, "too many requests; please try again in a moment", {"Retry-After": "2"}) from None
        except Failed:
            raise HTTPException(500, "the translation failed; the server's log says why") from None
        except TimeoutError:
            raise HTTPException(504, f"this took longer than {limits.timeout_s:g} seconds") from None
        return [answer(text, [next(translations) for _ in text.lines], translator, nbest) for text in texts]

    @app.post("/api/translate", responses={
        408: {"description": "the request did not come whole in time"},
        413: {"description": "the body is too long"}, 422: {"description": "the question is not valid"},
        429: {"description": "too many requests wait; come back after Retry-After seconds"},
        500: {"description": "the translation failed"}, 504: {"description": "it took too long"},
    })  # fmt: skip
    async def translate(question: Question) -> Answer | list[Answer]:
        """Translates a text line by line, or a list of texts, which is answered by a list."""
        if isinstance(question.text, list):
            return await answers(question.text, question.nbest)
        return (await answers([question.text], question.nbest))[0]

    async def different(texts: Sequence[str]) -> list[list[str]]:
        """The translations of each text, best first, without those that are like a better one."""
        return [
            [translated.text, *(h.text for h in translated.hypotheses[1:] if h.like is None)]
            for translated in await answers(texts, MAX_NBEST)
        ]

    most = min(MAX_NBEST, translator.beam) - 1
    app.include_router(
        libre_translate.router(translator.source_lang, translator.target_lang, most, check_texts, different)
    )
    return app
