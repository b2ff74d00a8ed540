"""The text of the starter: only what may be given away, and nothing of the languages that it is tested on."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from run_recipe import run

from data_prep.base.errors import InputError
from data_prep.corpora.manifest import read_manifest
from recipes.starter import corpora, scores

COLUMNS = ["file", "language", "verses (all are in en)", "source path", "translation", "licence as quoted"]
WORLD_COLUMNS = [*COLUMNS[:2], "family", "script", *COLUMNS[2:]]
FREE = "Public Domain"


@pytest.fixture
def packs(tmp_path: Path) -> Path:
    """Packs of one line a file; every third Bible may not be given away, for one reason or another."""
    place = tmp_path / "packs"
    licence_of = {"en": FREE, "de": FREE, "sl": FREE, "ko": FREE, "bg": "the repository has no licence file"}
    world = {"lit": FREE, "ceb": FREE, "nde": FREE, "csy": FREE, "hau": FREE, "acu": '"CC0" †', "ukr": FREE}
    for pack, bibles, columns in (("bible", licence_of, COLUMNS), ("bible-world", world, WORLD_COLUMNS)):
        rows = [
            [f"{code}.tsv.gz", f"L-{code}", f"F-{code}, branch", "Latin", "7,900", f"there/{code}", f"T-{code}", text]
            for code, text in bibles.items()
        ]
        write_table(place / pack / "README.md", columns, rows)
        for code in bibles:
            write(place / pack / f"{code}.tsv.gz", "JHN.1.1\tword\n")
    for code in ("de", "tr", "lt", "bg", "sl"):
        write(place / "tatoeba" / f"{code}-en.tsv.gz", f"{code}\tword\n")
    for code in ("de", "en", "lv", "gl"):
        write(place / "gnome" / f"{code}.tsv.gz", "a.1\tword\n")
    for code in ("de", "en", "bg", "ga", "lt"):
        write(place / "ntrex" / f"{code}.tsv.gz", "a.1\tword\n")
    return place


def write_table(path: Path, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A README with the columns of the rows that ``columns`` names, out of those of WORLD_COLUMNS."""
    cells = [columns, ["---"] * len(columns)]
    cells += [[cell for name, cell in zip(WORLD_COLUMNS, row, strict=True) if name in columns] for row in rows]
    table = "\n".join(f"| {' | '.join(row)} |" for row in cells)
    write(path, f"{table}\n\n- ukr: the translator died in 1972, so not certain.\n")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


def test_what_may_not_be_given_away_and_what_is_tested_is_left_out(packs: Path, tmp_path: Path) -> None:
    assert corpora.main(["--packs", str(packs), "--out", str(tmp_path / "out")]) == 0
    codes = (tmp_path / "out/sources.txt").read_text().strip().split(",")
    assert codes == ["bg_ntrex", "bg_tatoeba", "de", "de_tatoeba", "gl_gnome", "lit", "lit_tatoeba"]
    manifest = read_manifest(tmp_path / "out/manifest.yaml")
    everything = {entry.languages[0] for entry in manifest.corpora}
    assert everything == {*codes, *corpora.VALID}
    assert [entry.name for entry in manifest.of("de", "en")] == ["bible-de", "gnome-de"]
    assert [entry.split for entry in manifest.of("bg_ntrex", "en")] == ["train"]
    assert {entry.licence for entry in manifest.corpora} == {FREE, "CC BY 2.0 FR", "CC BY-SA 3.0", "CC BY-SA 4.0"}


def test_vectors_come_from_all_text_of_a_language(packs: Path, tmp_path: Path) -> None:
    corpora.main(["--packs", str(packs), "--out", str(tmp_path / "out")])
    links = {path.name: path.resolve().relative_to(packs.resolve()) for path in (tmp_path / "out/mono").iterdir()}
    assert {name: str(path) for name, path in links.items()} == {
        "de_tatoeba.tsv.gz": "bible/de.tsv.gz",
        "lit_tatoeba.tsv.gz": "bible-world/lit.tsv.gz",
        "bg_tatoeba.tsv.gz": "ntrex/bg.tsv.gz",
        "bg_ntrex-en.tsv.gz": "tatoeba/bg-en.tsv.gz",
    }


def test_a_short_bible_stays_where_its_family_has_no_long_one_or_its_language_other_text() -> None:
    def bible(code: str, verses: int, family: str, script: str = "Latin") -> corpora.Bible:
        return corpora.Bible(Path(code), code, code, FREE, verses, family, script)

    bibles = [
        *(bible("vie", 31_000, "A"), bible("cmn", 30_000, "A"), bible("kha", 7_900, "A"), bible("et", 7_800, "A")),
        *(bible("juy", 7_800, "A", "Odia"), bible("unx", 7_700, "A", "Odia")),
        *(bible("quc", 7_900, "B"), bible("cak", 7_900, "B")),
    ]
    of_code = {work.lang: work for work in bibles}
    assert list(corpora.chosen(of_code, {"et"})) == ["vie", "cmn", "et", "juy", "cak"], "of equals, the first code"


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


def test_scores_are_means_over_samples(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head = "system,target,english_tokens,strategy,seed,bleu,chrf,hypotheses,references,chrf++"
    cells = [("starter", "ha", 600, 1, 6), ("starter", "ha", 600, 2, 8), ("starter", "ha", 2000, 1, 11),
             ("starter", "zh-hans", 600, 1, 2), ("scratch", "ha", 600, 1, 1)]  # fmt: skip
    report, out = tmp_path / "report.csv", tmp_path / "scores.json"
    lines = [
        f"{system},{lang},9,all,{seed},{bleu},0,../results/{lang}-{pairs}-s{seed}-{system}/hypotheses.txt,x,{10 * bleu}"
        for system, lang, pairs, seed, bleu in cells
    ]
    report.write_text("\n".join([head, *lines]))
    assert scores.main([str(report), "--out", str(out)]) == 0
    rows = {(row["language"], row["pairs"], row["system"]): row for row in json.loads(out.read_text())}
    assert rows["ha", 600, "starter"]["bleu"] == 7 and rows["ha", 600, "starter"]["samples"] == 2
    assert rows["ha", 600, "scratch"]["chrf++"] == 10 and len(rows) == 4
    assert "600 pairs, starter: BLEU 4.50, chrF2++ 45.00, mean of 2 languages" in capsys.readouterr().out
    report.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="recipes/starter_scores.sh"):
        scores.main([str(report), "--out", str(out)])


def test_the_recipe_goes_on_from_a_starter(tmp_path: Path) -> None:
    recipe, given = Path("recipes/starter.sh"), {"PACKS": str(tmp_path), "OUTPUTS": str(tmp_path / "outputs")}
    starts = [
        [line for line in run(recipe, tmp_path, DRY_RUN="1", **given, **start).stdout.splitlines() if "/base " in line]
        for start in ({}, {"START": "my.pt"})
    ]
    assert ["--finetune-from-model my.pt" in line for (line,) in starts] == [False, True]
    done = run(recipe, tmp_path, INSTALL="0", START="my.pt", **given)
    assert done.returncode == 2 and "my.pt does not exist" in done.stderr and done.stderr.count("\n") == 1, done.stderr
