"""meta-nmt-serve: a page on which a sentence is translated, with what the model made of each of its pieces.

    meta-nmt-serve models/qu-en          then open http://127.0.0.1:8000/

The page needs nothing but this server. Its JSON API is POST /api/translate {"text": ..., "nbest": 3}, described by
/openapi.json; clients of LibreTranslate can use POST /translate and GET /languages. By default only this machine can
reach it; it has no password, so think before you give --host.
"""

from __future__ import annotations

import errno
import socket
import sys
from argparse import Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path

from data_prep.base.command_line import OneLineParser
from data_prep.base.errors import InputError
from data_prep.base.extras import need
from meta_nmt.cli import command
from meta_nmt.serving import LOOPBACK
from meta_nmt.translation.loaders import load_folder
from meta_nmt.translation.translator import MAX_BEAM
from meta_nmt.translation.translator_folder import TranslatorFolder

PROG = "meta-nmt-serve"
ANYWHERE = ("0.0.0.0", "::")
# flag -> lowest and highest value
RANGES = {"beam": (1, MAX_BEAM), "queue": (1, 10_000), "timeout": (0.1, 3600), "port": (0, 65_535)}


def parse_args(argv: Sequence[str]) -> Namespace:
    """The flags; SystemExit(2) with one line on bad usage."""
    parser = OneLineParser(prog=PROG, description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("model", metavar="DIR", help="translator folder, made by meta-nmt-adapt or meta-nmt-export")
    parser.add_argument(
        "--host", default="127.0.0.1",
        help="address to listen at; whoever can reach it can use the page (default: 127.0.0.1, this machine alone)",
    )  # fmt: skip
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
    for name, (least, most) in RANGES.items():
        if not least <= getattr(args, name) <= most:  # false for nan too
            parser.error(f"`--{name}` must be at least {least} and at most {most}, but is {getattr(args, name)}")
    return args


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens at an address; InputError where the address is in use or cannot be used."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be had: {error.strerror or error}"
        raise InputError(f"`--host {host} --port {port}`: this address {reason}; give another `--port`") from None


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine alone."""
    return host in LOOPBACK or host == "::1"


def warn_of(host: str) -> None:
    """Say on standard error what it means to listen at an address that other machines can reach."""
    whose = "every network that this machine is in" if host in ANYWHERE else f"the network of {host}"
    print(
        f"{PROG}: warning: --host {host}: everybody in {whose} can use the page and its API; there is no password, and "
        "texts travel unencrypted",
        file=sys.stderr,
    )  # fmt: skip


def body(argv: Sequence[str]) -> int:
    """Parse the flags and serve the page until Ctrl-C; returns the exit status."""
    args = parse_args(argv)
    for package in ("fastapi", "h11", "uvicorn"):
        need(package, "serve", PROG)
    # these are of an extra, which the flags do not need
    import uvicorn

    from meta_nmt.serving.connections import ACCEPTED_AT_ONCE, SILENT_S, Door, most_connections
    from meta_nmt.serving.desk import Limits
    from meta_nmt.serving.requests import BODY_S
    from meta_nmt.serving.server import make_app

    translator = load_folder(args.model, backend=args.backend, beam=args.beam)
    card = TranslatorFolder(Path(args.model)).read_card()
    if is_loopback(args.host):
        hosts: Sequence[str] = LOOPBACK
    else:
        hosts = args.name or (["*"] if args.host in ANYWHERE else [args.host, *LOOPBACK])
    app = make_app(translator, Limits(args.queue, args.timeout), card, hosts)
    listening = listen(args.host, args.port)
    if not is_loopback(args.host):
        warn_of(args.host)
    host, port = listening.getsockname()[:2]
    print(f"http://{f'[{host}]' if ':' in host else host}:{port}/  (stop with Ctrl-C)", flush=True)
    door = Door(SILENT_S + BODY_S + 2 * args.timeout, most_connections())
    config = uvicorn.Config(
        app, http=door,  # type: ignore[arg-type]  # uvicorn only calls it
        log_level="error",  # its warnings are of requests that are no HTTP, which anybody can send
        access_log=False, server_header=False, backlog=ACCEPTED_AT_ONCE, loop="asyncio", timeout_keep_alive=5,
        timeout_graceful_shutdown=3, log_config=None, ws="none",
    )  # fmt: skip
    uvicorn.Server(config).run(sockets=[listening])
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    return command.run(body, PROG, argv, log_level="WARNING")


if __name__ == "__main__":
    raise SystemExit(main())
