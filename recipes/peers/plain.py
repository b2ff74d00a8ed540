"""The text of a plain peer: stock fairseq on the same sentences, with one vocabulary for all languages.

    python -m recipes.peers.plain text --data DATA --targets ro,lv --out OUT --tokens 57600000
    python -m recipes.peers.plain updates --text OUT --batch 2000
    python -m recipes.peers.plain sample --data DATA --text OUT --target ro --sample train-16000-s1 --out OUT2
    python -m recipes.peers.plain result --data DATA --text OUT --generated generate-test.txt --checkpoint FILE ...

What a user would build without this toolkit: one SentencePiece model over the source languages, English and, where
there is some, the monolingual text of the targets; one Transformer whose encoder and decoder share their embeddings;
trained on all source languages together, fine-tuned whole on the sample. DATA is a data folder of meta-nmt-preprocess:
splits, samples and cleaning are the same for both sides.
"""

from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import meta_nmt.plugin  # noqa: F401  before fairseq, which may lack the compiled parts that cut batches

# isort: split
import numpy as np
import sentencepiece
from fairseq.data.data_utils import batch_by_size

from data_prep.base.command_line import OneLineParser, run_command
from data_prep.base.data_folder import DataFolder
from data_prep.base.files import write_json, write_lines
from data_prep.base.text_files import read_lines
from data_prep.packs.subwords import load
from meta_nmt.cli.generate import read_hypotheses
from meta_nmt.runs import cost

PIECES = 16_000  # of the one vocabulary
LINES_OF_A_LANGUAGE = 10_000  # that the SentencePiece model is trained on: as many of each, English twice
TEMPERATURE = 2.0  # of sampling languages, as recipes/real/best.yaml
SIDES = ("x", "en")  # one source side for all languages
SPECIAL = ("<s>", "</s>", "<unk>")  # fairseq has these itself
LONGEST = 256  # tokens of a line, longer ones are left out
ROOM = 999  # pieces of a line that is tuned on or translated; the rest is cut off, as a batch has no room for it
MULTIPLE = 8  # fairseq-train cuts the sentences of a batch to a multiple of it
MODEL, FACTS = "spm.model", "text.json"


def codes_of(folder: DataFolder, role: str) -> list[str]:
    """The languages of a role."""
    return [code for code, entry in folder.read_record()["languages"].items() if entry["role"] == role]


def monolingual(folder: DataFolder, code: str) -> list[str]:
    """The monolingual text of a language: that of the domain, then all other."""
    return [line for path in folder.mono(code).texts if path.stat().st_size for line in read_lines(path)]


def train_pieces(
    folder: DataFolder, sources: Sequence[str], targets: Sequence[str], size: int, byte_fallback: bool, model: Path
) -> None:
    """Train the one SentencePiece model of all languages."""
    rng = np.random.default_rng(1)

    def drawn(lines: list[str], most: int) -> list[str]:
        return [lines[i] for i in rng.permutation(len(lines))[:most]]

    texts = [read_lines(folder.text(code).sides("train")[0]) for code in sources]
    texts += [monolingual(folder, code) for code in targets]
    english = [line for code in sources for line in read_lines(folder.text(code).sides("train")[1])]
    lines = [line for text in texts for line in drawn(text, LINES_OF_A_LANGUAGE)]
    lines += drawn(english, 2 * LINES_OF_A_LANGUAGE)
    model.parent.mkdir(parents=True, exist_ok=True)
    with open(model, "wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines), model_writer=file, vocab_size=size, character_coverage=0.9999,
            normalization_rule_name="identity", shuffle_input_sentence=False, num_threads=1, minloglevel=2,
            byte_fallback=byte_fallback,
        )  # fmt: skip


def text(args: Namespace) -> None:
    """Write the SentencePiece model, fairseq's dictionary and the training text, cut into pieces."""
    folder = DataFolder(args.data)
    sources = codes_of(folder, "source")
    train_pieces(folder, sources, args.targets, args.pieces, args.byte_fallback, args.out / MODEL)
    pieces = load(args.out / MODEL)
    names = [pieces.id_to_piece(i) for i in range(pieces.get_piece_size())]
    write_lines(args.out / "dict.txt", [f"{name} 1" for name in names if name not in SPECIAL])
    cut = {code: [cut_lines(path, pieces) for path in folder.text(code).sides("train")] for code in sources}
    weights = {
        code: weight(list(map(tokens_of, english)), args.temperature, args.by_english)
        for code, (_, english) in cut.items()
    }
    tokens, both, target = 0, 0, 0
    with ExitStack() as stack:
        files = [stack.enter_context(open(args.out / f"train.{side}", "w", encoding="utf-8")) for side in SIDES]
        for code, row in sampled_pairs({code: len(sides[0]) for code, sides in cut.items()}, weights):
            pair = [side[row] for side in cut[code]]
            lengths = list(map(tokens_of, pair))
            if max(lengths) > LONGEST:
                continue
            for file, line in zip(files, pair, strict=True):
                file.write(line + "\n")
            tokens, both, target = tokens + max(lengths), both + sum(lengths), target + lengths[1]
            if (target if args.by_english else tokens) >= args.tokens:
                break
    facts = {"tokens": tokens, "both_sides": both, "target_side": target, "pieces": len(names), "sources": sources}
    write_json(args.out / FACTS, facts)


def cut_lines(path: Path, pieces: sentencepiece.SentencePieceProcessor) -> list[str]:
    """The lines of a file as pieces with spaces between them."""
    return [" ".join(line) for line in pieces.encode(read_lines(path), out_type=str)]


def tokens_of(line: str) -> int:
    """Tokens of a line of pieces, as fairseq counts them: the end symbol is one."""
    return line.count(" ") + 2


def weight(lengths: Sequence[int], temperature: float, by_tokens: bool) -> float:
    """The chance of drawing a pair of a language, up to a factor, by the lengths of its English sentences.

    By pairs, languages have pairs in proportion to pairs^(1/temperature). By tokens, they have tokens in proportion to
    tokens^(1/temperature), as our episodes do: so a language of short sentences is drawn more often.
    """
    if not by_tokens:
        return float(len(lengths) ** (1 / temperature))
    return float(sum(lengths) ** (1 / temperature) * len(lengths) / sum(lengths))


def sampled_pairs(sizes: dict[str, int], weight_of: dict[str, float]) -> Iterator[tuple[str, int]]:
    """Languages and rows without end: languages by weight, the rows of a language in a new order each time."""
    rng = np.random.default_rng(1)
    codes = list(sizes)
    weights = np.array([weight_of[code] for code in codes])
    orders: dict[str, list[int]] = {code: [] for code in codes}
    while True:
        for number in rng.choice(len(codes), 10_000, p=weights / weights.sum()):
            code = codes[number]
            if not orders[code]:
                orders[code] = rng.permutation(sizes[code]).tolist()
            yield code, orders[code].pop()


def updates(args: Namespace) -> None:
    """Print how many updates of fairseq-train read the training text once."""
    lengths = [np.array(list(map(tokens_of, read_lines(args.text / f"train.{side}")))) for side in SIDES]
    order = np.lexsort(lengths[::-1])  # fairseq sorts pairs by the source, and equal ones by the target
    longest = np.maximum(*lengths)[order]
    batches = batch_by_size(order, None, longest, args.batch, required_batch_size_multiple=MULTIPLE)
    print(len(batches))


def sample(args: Namespace) -> None:
    """Write a sample, the dev and the test set of a target, cut into pieces: OUT/train.x, OUT/train.en, ..."""
    folder = DataFolder(args.data)
    pieces = load(args.text / MODEL)
    cut = {
        f"{name}.{side}": [" ".join(line.split(" ")[:ROOM]) for line in cut_lines(path, pieces)]
        for name, split in (("train", args.sample), ("valid", "valid"), ("test", "test"))
        for side, path in zip(SIDES, folder.text(args.target).sides(split), strict=True)
    }
    args.out.mkdir(parents=True, exist_ok=True)
    for name, lines in cut.items():
        write_lines(args.out / name, lines)


def result(args: Namespace) -> None:
    """Write what meta-nmt-report reads, from the output of fairseq-generate."""
    folder = DataFolder(args.data)
    pieces = load(args.text / MODEL)
    args.out.mkdir(parents=True, exist_ok=True)
    hypotheses = [pieces.decode_pieces(line) for line in read_hypotheses(args.generated)]
    write_lines(args.out / "hypotheses.txt", [" ".join(line.split()) for line in hypotheses])
    for name, path in zip(("sources.txt", "references.txt"), folder.text(args.target).sides("test"), strict=True):
        write_lines(args.out / name, read_lines(path))
    record = {
        "system": args.system, "target": args.target, "english_tokens": args.english_tokens, "seed": args.seed,
        "strategy": "all" if args.english_tokens else "zero", "commands": [], "cost": cost.history(args.checkpoint),
        "checkpoint": str(args.checkpoint), "data": str(args.data),
    }  # fmt: skip
    record["commands"] = [entry["command"] for entry in record["cost"]]
    write_json(args.out / "result.json", record)


def parse_args(argv: Sequence[str] | None) -> Namespace:
    """The flags; SystemExit(2) with one line on bad usage."""
    parser = OneLineParser(prog="python -m recipes.peers.plain", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="work", required=True, parser_class=OneLineParser)
    whole, counted, cut, scored = (
        commands.add_parser(work.__name__, help=work.__doc__) for work in (text, updates, sample, result)
    )
    for command in (whole, cut, scored):
        command.add_argument("--data", type=Path, required=True, help="data folder of meta-nmt-preprocess")
        command.add_argument("--out", type=Path, required=True, help="folder to write to")
    whole.add_argument(
        "--tokens", type=int, required=True, help="tokens of the training text, the longer side of each pair"
    )
    whole.add_argument(
        "--by-english", action="store_true",
        help="count the English side instead, and let languages share tokens in place of pairs",
    )  # fmt: skip
    whole.add_argument(
        "--targets", type=lambda codes: codes.split(","), default=[],
        help="codes of those it is to read later, whose monolingual text the vocabulary knows (default: none)",
    )  # fmt: skip
    whole.add_argument(
        "--temperature", type=float, default=TEMPERATURE, help="of sampling languages (default: %(default)s)"
    )
    whole.add_argument("--pieces", type=int, default=PIECES, help="of the vocabulary (default: %(default)s)")
    whole.add_argument(
        "--byte-fallback", action="store_true", help="letters that the vocabulary lacks are spelled as bytes"
    )
    counted.add_argument("--batch", type=int, required=True, help="fairseq's --max-tokens")
    for command in (counted, cut, scored):
        command.add_argument("--text", type=Path, required=True, help="what `text` wrote")
    for command in (cut, scored):
        command.add_argument("--target", required=True, help="language code")
    cut.add_argument("--sample", required=True, help="name of the sample, such as train-16000-s1")
    scored.add_argument("--generated", type=Path, required=True, help="fairseq-generate's output")
    scored.add_argument("--system", required=True, help="name of the system in the report")
    scored.add_argument("--english-tokens", type=int, required=True, help="of the sample; 0 for zero-shot")
    scored.add_argument("--seed", type=int, required=True, help="of the sample")
    scored.add_argument("--checkpoint", type=Path, required=True, help="that translated; its folder has its cost")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """One of the four steps; returns the exit status."""
    args = parse_args(argv)
    {"text": text, "updates": updates, "sample": sample, "result": result}[args.work](args)
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main, prog="python -m recipes.peers.plain"))
