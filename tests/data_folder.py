"""A data folder like meta-nmt-preprocess makes, small and written directly: for tests of what reads it.

The "languages" write an English sentence with other words in reversed order, so there is something to learn.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import sentencepiece
import torch
from arguments import arguments
from fairseq.data import Dictionary, indexed_dataset

WORDS = [f"w{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(60)]


def _dictionary(words: list[str]) -> Dictionary:
    dictionary = Dictionary()
    for word in words:
        dictionary.add_symbol("▁" + word)
    dictionary.finalize(padding_factor=1)
    return dictionary


def _write_side(prefix: Path, dictionary: Dictionary, lines: list[list[str]]) -> None:
    builder = indexed_dataset.make_builder(f"{prefix}.bin", impl="mmap", vocab_size=len(dictionary))
    for words in lines:
        ids = [dictionary.index("▁" + word) for word in words] + [dictionary.eos()]
        builder.add_item(torch.IntTensor(ids))
    builder.finalize(f"{prefix}.idx")


def make_data_folder(
    root: Path, roles: dict[str, str], lines: int = 120, width: int = 16, seed: int = 0, test_lines: int = 20
) -> Path:
    """roles: code -> source, valid or target. Returns the folder."""
    rng = np.random.default_rng(seed)
    data = root / "data"
    for folder in ("bin", "universal", "lang/en", *(f"lang/{code}" for code in roles)):
        (data / folder).mkdir(parents=True)
    vectors = rng.standard_normal((len(WORDS), width)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    english = _dictionary(WORDS)
    english.save(str(data / "lang/en/dict.txt"))
    np.save(data / "universal/keys.npy", vectors[[WORDS.index(s[1:]) for s in english.symbols[4:]]])
    english_rows = [vectors[WORDS.index(s[1:])] if s[1:] in WORDS else np.zeros(width) for s in english.symbols]
    np.save(data / "lang/en/vectors.npy", np.array(english_rows, dtype=np.float32))
    (data / "universal/tokens.txt").write_text("".join(f"{s}\n" for s in english.symbols[4:]), encoding="utf-8")
    record = {"format": 1, "target_lang": "en", "languages": {}, "options": {}, "versions": {}}
    for code, role in roles.items():
        foreign = {word: f"{code}{word}" for word in WORDS}
        dictionary = _dictionary(list(foreign.values()))
        dictionary.save(str(data / f"lang/{code}/dict.txt"))
        noisy = vectors + 0.1 * rng.standard_normal(vectors.shape).astype(np.float32)
        noisy /= np.linalg.norm(noisy, axis=1, keepdims=True)
        by_symbol = {"▁" + foreign[word]: noisy[i] for i, word in enumerate(WORDS)}
        rows = [by_symbol.get(symbol, np.zeros(width)) for symbol in dictionary.symbols]
        np.save(data / f"lang/{code}/vectors.npy", np.array(rows, dtype=np.float32))
        splits = {"train": lines}
        if role != "source":
            splits["valid"] = 20
        if role == "target":
            splits |= {"train-300-s1": 40, "test": test_lines}
        for split, count in splits.items():
            sentences = [list(rng.choice(WORDS, rng.integers(3, 10))) for _ in range(count)]
            stem = data / "bin" / f"{split}.{code}-en"
            _write_side(Path(f"{stem}.{code}"), dictionary, [[foreign[w] for w in s[::-1]] for s in sentences])
            _write_side(Path(f"{stem}.en"), english, sentences)
            text = data / "text" / f"{code}-en"
            text.mkdir(parents=True, exist_ok=True)
            (text / f"{split}.en").write_text("".join(" ".join(s) + "\n" for s in sentences), encoding="utf-8")
            (text / f"{split}.{code}").write_text(
                "".join(" ".join(foreign[w] for w in s[::-1]) + "\n" for s in sentences), encoding="utf-8"
            )
        record["languages"][code] = {"role": role}
        _sentencepiece(data / f"lang/{code}/spm.model", list(foreign.values()))
    _sentencepiece(data / "lang/en/spm.model", WORDS)
    (data / "data.json").write_text(json.dumps(record), encoding="utf-8")
    return data


def _sentencepiece(path: Path, words: list[str]) -> None:
    """A model whose pieces are the words themselves (and the characters they consist of)."""
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([" ".join(words)] * 50),
        model_prefix=str(path.with_suffix("")),
        model_type="word",
        vocab_size=len(words) + 3,
        hard_vocab_limit=False,
        minloglevel=2,
    )


TINY = arguments(
    "--arch ulr_transformer_tiny --encoder-layers 1 --decoder-layers 1 --encoder-embed-dim 64 --decoder-embed-dim 64"
)


def make_meta(data: Path, save: Path) -> Path:
    """A checkpoint jointly trained for a few updates on aa and bb: it knows little."""
    from meta_nmt.cli import train

    argv = arguments(
        "{} --save-dir {} --source-langs aa,bb --valid-langs cc --meta-learner joint --support-tokens 300 "
        "--query-tokens 300 --max-update 20 --lr 3e-3 --warmup-updates 5 --num-workers 0",
        *(data, save),
    )
    assert train.main([*argv, *TINY]) == 0
    return save / "checkpoint_best.pt"


def make_adapted(data: Path, meta: Path, save: Path, updates: int = 60, seed: int = 1) -> Path:
    """That checkpoint adapted to dd, all of it: its translations differ from line to line."""
    from meta_nmt.cli import adapt

    argv = arguments(
        "{} --checkpoint {} --source-lang dd --train-subset train --strategy all --save-dir {} --max-update {} "
        "--seed {} --lr-scheduler fixed --lr 3e-3 --save-interval-updates 30 --num-workers 0 "
        "--max-tokens 2000",  # enough for its translations to come to an end
        *(data, meta, save, updates, seed),
    )
    assert adapt.main(argv) == 0
    return save / "checkpoint_best.pt"
