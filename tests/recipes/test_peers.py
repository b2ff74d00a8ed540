"""The plain peer's recipe: its text, what its runs cost, and the comparison with ours."""

import json
import shlex
from pathlib import Path

import pytest

from data_prep.base.command_line import run_command
from data_prep.base.text_files import read_lines
from data_prep.packs.subwords import load
from data_prep.synthetic.family import main as make_corpora
from meta_nmt.cli import preprocess
from meta_nmt.report import results
from meta_nmt.runs import cost
from recipes.peers import compare, measured, plain


def test_the_text_of_the_peer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One vocabulary for all languages; translations become the report's texts, in the order of the test set."""
    corpora, data, text, cut = (tmp_path / name for name in ("corpora", "data", "text", "cut"))
    assert make_corpora(["--out", str(corpora), "--languages", "qaa,qab,qbx", "--sentences", "200",
                         "--mono-sentences", "100"]) == 0  # fmt: skip
    prepare = f"--out {data} --corpus {corpora} --mono {corpora}/mono --dictionaries {corpora}/dict "
    prepare += "--source-langs qaa,qab --target-langs qbx --vocab-size 120 --universal-tokens 60 --vector-dim 8 "
    prepare += "--english-tokens 400 "
    assert preprocess.main(shlex.split(prepare + "--sample-seeds 1 --workers 1")) == 0
    assert plain.main(shlex.split(f"text --data {data} --targets qbx --out {text} --tokens 3000 --pieces 200")) == 0
    facts = json.loads((text / "text.json").read_text("utf-8"))
    sides = [read_lines(text / f"train.{side}") for side in plain.SIDES]
    lengths = [[len(line.split()) + 1 for line in side] for side in sides]
    longest = [max(pair) for pair in zip(*lengths, strict=True)]
    assert 3000 <= facts["tokens"] == sum(longest) < 3000 + longest[-1] + 1
    assert facts["target_side"] == sum(lengths[1]) and facts["both_sides"] == sum(map(sum, lengths))
    english = f"text --data {data} --out {tmp_path}/by-english --tokens 2000 --by-english --temperature 10 "
    english += "--pieces 400 --byte-fallback"
    assert plain.main(shlex.split(english)) == 0
    facts = json.loads((tmp_path / "by-english/text.json").read_text("utf-8"))
    assert 2000 <= facts["target_side"] < 2000 + plain.LONGEST and facts["pieces"] == 400
    pieces = load(tmp_path / "by-english/spm.model")
    assert pieces.encode("한", out_type=str)[-3:] == ["<0xED>", "<0x95>", "<0x9C>"], "a script of no source"
    known = {line.split()[0] for line in read_lines(text / "dict.txt")}
    pieces = [piece for side in sides for line in side for piece in line.split()]
    assert sum(piece in known for piece in pieces) > 0.99 * len(pieces), "rare letters are fairseq's unknown symbol"
    flags = f"--data {data} --text {text}"
    assert plain.main(shlex.split(f"sample {flags} --out {cut} --target qbx --sample train-400-s1")) == 0
    test = read_lines(cut / "test.en")
    order = [2, 0, 1, *range(3, len(test))]  # fairseq translates by length
    (tmp_path / "generated").write_text("".join(f"H-{i}\t-1.0\t{test[i]}\n" for i in order), "utf-8")
    run = tmp_path / "run"
    cost.append(run, {"command": "fairseq-train x", "kind": "adapt", "run": str(run), "parent": None, "device": "cpu",
                      "train_tokens": 7, "wall_s": 1.0, "peak_memory_mib": 1.0})  # fmt: skip
    out = f"--out {tmp_path}/result --generated {tmp_path}/generated --checkpoint {run}/checkpoint_best.pt"
    out += " --system plain-9 --target qbx --english-tokens 400 --seed 1"
    assert plain.main(shlex.split(f"result {flags} {out}")) == 0
    read = results.read_result(tmp_path / "result/result.json")
    assert read.bleu == pytest.approx(100) and read.cost[0]["train_tokens"] == 7, "the translation is the reference"
    assert read.sources and len(read_lines(read.sources)) == len(test)
    capsys.readouterr()
    new = f"--data {data} --out {tmp_path}/new"
    for wrong, fault in (
        (f"text {new} --targets qbx,qzz --tokens 9", f"No such file or directory: '{data}/work/mono/qzz.domain.txt'"),
        (f"sample {new} --text {text} --target qbx --sample train-9-s1", "text/qbx-en/train-9-s1.qbx: file is missing"),
        (f"sample {new} --text {tmp_path} --target qbx --sample train-400-s1", "spm.model: file is missing"),
    ):
        assert run_command(plain.main, shlex.split(wrong), prog="plain") == 2
        assert fault in capsys.readouterr().err and not (tmp_path / "new").exists()


def test_sources_share_pairs_or_tokens() -> None:
    """Two sources have 100 pairs each, and one has sentences four times as long."""
    long, short = [40] * 100, [10] * 100
    assert plain.weight(long, 2.0, by_tokens=False) == plain.weight(short, 2.0, by_tokens=False) == 10
    tokens = [plain.weight(lengths, 10.0, by_tokens=True) * lengths[0] for lengths in (long, short)]
    assert tokens[0] / tokens[1] == pytest.approx(4**0.1)


def test_the_updates_that_read_a_text_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A batch of 10 sentences is cut to 8; the longer side and the padding count; fairseq sorts by the source."""
    pairs = [("a " * 8 + "b", "c")] * 20 + [("a", "c " * 3 + "d")] * 9
    for side, lines in zip(plain.SIDES, zip(*pairs[::-1], strict=True), strict=True):
        (tmp_path / f"train.{side}").write_text("\n".join(lines) + "\n", "utf-8")
    assert plain.main(["updates", "--text", str(tmp_path), "--batch", "100"]) == 0
    assert capsys.readouterr().out == "3\n", "8 short; 1 short and 7 long; 8 long. fairseq drops 5, the last"


def test_the_peer_is_compared_at_its_tokens(tmp_path: Path) -> None:
    """Means of means, over the targets that all have; another number of training tokens is another row."""
    for system, target, tokens, trained, wrong in (
        ("joint", "ro", 16000, 24_000_000, 0), ("joint", "lv", 16000, 24_010_000, 1),
        ("joint", "ro_100", 2500, 24_000_000, 2), ("fomaml", "ro", 16000, 24_000_000, 0),
        ("plain-9", "ro", 16000, 24_000_000, 3), ("plain-9", "ro", 0, 24_000_000, 4),
        ("plain-18", "ro", 16000, 48_000_000, 2),
    ):  # fmt: skip
        folder = tmp_path / system.split("-")[0] / f"{system}-{target}-{tokens}"
        folder.mkdir(parents=True)
        costs = [{"command": "c", "kind": kind, "run": "r", "train_tokens": n, "wall_s": s, "peak_memory_mib": 1.0,
                  "device": "cpu"} for kind, n, s in (("train", trained, 600.0), ("adapt", 9, 60.0))]  # fmt: skip
        record = {"system": system, "target": target, "english_tokens": tokens, "seed": 1, "strategy": "all",
                  "commands": [], "cost": costs}  # fmt: skip
        (folder / "result.json").write_text(json.dumps(record), "utf-8")
        lines = [f"the {n} th of all lines" for n in range(9)]
        (folder / "references.txt").write_text("\n".join(lines) + "\n", "utf-8")
        (folder / "hypotheses.txt").write_text("\n".join(["x"] * wrong + lines[wrong:]) + "\n", "utf-8")
    (tmp_path / "ours").mkdir()
    for name in ("joint", "fomaml"):
        (tmp_path / name).rename(tmp_path / "ours" / name)
    flags = f"--ours {tmp_path}/ours --plain {tmp_path}/plain --out {tmp_path}/out"
    assert compare.main(shlex.split(flags)) == 0
    rows = json.loads((tmp_path / "out/report.json").read_text("utf-8"))["rows"]
    assert {(row["system"], row["train_tokens"]) for row in rows if row["target"] == "ro"} == {
        ("ours", 24_000_000), ("plain", 24_000_000), ("plain", 48_000_000)
    }  # fmt: skip
    text = (tmp_path / "out/report.md").read_text("utf-8")
    adapted = text.partition("## From 16,000")[2].partition("##")[0].splitlines()
    (ours,) = [line.split(" | ") for line in adapted if line.startswith("| ours")]
    assert "training tokens | lv | ro | mean of 1 |" in text and ours[1] == "24 million"
    assert float(ours[2]) < float(ours[3]) == 100 == float(ours[4].strip("| ")), "the mean is of what all have"
    assert "| plain | 48 million |" in text and "10.0 | 1.0 |" in text
    assert (tmp_path / "out/tokens.png").read_bytes().startswith(b"\x89PNG")


def test_a_run_of_the_peer_has_its_cost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Target tokens are counted by fairseq's log, each stretch once, however often the run was killed."""
    log = "".join(
        f"x | INFO | train_inner | epoch 001: {updates} / 9 loss=8.1, wps=90, ups=2.5, wpb={target}, bsz=2, "
        f"num_updates={updates}, lr=0.0007, gnorm=1, clip=0, train_wall=4, wall={wall}\n"
        for updates, target, wall in [(1100, 50, 500), (1200, 70, 540), (1300, 9, 580), (1300, 60, 590)]
    )
    text = tmp_path / "text"
    text.mkdir()
    (text / "text.json").write_text(json.dumps({"both_sides": 300, "target_side": 100}), "utf-8")
    (tmp_path / "log").write_text(log, "utf-8")
    run, command = tmp_path / "run", ["cat", str(tmp_path / "log")]
    flags = ["--run", str(run), "--kind", "train", "--text", str(text), "--parent", "trunk/checkpoint_last.pt"]
    assert measured.main([*flags, "false"]) == 1 and not cost.read_records(run)
    assert measured.main([*flags, *command]) == 0
    (record,) = cost.read_records(run)
    assert record["train_tokens"] == 3 * (50 + 70 + 60) * 100 and record["wall_s"] == 90
    assert record["peak_memory_mib"] > 0 and record["parent"] == "trunk/checkpoint_last.pt"
    assert measured.main([*flags, *command]) == 0
    assert len(cost.read_records(run)) == 1, "a run that had nothing left to do costs nothing"
