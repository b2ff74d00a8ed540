"""The desk: requests wait in a queue of bounded length, and one thread translates them in order.

A request that is given up, because it took too long or because its client has gone, leaves the queue at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from meta_nmt.translation.translator import Translation, Translator

MAX_NBEST = 10
BATCH = 8  # waiting requests that are translated together

logger = logging.getLogger(__name__)


class Full(Exception):
    """The refusal of a request because too many wait."""


class Failed(Exception):
    """The end of a request whose translation raised an exception, which the log has."""


@dataclass(frozen=True)
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
        self.waiting: dict[asyncio.Future[Sequence[Translation]], Sequence[str]] = {}  # the longest waiting first
        self.arrival = asyncio.Event()

    async def translate(self, lines: Sequence[str]) -> Sequence[Translation]:
        """Translations of the lines of a request, after the requests before it.

        Raises Full, Failed, and TimeoutError. Where the caller is cancelled, the request is forgotten.
        """
        if len(self.waiting) >= self.limits.queue_size:
            raise Full
        future: asyncio.Future[Sequence[Translation]] = asyncio.get_running_loop().create_future()
        self.waiting[future] = lines
        self.arrival.set()
        try:
            return await asyncio.wait_for(future, self.limits.timeout_s)
        finally:
            self.waiting.pop(future, None)

    async def work(self) -> None:
        """Translate what waits, for ever."""
        while True:
            await self.arrival.wait()
            batch = {future: self.waiting.pop(future) for future in list(self.waiting)[:BATCH]}
            if not self.waiting:
                self.arrival.clear()
            await self._answer(batch)

    async def _answer(self, batch: dict[asyncio.Future[Sequence[Translation]], Sequence[str]]) -> None:
        lines = [line for asked in batch.values() for line in asked]
        try:
            translations = iter(await asyncio.get_running_loop().run_in_executor(self.thread, self._translate, lines))
        except Exception:  # one bad batch must not stop the server
            logger.exception("a translation failed")
            for future in batch:
                if not future.done():
                    future.set_exception(Failed())
            return
        for future, asked in batch.items():
            own = [next(translations) for _ in asked]
            if not future.done():
                future.set_result(own)

    def _translate(self, lines: Sequence[str]) -> Sequence[Translation]:
        return self.translator.results(lines, min(MAX_NBEST, self.translator.beam))
