"""The part of LibreTranslate's API that its clients need, for the one pair of languages that is served.

POST /translate takes `q` (a text or a list of texts), `source`, `target`, `format`, `alternatives` and `api_key`, as
JSON or as a form; GET /languages lists the languages. An error is {"error": "..."}. As there: https://libretranslate.com
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from data_prep.base.language_registry import language_name

FORM = "application/x-www-form-urlencoded"
Translate = Callable[[Sequence[str]], Awaitable[Sequence[Sequence[str]]]]


class Question(BaseModel):
    """What to translate, as LibreTranslate's clients ask."""

    q: str | list[str] = Field(description="the text, or a list of texts")
    source: str = Field(description="code of the source language, or auto")
    target: str = Field(description="code of the target language")
    format: str = Field("text", description="text")
    alternatives: int = Field(0, description="other translations wanted, at most the server's beam width less 1")
    api_key: str = Field("", description="not looked at: this server has no keys")


class Answer(BaseModel):
    """The translation, and other translations where they are asked for: a list where the question has a list."""

    translatedText: str | list[str]  # noqa: N815  LibreTranslate's name
    alternatives: list[str] | list[list[str]] | None = None
    detectedLanguage: dict[str, Any] | list[dict[str, Any]] | None = None  # noqa: N815


class Language(BaseModel):
    """A language, and the codes of those that it can be translated into."""

    code: str
    name: str
    targets: list[str]


class Refused(BaseModel):
    """The reason why a request was refused."""

    error: str


def router(source: str, target: str, most: int, check: Callable[[Any], object], translate: Translate) -> APIRouter:
    """The two paths.

    Args:
        source, target: codes of the pair that is served.
        most: the most alternatives.
        check: raises ValueError, with a sentence, for a `q` that is not taken.
        translate: the different translations of each text, best first; raises HTTPException.
    """
    routes = APIRouter()

    @routes.get("/languages")
    async def languages() -> list[Language]:
        """The languages, in LibreTranslate's form."""
        return [
            Language(code=source, name=language_name(source) or source, targets=[target]),
            Language(code=target, name=language_name(target) or target, targets=[]),
        ]

    # the body is described by hand, because it may be a form too and its errors have another shape than FastAPI's
    content = {kind: {"schema": Question.model_json_schema()} for kind in ("application/json", FORM)}

    @routes.post(
        "/translate", response_model=Answer, response_model_exclude_none=True,
        openapi_extra={"requestBody": {"required": True, "content": content}},
        responses={status: {"model": Refused} for status in (400, 413, 429, 500, 504)},
    )  # fmt: skip
    async def translate_as_libre(request: Request) -> Any:
        """Translates, in LibreTranslate's form."""
        try:
            asked = read(request.headers.get("content-type", ""), await request.body())
            texts, alternatives = asked_texts(asked, source, target, check), asked_alternatives(asked, most)
            translations = await translate(texts)
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)
        except HTTPException as error:
            return JSONResponse({"error": error.detail}, error.status_code, error.headers)
        answer: dict[str, Any] = {"translatedText": [different[0] for different in translations]}
        if alternatives:
            answer["alternatives"] = [list(different[1 : alternatives + 1]) for different in translations]
        if asked["source"] == "auto":  # nothing is detected: there is one language
            answer["detectedLanguage"] = [{"confidence": 0, "language": source} for _ in texts]
        return answer if isinstance(asked["q"], list) else {name: values[0] for name, values in answer.items()}

    return routes


def read(content_type: str, body: bytes) -> Mapping[str, Any]:
    """The parameters of a body, JSON or a form; ValueError, with a sentence, where it is neither."""
    kind = content_type.partition(";")[0].strip().lower()
    try:
        if kind == FORM:
            return {name: values[-1] for name, values in parse_qs(body.decode(), errors="strict").items()}
        asked = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError(f"Invalid request: the body must be JSON or {FORM}") from None
    if not isinstance(asked, dict):
        raise ValueError("Invalid JSON format")
    return asked


def asked_texts(asked: Mapping[str, Any], source: str, target: str, check: Callable[[Any], object]) -> list[str]:
    """The texts to translate; ValueError, with LibreTranslate's sentence, for a parameter that is missing or wrong."""
    for name in ("q", "source", "target"):
        if not asked.get(name):
            raise ValueError(f"Invalid request: missing {name} parameter")
    for name, served in (("source", (source, "auto")), ("target", (target,))):
        if asked[name] not in served:
            raise ValueError(f"{str(asked[name])[:40]!r} is not supported: the {name} language here is {served[0]}")
    if (kind := asked.get("format") or "text") != "text":
        raise ValueError(f"{str(kind)[:40]!r} format is not supported")
    try:
        check(asked["q"])
    except ValueError as error:
        raise ValueError(f"Invalid request: q {error}") from None
    return asked["q"] if isinstance(asked["q"], list) else [asked["q"]]


def asked_alternatives(asked: Mapping[str, Any], most: int) -> int:
    """How many alternatives to give, at most ``most``; ValueError for what is no number."""
    try:
        wanted = int(asked.get("alternatives") or 0)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("Invalid request: alternatives parameter is not a number") from None
    if wanted < 0:
        raise ValueError("Invalid request: alternatives parameter must be >= 0")
    return min(wanted, most)
