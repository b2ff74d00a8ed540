"""meta-nmt-serve: a page on which a sentence is translated, with what the model made of each of its pieces.

    meta-nmt-serve models/qu-en          then open http://127.0.0.1:8000/

The page needs nothing but this server. Its JSON API is POST /api/translate {"text": ..., "nbest": 3}, described by
/openapi.json. By default only this machine can reach it; it has no password, so think before you give --host.
"""

from __future__ import annotations

import errno
import socket
from argparse import Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import uvicorn

from data_prep.base.command_line import OneLineParser
from data_prep.base.errors import InputError
from meta_nmt.cli import command
from meta_nmt.serving.server import LOOPBACK, Limits, make_app
from meta_nmt.translation.loaders import load_folder
from meta_nmt.translation.translator_folder import TranslatorFolder

PROG = "meta-nmt-serve"
MOST_CONNECTIONS = 512  # more are answered 503 at once
ANYWHERE = ("0.0.0.0", "::")


def parse_args(argv: Sequence[str]) -> Namespace:
    """The flags; SystemExit(2) with one line on bad usage."""
    parser = OneLineParser(prog=PROG, description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("model", metavar="DIR", help="translator folder, made by meta-nmt-adapt or meta-nmt-export")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (default: 127.0.0.1, this machine)")
    parser.add_argument("--port", type=int, default=8000, help="port to listen at; 0 for any (default: 8000)")
    parser.add_argument(
        "--name", action="append", default=[], metavar="HOST",
        help="name that others call this server by, with --host; may be given several times (default: any)",
    )  # fmt: skip
    parser.add_argument(
        "--backend", choices=("auto", "torch", "ctranslate2"), default="auto", metavar="NAME",
        help="torch, ctranslate2 or auto (default: auto, the faster one that is there)",
    )  # fmt: skip
    parser.add_argument("--beam", type=int, default=5, help="beam width, in hypotheses (default: 5)")
    parser.add_argument("--queue", type=int, default=32, help="requests that may wait; more get 429 (default: 32)")
    parser.add_argument("--timeout", type=float, default=30.0, help="seconds for a request (default: 30)")
    args = parser.parse_args(argv)
    for name, least in (("beam", 1), ("queue", 1), ("timeout", 0.1), ("port", 0)):
        if getattr(args, name) < least:
            parser.error(f"`--{name}` must be at least {least}, but is {getattr(args, name)}")
    return args


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens at an address; InputError where the address is in use or cannot be used."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be had: {error.strerror or error}"
        raise InputError(f"`--host {host} --port {port}`: this address {reason}; give another `--port`") from None
    except OverflowError as error:
        raise InputError(f"`--port` must be at most 65535, but is {port}: {error}") from None


def body(argv: Sequence[str]) -> int:
    """Parse the flags and serve the page until Ctrl-C; returns the exit status."""
    args = parse_args(argv)
    translator = load_folder(args.model, backend=args.backend, beam=args.beam)
    card = TranslatorFolder(Path(args.model)).read_card()
    if args.host in LOOPBACK or args.host == "::1":
        hosts: Sequence[str] = LOOPBACK
    else:
        hosts = args.name or (["*"] if args.host in ANYWHERE else [args.host, *LOOPBACK])
    app = make_app(translator, Limits(args.queue, args.timeout), card, hosts)
    listening = listen(args.host, args.port)
    host, port = listening.getsockname()[:2]
    print(f"http://{f'[{host}]' if ':' in host else host}:{port}/  (stop with Ctrl-C)", flush=True)
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=5, timeout_graceful_shutdown=3, log_config=None, ws="none",
    )  # fmt: skip
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening])
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    return command.run(body, PROG, argv, log_level="WARNING")


if __name__ == "__main__":
    raise SystemExit(main())
