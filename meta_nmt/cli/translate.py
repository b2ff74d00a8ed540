"""meta-nmt-translate: raw text in, translations out, one line for one line, SentencePiece inside.

    meta-nmt-translate --model models/ro-en < text.ro > text.en
    meta-nmt-translate DATA --path CKPT --source-lang ro < text.ro > text.en
    meta-nmt-translate DATA --path A.pt:B.pt --source-lang ro < text.ro > text.en      (an ensemble)

Lines are translated as they come: a file in large batches by length, a line that is typed or piped alone at once. An
empty line stays one; warnings about lines go to standard error. With --scores a line is `score TAB text`; with --nbest
above 1 each hypothesis has a line, `line number TAB score TAB text`. A score is the mean log-probability of a piece.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import BinaryIO

from tqdm import tqdm

from data_prep.base.command_line import OneLineParser
from data_prep.base.errors import InputError
from data_prep.base.languages import usual_spelling
from meta_nmt.cli import command
from meta_nmt.runs.path_lists import split_paths
from meta_nmt.translation.loaders import load_checkpoints, load_folder
from meta_nmt.translation.translator import MAX_BEAM, MAX_PIECES, Translation, Translator

PROG = "meta-nmt-translate"
LONGEST_LINE = 1 << 20  # bytes; the rest of a longer line is read and left out
FIRST_BUFFER = 32  # lines translated together at first: the output of a long file starts soon
LINGER_S = 0.05  # how long a line waits for others to be translated with


def build_parser() -> ArgumentParser:
    """The parser of the command's flags."""
    parser = OneLineParser(prog=PROG, description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", metavar="DATA", help="with --path: data folder with the language packs")
    parser.add_argument("--model", metavar="DIR", help="translator folder, made by meta-nmt-adapt or meta-nmt-export")
    parser.add_argument(
        "--path", metavar="CKPT", help="adapted checkpoint, or several with : between them: an ensemble"
    )
    parser.add_argument("--source-lang", type=usual_spelling, metavar="XX", help="with --path: language of the input")
    parser.add_argument(
        "--target-lang", type=usual_spelling, metavar="XX", help="with --path: language of the output (default: en)"
    )
    parser.add_argument(
        "--backend", choices=("auto", "torch", "ctranslate2"), metavar="NAME",
        help="with --model: torch, ctranslate2 or auto (default: auto, the faster one that is there)",
    )  # fmt: skip
    parser.add_argument(
        "--input", nargs="+", default=["-"], metavar="FILE", help="UTF-8 text; - is standard input (default: -)"
    )
    parser.add_argument("--beam", type=int, default=5, help="beam width, in hypotheses (default: 5)")
    parser.add_argument("--nbest", type=int, default=1, help="hypotheses written for a line (default: 1)")
    parser.add_argument("--scores", action="store_true", help="write scores")
    parser.add_argument(
        "--buffer-size", type=int, default=1024, help="most lines that are translated together (default: 1024)"
    )
    parser.add_argument(
        "--max-pieces", type=int, default=MAX_PIECES,
        help=f"longer lines are cut to so many pieces, with a warning (default: {MAX_PIECES})",
    )  # fmt: skip
    parser.add_argument(
        "--threads", type=int, metavar="N", help="of CTranslate2 (default: OMP_NUM_THREADS, or else all cores)"
    )
    return parser


def parse_args(argv: Sequence[str]) -> Namespace:
    """The flags; SystemExit(2) with one line on bad usage."""
    parser = build_parser()
    args = parser.parse_args(argv)
    for name in ("beam", "buffer_size", "max_pieces", "nbest", "threads"):
        value = getattr(args, name)
        if value is not None and value < 1:
            parser.error(f"`--{name.replace('_', '-')}` must be at least 1, but is {value}")
    if args.beam > MAX_BEAM:
        parser.error(f"`--beam` must be at most {MAX_BEAM}, but is {args.beam}")
    if args.nbest > args.beam:
        parser.error(f"`--nbest` must be at most the beam width {args.beam}, but is {args.nbest}")
    checkpoint_arguments = [args.data, args.path, args.source_lang]
    if args.model is None and None in checkpoint_arguments:
        parser.error("give either `--model DIR`, or `DATA --path CKPT --source-lang XX`")
    if args.model is not None and any(value is not None for value in [*checkpoint_arguments, args.target_lang]):
        parser.error("`--model` must stand without DATA, `--path`, `--source-lang` and `--target-lang`: it knows them")
    if args.model is None and (args.backend or args.threads):
        parser.error(f"`--{'backend' if args.backend else 'threads'}` must be given with `--model` only")
    return args


def load(args: Namespace) -> Translator:
    """The translator that the flags name: of a folder, or of checkpoints."""
    if args.model is not None:
        return load_folder(
            args.model, backend=args.backend or "auto", beam=args.beam, max_pieces=args.max_pieces, threads=args.threads
        )
    paths, target = split_paths(args.path), args.target_lang or "en"
    return load_checkpoints(args.data, paths, args.source_lang, target, beam=args.beam, max_pieces=args.max_pieces)


def read_lines(stream: BinaryIO, name: str) -> Iterator[tuple[str, bool]]:
    """Each line of a stream, and whether it was cut at LONGEST_LINE bytes; InputError if it is not UTF-8."""
    number = 0
    while line := stream.readline(LONGEST_LINE):
        number += 1
        cut = len(line) == LONGEST_LINE and not line.endswith(b"\n")
        rest = line
        while cut and rest and not rest.endswith(b"\n"):
            rest = stream.readline(LONGEST_LINE)
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            if not cut or error.start < len(line) - 3:  # otherwise the cut went through a character
                raise InputError(
                    f"{name}: line {number} must be UTF-8, but has {error.reason} at byte {error.start}"
                ) from None
            text = line[: error.start].decode("utf-8")
        yield text.rstrip("\r\n"), cut


def read_files(names: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """`read_lines` of several files, one after the other; ``-`` is standard input."""
    for name in names:
        if name == "-":
            yield from read_lines(sys.stdin.buffer, "standard input")
        else:
            with open(name, "rb") as stream:
                yield from read_lines(stream, name)


class Feed:
    """Lines that a thread reads ahead of their translation, at most ``ahead`` of them."""

    def __init__(self, lines: Iterable[tuple[str, bool]], ahead: int) -> None:
        self.queue: queue.Queue[tuple[str, bool] | BaseException | None] = queue.Queue(ahead)
        threading.Thread(target=self._read, args=(lines,), daemon=True).start()

    def _read(self, lines: Iterable[tuple[str, bool]]) -> None:
        try:
            for line in lines:
                self.queue.put(line)
            self.queue.put(None)
        except BaseException as error:  # noqa: BLE001  it is raised where the lines are used
            self.queue.put(error)

    def batches(self, most: int) -> Iterator[list[tuple[str, bool]]]:
        """Batches of at most ``most`` lines: full while lines come quickly, else what came within LINGER_S seconds.

        An error of the reader is raised here, after the lines before it.
        """
        size = min(FIRST_BUFFER, most)
        while True:
            batch: list[tuple[str, bool]] = []
            item = self.queue.get()
            until = time.monotonic() + LINGER_S
            while isinstance(item, tuple):
                batch.append(item)
                if len(batch) == size:
                    break
                try:
                    item = self.queue.get(timeout=max(0.0, until - time.monotonic()))
                except queue.Empty:
                    break
            if batch:
                yield batch
            if isinstance(item, BaseException):
                raise item
            if item is None:
                return
            size = min(2 * size, most)


def formatted(translation: Translation, number: int, args: Namespace) -> str:
    """The output lines of one input line, ended by line feeds."""
    if args.nbest == 1:
        if not args.scores:
            return f"{translation.text}\n"
        return "".join(f"{one.score:.4f}\t{one.text}\n" for one in translation.hypotheses) or "\t\n"
    lines = [f"{number}\t{one.score:.4f}\t{one.text}\n" for one in translation.hypotheses]
    return "".join(lines) or f"{number}\t\t\n"


def translate(args: Namespace) -> None:
    """Translate all input to standard output, with warnings on standard error."""
    translator = load(args)
    feed = Feed(read_files(args.input), 2 * args.buffer_size)
    number = 0
    # no bar where the output goes to the same terminal
    quiet = not sys.stderr.isatty() or sys.stdout.isatty()
    with tqdm(unit=" lines", disable=quiet) as bar:
        for batch in feed.batches(args.buffer_size):
            translations = translator.results([text for text, _ in batch], args.nbest)
            for translation, (_, cut) in zip(translations, batch, strict=True):
                number += 1
                for warning in chain([f"cut to {LONGEST_LINE} bytes"] if cut else [], translation.warnings):
                    tqdm.write(f"{PROG}: warning: line {number}: {warning}", file=sys.stderr)
                sys.stdout.write(formatted(translation, number, args))
            sys.stdout.flush()
            bar.update(len(batch))


def body(argv: Sequence[str]) -> int:
    """Parse the flags and translate; returns the exit status."""
    args = parse_args(argv)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    try:
        translate(args)
    except BrokenPipeError:  # the reader of the output has stopped reading
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it ends
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    return command.run(body, PROG, argv, log_level="WARNING")


if __name__ == "__main__":
    raise SystemExit(main())
