"""How well the query vectors of a corpus are aligned to English: CSLS precision at 1 and 5, a row a language.

    python -m benchmarks.alignment --corpus bible --dictionaries muse-dict --source-langs bg,cs,da \\
        --target-langs ro,fi --valid-ids HEB,JAS --test-ids JHN --vocab-size 8000 [--json FILE]

Measured are pairs of pieces that are mined from the parallel training text (``lexicon.mine_pairs``: IBM model 1 in both
directions, mutual best, in at least 2 sentence pairs, score at least 0.1). In the order of their scores every 10th
source piece is held out, and none of its pairs is an anchor. A held-out piece counts as right if its English piece is
the nearest by CSLS of all English pieces that have a vector; r(y) is taken over all pieces of the language. Word lists
give anchors only where the row says so.

- alone: monolingual vectors and Procrustes on the anchors. Neither has seen the held-out pairs.
- final: with sentences in common and the lexicon too. The held-out pairs are in no lexicon, but they were mined from
  the sentences that the sentence queries are made of.
- disjoint: as final, but held out from pairs that are mined from every 10th line, while anchors and sentence queries
  come from the other lines alone. The monolingual vectors have read both sides, but not side by side.
- list: as final, with all mined anchors, on the words of the word lists that are one piece on both sides. Nothing of
  the language pack has seen the lists.

A target language has 600 of the pairs (--pairs), and its whole training text as monolingual text. ``alone`` and
``final`` are on held-out pairs that are mined from all of its parallel text, ``own`` on held-out pairs that are mined
from the 600. In the row ``+ list`` the word list gives anchors too. Seconds are processor seconds of work that
meta-nmt-preprocess does as well: SentencePiece and vectors (pack); anchors, sentences and queries (align).
"""

import json
import random
import resource
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from data_prep.base.command_line import OneLineParser, comma_list, run_command
from data_prep.base.data_folder import PackFolder
from data_prep.base.files import write_json
from data_prep.cleaning.clean_form import normalise
from data_prep.cleaning.split import SplitOptions, add_split_arguments, read_splits
from data_prep.corpora.corpus import find_corpus
from data_prep.corpora.readers import Parallel, concatenate
from data_prep.packs import align, anchors, subwords, ulr_tables, vectors
from data_prep.packs.anchors import Anchor, Pack

DISJOINT_SHARE = 10  # the disjoint pairs are mined from every 10th line

ParallelRows = tuple[anchors.Rows, anchors.Rows]


def training_text(corpus: Path, lang: str, english: str, split: SplitOptions) -> Parallel:
    """The clean training pairs of a language."""
    batches = read_splits(find_corpus(corpus, lang, english), "target", split)
    parallel = concatenate([part for name, part in batches if name == "train"])
    pairs = [(normalise(x), normalise(y)) for x, y in zip(parallel.source, parallel.english, strict=True)]
    pairs = [pair for pair in pairs if all(pair)]
    return Parallel([pair[0] for pair in pairs], [pair[1] for pair in pairs], [])


def make_pack(folder: PackFolder, lines: Sequence[str], options: Mapping[str, Any]) -> Path:
    """Make a language pack, and its monolingual vectors beside it; returns the file of the vectors."""
    raw = folder.path.with_suffix(".npy")
    subwords.write_pack(folder, lines, [], options["vocab_size"])
    vectors.write_vectors(folder, lines, [], options["vector_dim"], raw, options["vector_method"])
    return raw


def cut(lines: Sequence[str], pack: Pack) -> anchors.Rows:
    """The lines as fairseq indices of their pieces."""
    return [list(pack.cut(line)) for line in lines]


def some(parallel: ParallelRows, rows: Sequence[int]) -> ParallelRows:
    """The lines of parallel text at the given rows."""
    return [parallel[0][row] for row in rows], [parallel[1][row] for row in rows]


def without(candidates: Sequence[Anchor], held: Sequence[Anchor]) -> list[Anchor]:
    """The candidates whose source pieces are not those of a held-out anchor."""
    pieces = {anchor.source for anchor in held}
    return [anchor for anchor in candidates if anchor.source not in pieces]


def scores(prefix: str, rows: Any, held: Sequence[Anchor], english: Pack) -> dict[str, Any]:
    """Precision at 1 and 5 of query vectors on held-out anchors, as fields whose names begin with ``prefix``."""
    precisions = align.precision(rows, held, english)
    return {f"{prefix}_p1": precisions["precision_at_1"], f"{prefix}_p5": precisions["precision_at_5"]}


def list_anchors(folder: Path | None, lang: str, source: Pack, english: Pack) -> list[Anchor]:
    """Anchors of the pairs of a language's word lists; none without a folder."""
    lists = anchors.find_dictionaries(folder, lang, "en")
    pairs = [pair for path in lists for pair in anchors.read_word_list(path)]
    return anchors.dictionary_anchors(pairs, source, english)


def source_row(parallel: ParallelRows, words: Sequence[Anchor], source: Pack, english: Pack) -> dict[str, Any]:
    """The row of a language with all of its parallel text, and the processor seconds that its alignment took."""
    start = time.process_time()
    mined = anchors.parallel_anchors(parallel, source, english)
    sentences = align.sentence_queries(parallel, source, english)
    alike = anchors.identical_anchors(source, english)
    all_queries = align.queries([*mined, *alike], sentences, source, english)[1]
    seconds = time.process_time() - start
    fit, held = anchors.hold_out([*mined, *alike])
    alone, final = align.queries(fit, sentences, source, english)
    row = {"pairs": len(mined), "held_out": len(held)}
    row |= scores("alone", alone, held, english) | scores("final", final, held, english)
    rest = [line for line in range(len(parallel[0])) if line % DISJOINT_SHARE]
    tenth = some(parallel, range(0, len(parallel[0]), DISJOINT_SHARE))
    held = anchors.hold_out(anchors.parallel_anchors(tenth, source, english))[1]
    fit = without([*anchors.parallel_anchors(some(parallel, rest), source, english), *alike], held)
    disjoint = align.queries(fit, align.sentence_queries(some(parallel, rest), source, english), source, english)[1]
    row |= {"disjoint_held_out": len(held)} | scores("disjoint", disjoint, held, english)
    row |= {"list_words": one_piece(words)} | scores("list", all_queries, words, english)
    return row | {"align_seconds": round(seconds, 1)}


def one_piece(words: Sequence[Anchor]) -> int:
    """The number of source words of a list that are one piece on both sides."""
    return len({anchor.source for anchor in words if len(anchor.source) == len(anchor.english) == 1})


def target_rows(
    parallel: ParallelRows, pairs: int, seed: int, words: Sequence[Anchor], source: Pack, english: Pack
) -> list[dict[str, Any]]:
    """The rows of a language with few pairs: without the word list, and with it."""
    rows = sorted(random.Random(seed).sample(range(len(parallel[0])), min(pairs, len(parallel[0]))))
    start = time.process_time()
    sample = some(parallel, rows)
    mined = anchors.parallel_anchors(sample, source, english)
    sentences = align.sentence_queries(sample, source, english)
    alike = anchors.identical_anchors(source, english)
    all_queries = align.queries([*mined, *alike], sentences, source, english)[1]
    seconds = time.process_time() - start
    held = anchors.hold_out(anchors.parallel_anchors(parallel, source, english))[1]
    own_held = anchors.hold_out(mined)[1]
    table_rows = []
    for name, candidates in (("", [*mined, *alike]), (" + list", [*words, *mined, *alike])):
        if name and not words:
            continue
        alone, final = align.queries(without(candidates, held), sentences, source, english)
        row = {"setting": f"{len(rows)} pairs{name}", "pairs": len(without(candidates, held)), "held_out": len(held)}
        row |= scores("alone", alone, held, english) | scores("final", final, held, english)
        if not name:
            final = align.queries(without(candidates, own_held), sentences, source, english)[1]
            row |= {"own_held_out": len(own_held)} | scores("own", final, own_held, english)
            row |= {"list_words": one_piece(words)} | scores("list", all_queries, words, english)
        table_rows.append(row | {"align_seconds": round(seconds, 1)})
    return table_rows


def measure(args: Any, work: Path) -> list[dict[str, Any]]:
    """Measure all languages; returns the rows, which go to --json after every language."""
    split = SplitOptions(None, args.valid_ids, args.test_ids)
    options = vars(args)
    langs = [*args.source_langs, *args.target_langs]
    lines: dict[str, None] = {}
    for lang in args.source_langs or args.target_langs:
        lines |= dict.fromkeys(training_text(args.corpus, lang, "en", split).english)
    english_pack = PackFolder(work / "en")
    raw = make_pack(english_pack, list(lines), options)
    ulr_tables.write_english(english_pack, raw)
    rows: list[dict[str, Any]] = []
    for lang in tqdm(langs, unit="language", file=sys.stderr, disable=None):
        parallel = training_text(args.corpus, lang, "en", split)
        start = time.process_time()
        pack = PackFolder(work / lang)
        raw = make_pack(pack, parallel.source, options)
        source, english = align.read_both(pack, raw, english_pack)
        cuts = cut(parallel.source, source), cut(parallel.english, english)
        seconds = time.process_time() - start
        words = list_anchors(args.dictionaries, lang, source, english)
        if lang in args.source_langs:
            new_rows = [{"setting": "all"} | source_row(cuts, words, source, english)]
        else:
            new_rows = target_rows(cuts, args.pairs, args.seed, words, source, english)
        head = {"lang": lang, "lines": len(parallel), "pieces": int(source.vectors.any(axis=1).sum())}
        rows += [head | row | {"pack_seconds": round(seconds, 1)} for row in new_rows]
        print_row(rows[-len(new_rows)], sys.stderr)
        if args.json:
            write_json(args.json, rows)
    return rows


def print_row(row: Mapping[str, Any], file: Any = None) -> None:
    """Print a row as one line of JSON."""
    print(json.dumps(row), file=file or sys.stdout, flush=True)


COLUMNS = (
    "lang", "setting", "lines", "pieces", "pairs", "held_out", "alone_p1", "alone_p5", "final_p1", "final_p5",
    "disjoint_held_out", "disjoint_p1", "own_held_out", "own_p1", "list_words", "list_p1", "pack_seconds",
    "align_seconds",
)  # fmt: skip


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """The rows in Markdown, with the mean of every precision below; columns without a figure are left out."""
    columns = [name for name in columns if any(row.get(name) is not None for row in rows)]
    mean: dict[str, Any] = {"lang": "mean"}
    for name in columns:
        values = [row[name] for row in rows if row.get(name) is not None]
        if name.endswith(("_p1", "_p5")):
            mean[name] = sum(values) / len(values)
    body = []
    for row in [*rows, mean]:
        cells = [row.get(name) for name in columns]
        shown = [f"{cell:.2f}" if name.endswith(("_p1", "_p5")) and cell is not None else "" if cell is None else cell
                 for name, cell in zip(columns, cells, strict=True)]  # fmt: skip
        body.append("| " + " | ".join(map(str, shown)) + " |")
    head = ["| " + " | ".join(name.replace("_", " ") for name in columns) + " |", "| " + "--- | " * len(columns)]
    return "\n".join([*head, *body])


def main(argv: Sequence[str] | None = None) -> int:
    """Measure the alignment of the languages of a corpus."""
    parser = OneLineParser(prog="python -m benchmarks.alignment", description=main.__doc__)
    parser.add_argument("--corpus", type=Path, required=True, metavar="DIR", help="folder of parallel text with ids")
    parser.add_argument("--source-langs", type=comma_list, default=(), metavar="XX,YY", help="with all their text")
    parser.add_argument("--target-langs", type=comma_list, default=(), metavar="XX,YY", help="with --pairs of it")
    parser.add_argument("--dictionaries", type=Path, metavar="DIR", help="word lists, to measure on")
    parser.add_argument("--pairs", type=int, default=600, metavar="N", help="sentence pairs of a target language")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="which pairs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the rows go, too")
    add_split_arguments(parser)
    subwords.add_vocab_argument(parser)
    vectors.add_vector_arguments(parser)
    args = parser.parse_args(argv)
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as work:
        rows = measure(args, Path(work))
    for langs in (args.source_langs, args.target_langs):
        for setting in dict.fromkeys(row["setting"] for row in rows if row["lang"] in langs):
            shown = [row for row in rows if row["lang"] in langs and row["setting"] == setting]
            print(table(shown, COLUMNS), end="\n\n")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{time.monotonic() - start:.0f} s in all, measuring included; peak {peak:.0f} MiB")
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main, prog="python -m benchmarks.alignment"))
