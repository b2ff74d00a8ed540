"""Connections to the server: how many there may be, and how long one may be open without a request.

uvicorn waits for ever for the first bytes of a request and for the end of its headers, and counts who is waiting
against its limit. Here a connection has SILENT_S seconds for the headers of a request. Where there are too many
connections, the one that has been silent for longest gives way to the next.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import resource
from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_CONNECTIONS = 512
SILENT_S = 10.0  # seconds that a connection may be open without the headers of a new request
LOOK_S = 2.0  # seconds between two looks at a connection
ACCEPTED_AT_ONCE = 64  # connections that are taken before those that are too many are closed
SAY_S = 60.0  # seconds between two lines of the log about handles
NO_HANDLES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

logger = logging.getLogger(__name__)


def most_connections() -> int:
    """How many connections there may be: half of the process's file handles are left for other things."""
    return min(MOST_CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)


def is_silent(connection: H11Protocol) -> bool:
    """Whether the server waits for the headers of a connection's next request."""
    return connection.conn.their_state is h11.IDLE


class Door:
    """A maker of uvicorn's protocol for each new connection, which closes connections that must go.

    Args:
        request_s: the longest that a request may take, from its headers to the end of its answer, in seconds.
        most: how many connections there may be.
        silent_s: seconds that a connection may be open without the headers of a new request.
    """

    def __init__(self, request_s: float, most: int, silent_s: float = SILENT_S) -> None:
        self.request_s, self.most, self.silent_s = request_s, most, silent_s
        self.opened: WeakKeyDictionary[H11Protocol, float] = WeakKeyDictionary()

    def __call__(self, **given: Any) -> H11Protocol:
        """The protocol of a connection. ``given``: what uvicorn gives to its protocol."""
        connection, loop = H11Protocol(**given), asyncio.get_running_loop()
        self.opened[connection] = loop.time()
        self._make_room([other for other in connection.connections if isinstance(other, H11Protocol)])
        loop.call_later(min(LOOK_S, self.silent_s), self._look, connection, None, loop.time())
        return connection

    def _make_room(self, connections: Iterable[H11Protocol]) -> None:
        there = [connection for connection in connections if not connection.transport.is_closing()]
        if len(there) >= self.most:
            min(there, key=lambda one: (not is_silent(one), self.opened[one])).transport.abort()

    def _look(self, connection: H11Protocol, last_request: object, since: float) -> None:
        """Close a connection that has had the same request, or none, for too long, or look again later.

        ``since``: the loop's time when it was first seen with ``last_request``.
        """
        if connection.transport is None or connection.transport.is_closing():
            return
        loop = asyncio.get_running_loop()
        if connection.cycle is not last_request:
            since = loop.time()
        if loop.time() - since >= (self.silent_s if is_silent(connection) else self.request_s):
            connection.transport.abort()
        else:
            loop.call_later(min(LOOK_S, self.silent_s), self._look, connection, connection.cycle, since)


class Complaints:
    """What the event loop complains of, for the log; that there are no file handles is one line each SAY_S seconds.

    asyncio itself logs a traceback for each connection that it cannot accept, thousands in a second.
    """

    def __init__(self) -> None:
        self.said = -SAY_S

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Log a complaint, as `loop.set_exception_handler` wants it."""
        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in NO_HANDLES:
            loop.default_exception_handler(context)
        elif loop.time() - self.said >= SAY_S:
            self.said = loop.time()
            logger.warning("connections wait: %s (`ulimit -n` says how many file handles there may be)", error.strerror)
