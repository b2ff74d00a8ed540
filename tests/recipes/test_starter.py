"""The text of the starter: only what may be given away, and nothing of the languages that it is tested on."""

import gzip
from pathlib import Path

import pytest

from data_prep.base.errors import InputError
from data_prep.corpora.manifest import read_manifest
from recipes.starter import corpora

HEAD = "| file | language | source path | translation | licence as quoted |\n| --- | --- | --- | --- | --- |\n"
FREE = "Public Domain"


@pytest.fixture
def packs(tmp_path: Path) -> Path:
    """Packs of one line a file; every third Bible may not be given away, for one reason or another."""
    place = tmp_path / "packs"
    licence_of = {"en": FREE, "de": FREE, "sl": FREE, "ko": FREE, "bg": "the repository has no licence file"}
    world = {"lit": FREE, "ceb": FREE, "nde": FREE, "csy": FREE, "hau": FREE, "acu": '"CC0" †', "ukr": FREE}
    for pack, bibles in (("bible", licence_of), ("bible-world", world)):
        rows = [f"| {code}.tsv.gz | L-{code} | there/{code} | T-{code} | {text} |" for code, text in bibles.items()]
        notes = "\n\n- ukr: the translator died in 1972, so not certain.\n"
        write(place / pack / "README.md", HEAD + "\n".join(rows) + notes)
        for code in bibles:
            write(place / pack / f"{code}.tsv.gz", "JHN.1.1\tword\n")
    for code in ("de", "tr", "lt", "bg", "sl"):
        write(place / "tatoeba" / f"{code}-en.tsv.gz", f"{code}\tword\n")
    for code in ("de", "en", "lv", "gl"):
        write(place / "gnome" / f"{code}.tsv.gz", "a.1\tword\n")
    for code in ("de", "en", "bg", "ga"):
        write(place / "ntrex" / f"{code}.tsv.gz", "a.1\tword\n")
    return place


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


def test_what_may_not_be_given_away_and_what_is_tested_is_left_out(packs: Path, tmp_path: Path) -> None:
    assert corpora.main(["--packs", str(packs), "--out", str(tmp_path / "out")]) == 0
    codes = (tmp_path / "out/sources.txt").read_text().strip().split(",")
    assert codes == ["bg_ntrex", "bg_tatoeba", "de", "de_ntrex", "de_tatoeba", "gl_gnome", "lit", "lit_tatoeba"]
    manifest = read_manifest(tmp_path / "out/manifest.yaml")
    everything = {entry.languages[0] for entry in manifest.corpora}
    assert everything == {*codes, *corpora.VALID}
    assert [entry.name for entry in manifest.of("de", "en")] == ["bible-de", "gnome-de"]
    assert [entry.split for entry in manifest.of("de_ntrex", "en")] == ["train"]
    assert {entry.licence for entry in manifest.corpora} == {FREE, "CC BY 2.0 FR", "CC BY-SA 3.0", "CC BY-SA 4.0"}


def test_vectors_come_from_all_text_of_a_language(packs: Path, tmp_path: Path) -> None:
    corpora.main(["--packs", str(packs), "--out", str(tmp_path / "out")])
    links = {path.name: path.resolve().relative_to(packs.resolve()) for path in (tmp_path / "out/mono").iterdir()}
    assert {name: str(path) for name, path in links.items()} == {
        "de_tatoeba.tsv.gz": "bible/de.tsv.gz",
        "de_ntrex.tsv.gz": "bible/de.tsv.gz",
        "de_ntrex-en.tsv.gz": "tatoeba/de-en.tsv.gz",
        "lit_tatoeba.tsv.gz": "bible-world/lit.tsv.gz",
        "bg_tatoeba.tsv.gz": "ntrex/bg.tsv.gz",
        "bg_ntrex-en.tsv.gz": "tatoeba/bg-en.tsv.gz",
    }


def test_every_text_is_attributed(packs: Path, tmp_path: Path) -> None:
    corpora.main(["--packs", str(packs), "--out", str(tmp_path / "out")])
    text = (tmp_path / "out/ATTRIBUTION.md").read_text("utf-8")
    manifest = read_manifest(tmp_path / "out/manifest.yaml")
    assert sum(line.startswith("| ") for line in text.splitlines()) == 1 + len(manifest.corpora)
    assert f"| de | L-de: T-de; there/de | {FREE} |" in text and "NTREX-128" in text and "acu" not in text


def test_a_readme_without_its_table_and_a_missing_pack_are_one_line(packs: Path, tmp_path: Path) -> None:
    flags = ["--packs", str(packs), "--out", str(tmp_path / "out")]
    (packs / "bible/README.md").write_text("nothing")
    with pytest.raises(InputError, match="must have a table of its files"):
        corpora.main(flags)
    (packs / "bible/README.md").unlink()
    with pytest.raises(InputError, match="must exist, but does not"):
        corpora.main(flags)
    assert not (tmp_path / "out").exists()
