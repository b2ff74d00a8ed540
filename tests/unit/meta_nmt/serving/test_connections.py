"""Connections that say nothing, or never end what they say, are closed, and keep nobody out."""

import asyncio
import errno
import logging
import socket
import threading
import time
from contextlib import contextmanager

import httpx
import pytest
import uvicorn

from meta_nmt.serving.connections import Complaints, Door
from meta_nmt.serving.requests import WholeBody


async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@contextmanager
def served(door, application=app):
    """The address of a server with these rules."""
    server = uvicorn.Server(uvicorn.Config(application, port=0, log_config=None, http=door, lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    yield server.servers[0].sockets[0].getsockname()
    server.should_exit = True
    thread.join()


def said(connection):
    """What the server says until it closes the connection."""
    connection.settimeout(10)
    heard = b""
    try:
        while part := connection.recv(10_000):
            heard += part
    except ConnectionResetError:
        pass
    return heard


HALF = (b"", b"GET / HTTP/1.1\r\nHost:")


@pytest.mark.parametrize("start", HALF)
def test_without_a_whole_header_a_connection_is_closed(start):
    with served(Door(10.0, 100, silent_s=0.1)) as place, socket.create_connection(place) as connection:
        connection.sendall(start)
        assert said(connection) == b""


def test_after_an_answer_too():
    with served(Door(10.0, 100, silent_s=0.1)) as place, socket.create_connection(place) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in connection.recv(10_000)
        connection.sendall(b"GET / HT")
        assert b"HTTP" not in said(connection)


def test_a_request_without_end_is_closed():
    async def never(scope, receive, send):
        await asyncio.Event().wait()

    slow = WholeBody(never, 1000, "too long")
    with served(Door(0.2, 100, silent_s=0.1), slow) as place, socket.create_connection(place) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert said(connection) == b""


def test_a_body_without_end_is_refused():
    slow = WholeBody(app, 1000, "too long", seconds=0.1)
    with served(Door(10.0, 100), slow) as place, socket.create_connection(place) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab")
        answer = said(connection)
    assert b" 408 " in answer and b"whole in 0.1 seconds" in answer


def test_where_a_client_goes_its_request_ends():
    ended = threading.Event()

    async def waits(scope, receive, send):
        try:
            await asyncio.sleep(10)
        finally:
            ended.set()

    with served(Door(30.0, 100), WholeBody(waits, 1000, "too long")) as place:
        with socket.create_connection(place) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            time.sleep(0.05)
        assert ended.wait(5)


def test_silent_connections_keep_nobody_out():
    with served(Door(30.0, 4)) as place:
        silent = [socket.create_connection(place) for _ in range(10)]
        for _ in range(3):
            assert httpx.get(f"http://{place[0]}:{place[1]}/").text == "ok"
        assert said(silent[0]) == b"", "the oldest gives way"
        for connection in silent:
            connection.close()


def test_no_handles_are_one_line_of_the_log(caplog):
    complaints, loop = Complaints(), asyncio.new_event_loop()
    caplog.clear()  # what asyncio says of its new loop
    with caplog.at_level(logging.WARNING):
        for _ in range(1000):
            complaints(loop, {"message": "socket.accept()", "exception": OSError(errno.EMFILE, "Too many open files")})
        assert len(caplog.records) == 1 and "ulimit -n" in caplog.text and caplog.records[0].exc_info is None
        complaints(loop, {"message": "another", "exception": ValueError("x")})
        assert "another" in caplog.text, "other faults are logged as ever"
    loop.close()
