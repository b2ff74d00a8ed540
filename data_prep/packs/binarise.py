"""Binarised data: fairseq's own binariser over SentencePiece-cut text, in fairseq's mmap format."""

from collections.abc import Sequence
from pathlib import Path

import sentencepiece

from data_prep.base.command_line import OneLineParser, run_command
from data_prep.base.data_folder import PackFolder
from data_prep.base.errors import InputError
from data_prep.base.fairseq_loading import fairseq_loading
from data_prep.base.files import partial_folder
from data_prep.packs.subwords import load


def binarise(text_file: Path, pack: PackFolder, prefix: Path) -> int:
    """Write ``prefix``.bin and .idx from a text file, cut by the pack's SentencePiece model.

    Returns the number of sentences. Atomic: the files are made in a temporary folder beside the target, then moved.
    """
    with fairseq_loading():
        from fairseq.binarizer import FileBinarizer, VocabularyDatasetBinarizer  # slow to import: only where used
        from fairseq.data import Dictionary

    model = load(pack.model)
    dictionary = Dictionary.load(str(pack.dictionary))
    _check_match(model, dictionary, pack)
    binariser = VocabularyDatasetBinarizer(
        dictionary, tokenize=lambda line: model.encode(line.rstrip("\n"), out_type=str)
    )
    prefix.parent.mkdir(parents=True, exist_ok=True)
    with partial_folder(prefix.parent, prefix.name) as folder:
        temporary_prefix = folder / prefix.name
        summary = FileBinarizer.multiprocess_dataset(
            str(text_file), "mmap", binariser, str(temporary_prefix), vocab_size=len(dictionary), num_workers=1
        )
        for suffix in (".bin", ".idx"):
            Path(f"{temporary_prefix}{suffix}").replace(f"{prefix}{suffix}")
    return summary.num_seq


def _check_match(model: sentencepiece.SentencePieceProcessor, dictionary: object, pack: PackFolder) -> None:
    absent = [
        model.id_to_piece(index)
        for index in range(model.get_piece_size())
        if not (model.is_control(index) or model.is_unknown(index)) and model.id_to_piece(index) not in dictionary  # type: ignore[operator]
    ]
    if absent:
        raise InputError(f"{pack.dictionary}: must hold every piece of {pack.model.name}, but {absent[0]!r} is absent")


def main(argv: Sequence[str] | None = None) -> int:
    """Binarise one text file with a language pack."""
    parser = OneLineParser(prog="python -m data_prep binarise", description=main.__doc__)
    parser.add_argument("--text", type=Path, required=True, metavar="FILE", help="clean plain text, a sentence a line")
    parser.add_argument(
        "--pack", type=Path, required=True, metavar="DIR", help="language pack with spm.model and dict.txt"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="PREFIX", help="e.g. DATA/bin/train.ro-en.ro")
    args = parser.parse_args(argv)
    if not args.text.is_file():
        raise InputError(f"{args.text}: file is missing")
    print(f"{args.out}: {binarise(args.text, PackFolder(args.pack), args.out)} sentences")
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main, prog="python -m data_prep binarise"))
