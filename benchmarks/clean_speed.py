"""How fast text is cleaned: data_prep.clean on all its processes against the same filters, line by line, on one core.

    python -m benchmarks.clean_speed [--lines 5000000] [--peer-lines 500000] [--workers 2] [--json FILE]

The text is generated: pairs of about 20 words in seven scripts. A fifth of them is dirty: repeated, in other case, with
HTML entities, stray spaces or invisible characters, not in NFC, empty, far too long, ill-matched, not translated.

The peer is written for this benchmark with the standard library and ``regex``: one loop over the lines, compiled
expressions, and sets of all that was seen. It cleans the first ``--peer-lines`` pairs, in turns with ours. Ours is the
command as users run it, its start included. It must keep the same lines as the peer, and drop the others for the same
reasons.

Memory is the sum over all processes of our command; a page that several share counts for each. Processor time compares
the two sides on a machine that is busy with other things, where the time on the clock cannot.
"""

from __future__ import annotations

import argparse
import html
import json
import math
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import regex

from benchmarks.measure import REPO, Row, compare, table
from data_prep.base.command_line import run_command

CHUNK = 5000  # pairs generated at once
WORDS = 20_000  # different words of a script
SCRIPTS = {  # share of the source lines, letters
    "latin": (0.45, "abcdefghijklmnoprstuvzáéíóúãõçñäöüßșțăčšž"),
    "cyrillic": (0.2, "абвгдежзийклмнопрстуфхцчшщыьэюя"),
    "greek": (0.08, "αβγδεζηθικλμνξοπρστυφχψωάέήίόύώ"),
    "hangul": (0.08, "".join(map(chr, range(0xAC00, 0xD7A0, 29)))),
    "arabic": (0.07, "ابتثجحخدذرزسشصضطظعغفقكلمنهوي"),
    "devanagari": (0.06, "कखगघचछजझटठडढतथदधनपफबभमयरलवशषसहािीुूेैोौं्"),
    "han": (0.06, "".join(map(chr, range(0x4E00, 0x9FA5, 17)))),
}
ENGLISH = "etaoinshrdlcumwfgypbvk"
DIRT = {  # share of the lines
    "repeat": 0.05, "shout": 0.03, "entities": 0.03, "spaces": 0.03, "invisible": 0.02, "nfd": 0.01, "empty": 0.01,
    "ratio": 0.01, "same": 0.01, "long": 0.002,
}  # fmt: skip


def lexicon(rng: np.random.Generator, letters: str, longest: int) -> np.ndarray:
    lengths = rng.integers(1, longest + 1, WORDS)
    drawn, ends = "".join(rng.choice(list(letters), lengths.sum())), np.cumsum(lengths)
    return np.array([drawn[end - length : end] for length, end in zip(lengths, ends, strict=True)], dtype=object)


def sentences(rng: np.random.Generator, words: np.ndarray, lengths: np.ndarray, space: str, stop: str) -> list[str]:
    """Sentences of the given lengths, with words by Zipf's law, a capital at the start and some commas."""
    drawn = words[np.minimum(rng.zipf(1.3, lengths.sum()), WORDS) - 1]
    drawn[rng.random(len(drawn)) < 0.06] += ","
    ends = np.cumsum(lengths)
    return [
        (space.join(drawn[end - length : end]) + stop).capitalize() for length, end in zip(lengths, ends, strict=True)
    ]


def generate(lines: int, seed: int = 1) -> Iterator[tuple[str, str]]:
    """Pairs (source, English). The same seed gives the same pairs, whatever their number."""
    rng = np.random.default_rng(seed)
    lexicons = {name: lexicon(rng, letters, 2 if name == "han" else 10) for name, (_, letters) in SCRIPTS.items()}
    english = lexicon(rng, ENGLISH, 9)
    names, shares = list(SCRIPTS), [share for share, _ in SCRIPTS.values()]
    kinds, dirt = ["clean", *DIRT], [1 - sum(DIRT.values()), *DIRT.values()]
    for start in range(0, lines, CHUNK):
        lengths = np.clip(rng.lognormal(np.log(17), 0.6, CHUNK).astype(int), 1, 120)
        targets = sentences(rng, english, lengths, " ", ".")
        scripts = rng.choice(len(names), CHUNK, p=shares)
        sources = [""] * CHUNK
        for number, name in enumerate(names):
            rows = np.flatnonzero(scripts == number)
            source_lengths = np.maximum(1, lengths[rows] * rng.uniform(0.8, 1.2, len(rows))).astype(int)
            spaces = ("", "。") if name == "han" else (" ", ".")
            for row, line in zip(rows, sentences(rng, lexicons[name], source_lengths, *spaces), strict=True):
                sources[row] = line
        for row, kind in enumerate(rng.choice(len(kinds), CHUNK, p=dirt)):
            if kind:
                earlier = int(rng.integers(0, row + 1))
                sources[row], targets[row] = dirty(kinds[kind], sources[row], targets[row], sources, targets, earlier)
        yield from islice(zip(sources, targets, strict=True), lines - start)


def dirty(kind: str, source: str, target: str, sources: list[str], targets: list[str], earlier: int) -> tuple[str, str]:
    if kind == "repeat":
        return sources[earlier], targets[earlier]
    if kind == "shout":
        return sources[earlier], targets[earlier].upper().replace(".", "!")
    if kind == "entities":
        return source.replace(",", " &amp;quot;") + "&#233;", f"&quot;{target}&quot; &lt;b&gt; &AT&T; &nbsp;"
    if kind == "spaces":
        return f" {source}  \u3000", target.replace(" ", "  ", 3) + "\u00a0"
    if kind == "invisible":
        return "\ufeff" + source.replace(" ", " \u200b", 2), target.replace(" ", "\x07 \u00ad", 2)
    if kind == "nfd":
        return unicodedata.normalize("NFD", source), target
    if kind == "empty":
        return ("", target) if earlier % 2 else (source, "\u00a0 ")
    if kind == "long":
        return (source + " ") * 80, (target + " ") * 80
    if kind == "ratio":
        return source, (target + " ") * 9
    return target, target


def write_pairs(lines: int, folder: Path) -> list[Path]:
    paths = [folder / "raw.source", folder / "raw.english"]
    with open(paths[0], "w", encoding="utf-8") as source, open(paths[1], "w", encoding="utf-8") as english:
        for x, y in generate(lines):
            source.write(x + "\n")
            english.write(y + "\n")
    return paths


# The peer, written after what docs and help texts say of the filters.

CATEGORIES = {chr(code): unicodedata.category(chr(code)) for code in range(sys.maxunicode + 1)}
SEEN_FORMATS = "\u200c\u200d\u180e" + "".join(map(chr, [*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2]))
SEEN_FORMATS += "\U000110bd\U000110cd" + "".join(map(chr, range(0x13430, 0x13460)))
HIDDEN = [
    char
    for char, category in CATEGORIES.items()
    if (category in ("Cc", "Cf", "Cs") and not char.isspace() and char not in SEEN_FORMATS)
]
HIDDEN += [chr(code) for code in range(0xE0000, 0xE0080)] + [chr(code) for code in range(0x2060, 0x2070)]
HIDDEN_PATTERN = re.compile("[" + "".join(map(re.escape, HIDDEN)) + "]")
APOSTROPHES = regex.compile(r"(?V1)[\p{Lm}&&\p{Script=Common}--\p{Extender}]").findall("".join(CATEGORIES))
APOSTROPHES = [char for char in APOSTROPHES if unicodedata.normalize("NFKC", char) == char]
NO_KEY = regex.compile(
    rf"(?V1)[^\p{{L}}\p{{M}}\p{{N}}]|\p{{Default_Ignorable_Code_Point}}"
    rf"|[\u0559\u0640\u07f4\u07f5\u07fa\ua78b\ua78c{''.join(APOSTROPHES)}]"
)
WITHOUT_SPACES = regex.compile(r"(?=[\p{L}\p{M}])[\p{Line_Break=SA}\p{Line_Break=ID}\p{Line_Break=CJ}]")
REFERENCE = re.compile(r"&(#\d{1,7}|#[xX][\da-fA-F]{1,6}|[A-Za-z][A-Za-z\d]{1,31});", re.ASCII)


def plain_line(line: str) -> str:
    """A line in NFC, without hidden characters, with single spaces, its entities replaced by their characters."""
    if not line.isprintable():
        line = HIDDEN_PATTERN.sub("", line)
    line = " ".join(line.split())
    line = unicodedata.normalize("NFC", line)
    if "&" in line:
        plain = REFERENCE.sub(_unescape, line)
        if plain != line:
            return plain_line(plain)
    return line


def _unescape(match: re.Match[str]) -> str:
    if match[1].startswith("#") or match[1] + ";" in html.entities.html5:
        return html.unescape(match[0])
    return match[0]


def plain_key(line: str) -> str:
    key = unicodedata.normalize("NFKC", NO_KEY.sub("", line)).casefold()
    return NO_KEY.sub("", key) or line


def plain_tokens(line: str) -> int:
    return max(len(line.split()) + len(WITHOUT_SPACES.findall(line)) // 2, math.ceil(len(line) / 10))


def plain_clean(
    pairs: Iterable[tuple[str, str]], dropped: Counter[str], most: int = 250, ratio: float = 4.0
) -> Iterator[tuple[str, str]]:
    """The pairs that are kept; the others are counted by reason."""
    kept: set[int] = set()
    keys: set[int] = set()
    for raw_source, raw_english in pairs:
        source, english = plain_line(raw_source), plain_line(raw_english)
        if not source or not english:
            dropped["empty"] += 1
            continue
        lengths = plain_tokens(source), plain_tokens(english)
        if max(lengths) > most:
            dropped["over-long"] += 1
        elif max(lengths) + 2 > ratio * (min(lengths) + 2):
            dropped["length-ratio"] += 1
        elif source == english:
            dropped["identical"] += 1
        else:
            pair, key = hash((source, english)), hash((plain_key(source), plain_key(english)))
            if key in keys:
                dropped["duplicate" if pair in kept else "near-duplicate"] += 1
            else:
                kept.add(pair)
                keys.add(key)
                yield source, english


def run_peer(raw: list[Path], out: list[Path], lines: int, dropped: Counter[str]) -> tuple[float, float]:
    """Clean by the peer; returns the seconds and the processor seconds. Counts by reason go to ``dropped``."""
    dropped.clear()
    start, processor = time.perf_counter(), time.process_time()
    with (
        open(raw[0], encoding="utf-8", newline="\n") as source,
        open(raw[1], encoding="utf-8", newline="\n") as english,
        open(out[0], "w", encoding="utf-8") as kept_source,
        open(out[1], "w", encoding="utf-8") as kept_english,
    ):
        pairs = ((x[:-1], y[:-1]) for x, y in zip(source, english, strict=True))
        for x, y in plain_clean(islice(pairs, lines), dropped):
            kept_source.write(x + "\n")
            kept_english.write(y + "\n")
    return time.perf_counter() - start, time.process_time() - processor


def run_ours(raw: list[Path], out: list[Path], workers: int) -> tuple[float, float, float]:
    """Clean by our command; returns the seconds, the processor seconds, and the most MiB of all its processes."""
    start, before, peak = time.perf_counter(), children_time(), 0.0
    flags = ["--source", raw[0], "--target", raw[1], "--out-source", out[0], "--out-target", out[1]]
    flags += ["--counts", out[0].with_name("counts.json")]
    command = [sys.executable, "-m", "data_prep", "clean", *map(str, flags), "--workers", str(workers)]
    with subprocess.Popen(command, cwd=REPO, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            peak = max(peak, sum(map(resident, family(process.pid))))
            time.sleep(0.05)
    if process.returncode:
        raise RuntimeError(f"{command} ended with status {process.returncode}")
    return time.perf_counter() - start, children_time() - before, peak


def children_time() -> float:
    """The processor seconds of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def family(pid: int) -> list[int]:
    """The process ids of a process and of all its descendants."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:  # the process has just ended
        return []
    return [pid, *(member for child in children for member in family(int(child)))]


def resident(pid: int) -> float:
    """The MiB of a process in memory; 0 if it has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except OSError:
        return 0.0


def check_same(ours: list[Path], peer: list[Path]) -> int:
    """The number of lines kept; RuntimeError unless ours begins with all that the peer kept."""
    for mine, theirs in zip(ours, peer, strict=True):
        with open(mine, "rb") as a, open(theirs, "rb") as b:
            for number, (our_line, peer_line) in enumerate(zip(a, b, strict=False), start=1):
                if our_line != peer_line:
                    raise RuntimeError(f"line {number} kept: ours {our_line!r}, the peer's {peer_line!r}")
            if b.readline():
                raise RuntimeError(f"ours kept {number} lines, the peer more")
    return number


def head(raw: list[Path], lines: int, folder: Path) -> list[Path]:
    """Write the first lines of both files to new files in ``folder``; returns these."""
    heads = [folder / f"head.{path.suffix[1:]}" for path in raw]
    for path, short in zip(raw, heads, strict=True):
        with open(path, "rb") as file, open(short, "wb") as out:
            out.writelines(islice(file, lines))
    return heads


def measure(lines: int, few: int, workers: int, rounds: int) -> Iterator[Row]:
    """The rows of our side on all lines against the peer on the first ``few``, in turns.

    RuntimeError unless both keep the same of the first lines.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        raw = write_pairs(lines, folder)
        short = head(raw, few, folder)
        ours, peer = ([folder / f"{who}.{side}" for side in ("source", "english")] for who in ("ours", "peer"))
        dropped: Counter[str] = Counter()
        run_peer(short, peer, few, dropped)
        _, _, small_peak = run_ours(short, ours, workers)
        counts = json.loads((folder / "counts.json").read_text())
        if counts["dropped"] != dropped:
            raise RuntimeError(f"ours dropped {counts['dropped']}, the peer {dropped}")
        kept = check_same(ours, peer)
        runs = [(run_ours(raw, ours, workers), run_peer(short, peer, few, dropped)) for _ in range(rounds)]
        check_same(ours, peer)
    what = f"{lines} pairs on {workers} processes; peer: {few} in a plain loop; both keep the same {kept} of these"
    yield compare(
        "clean_lines_per_s",
        "lines/s",
        [lines / our_run[0] for our_run, _ in runs],
        [few / peer_run[0] for _, peer_run in runs],
        what,
    )
    # the difference that is left on a machine with one free core
    cost = [1e6 * our_run[1] / lines for our_run, _ in runs], [1e6 * peer_run[1] / few for _, peer_run in runs]
    yield compare("clean_processor_time", "us/line", *cost, f"{what}; lower is better")
    peaks = [our_run[2] for our_run, _ in runs]
    yield compare(
        "clean_memory_all_vs_peer_lines", "MiB", peaks, [small_peak] * rounds, f"{lines} pairs against {few}, both ours"
    )


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--lines", type=int, default=5_000_000, help="pairs generated")
    parser.add_argument("--peer-lines", type=int, default=500_000, help="of them, cleaned by the peer too")
    parser.add_argument("--workers", type=int, default=2, help="processes of ours")
    parser.add_argument("--repeats", type=int, default=5, help="runs of both sides, in turns")
    parser.add_argument("--json", help="file for the rows")
    args = parser.parse_args(argv)
    rows = list(measure(args.lines, min(args.lines, args.peer_lines), args.workers, args.repeats))
    print("\n".join([rows[0].what, *table(rows)]))
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump([row.record() for row in rows], file, indent=1)
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main, prog="python -m benchmarks.clean_speed"))
