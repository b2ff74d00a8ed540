"""A damaged data folder: dictionaries, binarised text, vectors and keys, SentencePiece models, records."""

from __future__ import annotations

import io
import json
import pickle
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from arguments import arguments

from campaign.bad_input import HANDLED, PROOF, REFUSED, Case, Materials, replace
from campaign.runs import adapt_flags, train_flags

TRAIN, ADAPT, GENERATE, TRANSLATE, AUDIT, REPORT = (
    "meta_nmt.cli.train", "meta_nmt.cli.adapt", "meta_nmt.cli.generate", "meta_nmt.cli.translate",
    "data_prep.base.stage_records", "meta_nmt.cli.report",
)  # fmt: skip
Change = Callable[[bytes], bytes]
HEADER = struct.Struct("<9sQBQ")  # magic, version, type of the ids, number of sentences


def training(name: str, change: Change | None) -> Callable[[Path, Materials], list[str]]:
    """Training on a data folder with one file changed, or removed."""

    def argv(folder: Path, materials: Materials) -> list[str]:
        data = damaged(folder, materials, name, change)
        return train_flags(data, folder / "save", "--max-update 2 --disable-validation")

    return argv


def adapting(name: str, change: Change | None) -> Callable[[Path, Materials], list[str]]:
    def argv(folder: Path, materials: Materials) -> list[str]:
        data = damaged(folder, materials, name, change)
        return adapt_flags(data, materials.checkpoint, folder / "save", "--max-update 2")

    return argv


def damaged(folder: Path, materials: Materials, name: str, change: Change | None) -> Path:
    data = materials.own_data(folder)
    content = (data / name).read_bytes()
    (data / name).unlink()
    if change is not None:
        replace(data / name, change(content))
    return data


def constant(content: bytes) -> Change:
    return lambda _: content


def dictionaries() -> Iterator[Case]:
    changes: dict[str, Change | None] = {
        "missing": None,
        "empty": constant(b""),
        "invalid UTF-8": lambda b: b"\xff\xfe 3\n" + b,
        "UTF-16": lambda b: b.decode().encode("utf-16"),
        "no counts": lambda b: b"\n".join(line.split(b" ")[0] for line in b.splitlines()) + b"\n",
        "a count that is text": lambda b: b.replace(b" 1\n", b" one\n", 1),
        "a count that is a fraction": lambda b: b.replace(b" 1\n", b" 1.5\n", 1),
        "an empty line": lambda b: b"\n" + b,
        "a line twice": lambda b: b.splitlines(keepends=True)[0] + b,
        "a line less": lambda b: b"".join(b.splitlines(keepends=True)[1:]),
        "a line more": lambda b: b + b"more 1\n",
        "one line only": lambda b: b.splitlines(keepends=True)[0],
        "special symbols again": lambda b: b"<pad> 1\n" + b,
        "NUL bytes": lambda b: b"\0" * len(b),
        "binary": constant(bytes(range(256)) * 4),
        "cut in a line": lambda b: b[:-3],
        "JSON": constant(b'{"a": 1}\n'),
    }
    for lang in ("bb", "en"):
        for name, change in changes.items():
            # one more English piece than the text uses is as if the text had been longer
            status = HANDLED if (lang, name) == ("en", "a line more") else REFUSED
            case = training(f"lang/{lang}/dict.txt", change)
            yield Case("dictionaries", f"{lang}: {name}", TRAIN, case, (lang,), status)
    for name in ("missing", "empty", "no counts", "a line less", "one line only"):
        yield Case("dictionaries", f"adapt: {name}", ADAPT, adapting("lang/dd/dict.txt", changes[name]), ("dd",))


def index(change: Callable[[list[int], np.ndarray, np.ndarray], None]) -> Change:
    """A change of an index: head (version, type, count), sizes and pointers, as they are in the file."""

    def apply(content: bytes) -> bytes:
        magic, version, kind, count = HEADER.unpack(content[: HEADER.size])
        sizes = np.frombuffer(content, np.int32, count, HEADER.size).copy()
        pointers = np.frombuffer(content, np.int64, count, HEADER.size + 4 * count).copy()
        head = [version, kind, count]
        change(head, sizes, pointers)
        return HEADER.pack(magic, *head) + sizes.tobytes() + pointers.tobytes()

    return apply


def set_item(which: int, where: object, value: int) -> Change:
    def change(*parts: list[int] | np.ndarray) -> None:
        parts[which][where] = value  # type: ignore[index]

    return index(change)


def swap_first(head: list[int], sizes: np.ndarray, pointers: np.ndarray) -> None:
    sizes[0], sizes[1] = sizes[0] + 1, sizes[1] - 1


def binaries() -> Iterator[Case]:
    for side in ("bb", "en"):
        stem = f"train.bb-en.{side}"
        changes: dict[str, dict[str, Change | None]] = {
            "idx": {
                "missing": None,
                "empty": constant(b""),
                "cut in the header": lambda b: b[:20],
                "cut in the sizes": lambda b: b[:100],
                "cut by a byte": lambda b: b[:-1],
                "longer": lambda b: b + bytes(8),
                "another magic": lambda b: b"TNTIDX\0\0\0" + b[9:],
                "another version": set_item(0, 0, 7),
                "an unknown type": set_item(0, 1, 99),
                "another type": set_item(0, 1, 6),
                "no sentences": set_item(0, 2, 0),
                "more sentences": set_item(0, 2, 10**9),
                "beyond all sentences": set_item(0, 2, 2**63),
                "a negative size": set_item(1, 0, -5),
                "a huge size": set_item(1, 0, 2**31 - 1),
                "an empty sentence": set_item(1, 0, 0),
                "sizes that are others": index(swap_first),
                "a pointer outside": set_item(2, 3, 10**12),
                "a negative pointer": set_item(2, 3, -8),
                "pointers all the same": set_item(2, slice(None), 0),
                "text": constant(b"not an index\n" * 50),
            },
            "bin": {
                "missing": None,
                "empty": constant(b""),
                "cut short": lambda b: b[: len(b) // 2],
                "cut by a byte": lambda b: b[:-1],
                "longer": lambda b: b + bytes(2),
                "ids outside the dictionary": lambda b: b"\xff\x7f" * (len(b) // 2),
                "some ids outside": lambda b: b"".join(
                    b"\xff\x7f" if i % 20 == 0 else b[i : i + 2] for i in range(0, len(b), 2)
                ),
            },
        }
        for suffix, by_name in changes.items():
            for name, change in by_name.items():
                case = training(f"bin/{stem}.{suffix}", change)
                yield Case("binarised text", f"{side}.{suffix}: {name}", TRAIN, case, ("train.bb-en",))

    def unequal(folder: Path, materials: Materials) -> list[str]:
        data = materials.own_data(folder)
        for suffix in ("idx", "bin"):
            other = (data / f"bin/valid.cc-en.en.{suffix}").read_bytes()
            replace(data / f"bin/train.bb-en.en.{suffix}", other)
        return train_flags(data, folder / "save")

    yield Case("binarised text", "sides of other lengths", TRAIN, unequal, ("train.bb-en", "as many lines"))
    for suffix, change in (("bin", lambda b: b"\xff\x7f" * (len(b) // 2)), ("idx", set_item(2, 3, 10**12))):
        name = f"bin/train-300-s1.dd-en.dd.{suffix}"
        yield Case("binarised text", f"adapt: {suffix}", ADAPT, adapting(name, change), ("train-300-s1.dd-en",))


class Hidden:
    """Makes the file that proves that code was run, when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        import os

        return os.system, (f"touch {PROOF}",)


def array(change: Callable[[np.ndarray], np.ndarray]) -> Change:
    def apply(content: bytes) -> bytes:
        packed = io.BytesIO()
        np.save(packed, change(np.load(io.BytesIO(content))), allow_pickle=True)
        return packed.getvalue()

    return apply


def with_value(value: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(rows: np.ndarray) -> np.ndarray:
        rows[5:, 0] = value
        return rows

    return change


def npy_header(text: str) -> Change:
    return lambda b: b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text) + 1) + text.encode() + b"\n" + b[128:]


def tables() -> Iterator[Case]:
    changes: dict[str, Change | None] = {
        "missing": None,
        "empty": constant(b""),
        "cut in the header": lambda b: b[:50],
        "cut in the rows": lambda b: b[:500],
        "text": constant(b"1 2 3\n"),
        "a pickle": constant(pickle.dumps(Hidden())),
        "pickled objects": array(lambda a: np.array([Hidden()], dtype=object)),
        "pickled objects in a matrix": array(lambda a: np.array([[Hidden()] * a.shape[1]] * len(a), dtype=object)),
        "several arrays": lambda b: (lambda f: (np.savez(f, a=np.zeros(3)), f.getvalue())[1])(io.BytesIO()),
        "double precision": array(lambda a: a.astype(np.float64)),
        "integers": array(lambda a: a.astype(np.int32)),
        "text for numbers": array(lambda a: a.astype("U8")),
        "one dimension": array(lambda a: a.ravel()),
        "three dimensions": array(lambda a: a[None]),
        "a row less": array(lambda a: a[:-1]),
        "no rows": array(lambda a: a[:0]),
        "no columns": array(lambda a: a[:, :0]),
        "a column less": array(lambda a: np.ascontiguousarray(a[:, :-1])),
        "not a number": array(with_value(float("nan"))),
        "infinite": array(with_value(float("inf"))),
        "a header with code": npy_header(f"__import__('os').system('touch {PROOF}')"),
        "a header that nests": npy_header("(" * 500 + ")" * 500),
        "a header that lies": npy_header("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 16)}"),
    }
    for name, change in changes.items():
        if name != "a row less":
            path = "universal/keys.npy"
            yield Case("ULR tables", f"keys: {name}", TRAIN, training(path, change), ("npy",))
        path = "lang/bb/vectors.npy"
        yield Case("ULR tables", f"vectors: {name}", TRAIN, training(path, change), ("bb", "npy"))
    for name in ("missing", "pickled objects", "not a number", "a row less"):
        yield Case("ULR tables", f"adapt: {name}", ADAPT, adapting("lang/dd/vectors.npy", changes[name]), ("npy",))
    fortran = array(np.asfortranarray)
    yield Case("ULR tables", "column by column", TRAIN, training("lang/bb/vectors.npy", fortran), (), HANDLED)


def records() -> Iterator[Case]:
    texts = {
        "missing": None,
        "empty": b"",
        "cut short": b'{"languages": {"aa"',
        "a list": b"[]",
        "null": b"null",
        "invalid UTF-8": b'{"languages": "\xff"}',
        "languages is a list": b'{"languages": []}',
        "a language without a role": b'{"languages": {"aa": {}}}',
        "a role that is a number": b'{"target_lang": "en", "languages": {"aa": {"role": 3}, "bb": {"role": "source"}}}',
        "nests deeply": b"[" * 100_000,
    }
    for name, text in texts.items():
        change = None if text is None else constant(text)
        yield Case("records", f"data.json: {name}", TRAIN, training("data.json", change), ("aa",) if b"3}" in (
            text or b"") else ("data.json",))  # fmt: skip

    def cost(text: bytes) -> Callable[[Path, Materials], list[str]]:
        def argv(folder: Path, materials: Materials) -> list[str]:
            replace(folder / "save/cost.jsonl", text)
            return train_flags(materials.data, folder / "save", "--max-update 1 --disable-validation")

        return argv

    for name, text in (("cut short", b'{"command": "a", "ki'), ("text", b"hello\n"), ("binary", b"\xff\xfe\0")):
        yield Case("records", f"cost.jsonl: {name}", TRAIN, cost(text), ("cost.jsonl",))

    def result(text: bytes) -> Callable[[Path, Materials], list[str]]:
        def argv(folder: Path, materials: Materials) -> list[str]:
            replace(folder / "results/a/result.json", text)
            return arguments("{folder}/results --out {folder}/report", folder=folder)

        return argv

    for name, text in (("empty", b""), ("a list", b"[]"), ("no fields", b"{}"), ("invalid UTF-8", b"\xff"),
                       ("nests deeply", b"[" * 100_000)):  # fmt: skip
        yield Case("records", f"result.json: {name}", REPORT, result(text), ("result.json",))

    def stage(text: bytes) -> Callable[[Path, Materials], list[str]]:
        def argv(folder: Path, materials: Materials) -> list[str]:
            replace(folder / "data/a.stage.json", text)
            return [str(folder / "data")]

        return argv

    for name, text in (("empty", b""), ("no JSON", b"{"), ("unfinished", b'{"unfinished": []}'), ("a list", b"[]"),
                       ("outputs missing", json.dumps({"outputs": {"b": "0" * 64}}).encode()),
                       ("outputs is text", b'{"outputs": "b"}')):  # fmt: skip
        word = "data/b" if "missing" in name else "a.stage.json"
        yield Case("records", f"stage.json: {name}", AUDIT, stage(text), (word,))


def sentencepiece() -> Iterator[Case]:
    def translating(lang: str, change: Change | None) -> Callable[[Path, Materials], list[str]]:
        def argv(folder: Path, materials: Materials) -> list[str]:
            data = damaged(folder, materials, f"lang/{lang}/spm.model", change)
            replace(folder / "text", b"ddwaa\n")
            paths = data, materials.checkpoint, folder
            return arguments("{} --path {} --source-lang dd --input {}/text --beam 1", *paths)

        return argv

    changes: dict[str, Change | None] = {
        "missing": None,
        "empty": constant(b""),
        "text": constant(b"hello\n"),
        "cut short": lambda b: b[: len(b) // 2],
        "zeros": lambda b: bytes(len(b)),
    }
    for name, change in changes.items():
        for lang in ("dd", "en"):
            yield Case(
                "SentencePiece models", f"{lang}: {name}", TRANSLATE, translating(lang, change), (f"lang/{lang}",)
            )


def cases() -> Iterator[Case]:
    yield from dictionaries()
    yield from binaries()
    yield from tables()
    yield from records()
    yield from sentencepiece()
