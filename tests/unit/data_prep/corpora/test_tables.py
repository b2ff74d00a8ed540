"""Tables: only what is needed of a file is looked at, however it is written, and every fault has its place."""

import gzip
import json
from pathlib import Path

import pytest

from data_prep.base.errors import InputError
from data_prep.corpora import tables
from data_prep.corpora.corpus import find_corpus, read_corpus

LATE = {
    "changes its type": lambda row: {"note": None if row < 20 else "checked"},
    "appears": lambda row: {"note": "checked"} if row >= 20 else {},
    "is now a list": lambda row: {"note": {"a": 1} if row < 20 else [1, "b"]},
    "is a date, then none": lambda row: {"note": "2020-01-01" if row < 20 else "soon"},
    "is a huge number": lambda row: {"note": row if row < 20 else 1e400},
}


def rows_of(kind: str, path: Path, columns: tuple[str, ...] = ()) -> list[tables.Row]:
    return [row for batch in tables.local_rows(kind, path, ("yo", "en"), columns) for row in batch]


@pytest.mark.parametrize("late", LATE.values(), ids=LATE)
@pytest.mark.parametrize("form", ["lines", "list", "translation"])
def test_a_field_that_nobody_reads_may_be_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, late
) -> None:
    monkeypatch.setattr(tables, "BATCH", 7)
    monkeypatch.setattr(tables, "BLOCK", 50)
    pairs = [(f"ile {row}", f"house {row}") for row in range(30)]
    rows = [dict(zip(("yo", "en"), pair, strict=True)) for pair in pairs]
    if form == "translation":
        rows = [{"translation": row} for row in rows]
    rows = [late(number) | row for number, row in enumerate(rows)]
    text = json.dumps(rows, indent=2) if form == "list" else "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "yo-en.json").write_text(text)
    assert rows_of("json", tmp_path / "yo-en.json") == pairs


def test_a_needed_field_may_come_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "BATCH", 2)
    lines = [{"en": "a"}] * 5 + [{"yo": "x", "en": "b"}]
    (tmp_path / "yo-en.jsonl").write_text("\n\n".join(map(json.dumps, lines)))
    assert rows_of("json", tmp_path / "yo-en.jsonl") == [(None, "a")] * 5 + [("x", "b")], "blank lines are no rows"


def test_only_needed_columns_of_parquet_and_csv_are_read(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.table({"yo": ["x"], "image": [b"\xff\xfe"], "en": ["y"], "size": [[1, 2]]})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    assert rows_of("parquet", tmp_path / "a.parquet") == [("x", "y")]
    assert rows_of("parquet", tmp_path / "a.parquet", ("en", "yo")) == [("y", "x")], "named columns"
    with pytest.raises(InputError, match="but has yo, image, en, size"):
        rows_of("parquet", tmp_path / "a.parquet", ("yo", "english"))
    (tmp_path / "a.csv").write_text('id,yo,en,note\n1,x,"y\n""z""",\n\n2,only\n')
    assert rows_of("csv", tmp_path / "a.csv") == [("x", 'y\n"z"'), (None, None), ("only", None)]


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize(
    "name, text, expected",
    [
        ("yo-en.jsonl", '{"yo": "a", "en": "b"}\n\n{"yo": "a"', "line 3: cannot be read as JSON"),
        ("yo-en.jsonl", '["a", "b"]\n', "row 1: must be a JSON object, but is str"),
        ("yo-en.jsonl", '{"yo": 1, "en": "b"}\n["a", "b"]\n', "line 2: must be a JSON object, but is list"),
        ("yo-en.jsonl", '{"yo": "a", "en": 12}\n', "row 1: must be text, but is int"),
        ("yo-en.jsonl", '{"yo": "a", "n": ' + "9" * 5000 + "}\n", "line 1: cannot be read as JSON: Exceeds the limit"),
        ("yo-en.jsonl", '{"yo": ' + "[" * 100_000 + "\n", "line 1: cannot be read as JSON: nested too deeply"),
        ("yo-en.json", '[{"yo": "a", "en": "b"}, {"yo"', "row 2: cannot be read as JSON"),
        ("yo-en.json", '[{"yo": "a", "en": "b"}', "row 2: cannot be read as JSON"),
        ("yo-en.json", '[{"yo": "a", "en": "b"}, 3]', "row 2: must be a JSON object, but is int"),
        ("yo-en.json", '[{"yo": "a", "en": "b"}] []', "must be a JSON list alone"),
        ("yo-en.json", "[" * 100_000, "row 1: cannot be read as JSON: nested too deeply"),
        ("yo-en.json", "[]", "none of 0 rows has both"),
        ("yo-en.jsonl", '{"id": 1, "yor": "a", "eng": "b"}\n', "none of 1 rows has both; the file has eng, id, yor"),
        ("yo-en.jsonl", '{"translation": {"yor": "a"}}\n', "the file has translation, translation.yor"),
        ("yo-en.csv", "yo,id,de\na,1,b\n", "but has yo, id, de"),
        ("yo-en.csv", 'yo,en\na,b\nc,"d" e\n', "line 3: cannot be read as CSV"),
        ("yo-en.csv", "yo,en\na,b\nc,d,e\n", "row 2: must have 2 fields"),
        ("yo-en.csv", 'yo,en\na,"b\n', "cannot be read as CSV"),
    ],
)
def test_every_fault_has_its_place(tmp_path: Path, name: str, text: str, expected: str, packed: bool) -> None:
    path = tmp_path / (name + ".gz" * packed)
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    with pytest.raises(InputError) as refused:
        read_corpus(find_corpus(tmp_path, "yo"))
    assert str(path) in str(refused.value) and expected in str(refused.value), refused.value


def test_no_row_is_endless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "LONGEST_LINE", 1000)
    monkeypatch.setattr(tables, "BLOCK", 100)
    for text in ('"' + "a\n" * 2000, "".join(f'"\n{row}",' for row in range(500))):
        (tmp_path / "a.csv").write_text("yo,en\n" + text)
        with pytest.raises(InputError, match="cannot be read as CSV|at most 1000 characters"):
            rows_of("csv", tmp_path / "a.csv")
    (tmp_path / "a.json").write_text('[{"yo": "' + "a" * 9000)
    with pytest.raises(InputError, match="row 1: cannot be read"):
        rows_of("json", tmp_path / "a.json")


def test_long_texts_do_not_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "BATCH", 4)
    monkeypatch.setattr(tables, "BATCH_CHARACTERS", 100)
    rows: list[tables.Row] = [("a", "b")] * 6 + [("a" * 99, "b"), (None, "b" * 100), ("a", None)]
    batches = list(tables.in_batches(rows))
    assert [len(batch) for batch in batches] == [4, 3, 1, 1] and sum(batches, []) == rows
