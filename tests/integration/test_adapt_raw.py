"""From raw text to a translator folder in one command, and what happens when that is killed."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from arguments import arguments

from data_prep.base.files import sha256
from meta_nmt import Translator
from meta_nmt.cli import adapt, export, preprocess, train
from meta_nmt.runs import cost, training_log
from meta_nmt.runs.run_folder import RunFolder

REPO = Path(__file__).parents[2]
WORDS = [a + b for a in ("ka", "lo", "mi", "ru") for b in ("nda", "fter", "wing", "pose", "gri", "tum")]


def foreign(line, step):
    return "".join(chr((ord(c) - 97 + step) % 26 + 97) if c.isalpha() else c for c in line)


def write_pairs(path, step, lines, seed):
    rng = random.Random(seed)
    english = [" ".join(rng.choices(WORDS, k=rng.randint(3, 8))) for _ in range(lines)]
    path.write_text("".join(f"{foreign(line, step)}\t{line}\n" for line in english), "utf-8")
    return english


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A data folder of two languages, a meta-checkpoint, and raw text of a third: 400 pairs of zz."""
    root = tmp_path_factory.mktemp("raw")
    (root / "corpus").mkdir()
    write_pairs(root / "corpus/aa-en.tsv", 1, 300, 1)
    write_pairs(root / "corpus/vv-en.tsv", 3, 300, 9)
    preparation = arguments(
        "--out {root}/data --corpus {root}/corpus --source-langs aa --valid-langs vv --vector-dim 16 --workers 1 "
        "--hold-out-last 30,30",
        root=root,
    )
    assert preprocess.main(preparation) == 0
    training = arguments(
        "{root}/data --save-dir {root}/meta --source-langs aa --valid-langs vv --arch ulr_transformer_tiny "
        "--encoder-layers 1 --decoder-layers 1 --encoder-embed-dim 32 --decoder-embed-dim 32 --meta-learner joint "
        "--support-tokens 200 --query-tokens 200 --valid-sample-tokens 200 --max-update 5 --num-workers 0",
        root=root,
    )
    assert train.main(training) == 0
    write_pairs(root / "zz-en.tsv", 5, 400, 2)
    (root / "mono.txt").write_text("".join(f"{foreign(line, 5)}\n" for line in write_pairs(root / "x", 5, 300, 3)))
    return root


def flags_of(work, out, more=""):
    line = "--checkpoint {work}/meta/checkpoint_best.pt --pairs {work}/zz-en.tsv --mono {work}/mono.txt --out {out} "
    line += "--source-lang zz"
    return arguments(f"{line} --max-update 4 --save-interval-updates 2 {more}", work=work, out=out)


def hashes(folder):
    return {str(path.relative_to(folder)): sha256(path) for path in folder.rglob("*") if path.is_file()}


def test_one_command_one_folder(work, capfd):
    before, out = hashes(work / "data"), work / "one"
    argv = flags_of(work, out, "--strategy emb_enc")
    assert adapt.main(argv) == 0
    said = capfd.readouterr().err.splitlines()
    assert " about " in said[0] and said[0].startswith("zz to en (English): language pack"), "the estimate comes first"
    assert [line for line in said if "4 updates, dev BLEU" in line] and "| INFO |" not in "".join(said)
    assert hashes(work / "data") == before, "the data folder of the meta-training is only read"
    lines = (out / "work/data/text/zz-en/test.zz").read_text("utf-8").splitlines()
    assert 38 <= len(lines) <= 40, "a tenth of 400 is held out for the test"
    for backend in ("torch", "ctranslate2"):
        assert all(Translator(out, backend=backend).translate(lines[:5]))
    card = (out / "MODEL_CARD.md").read_text("utf-8")
    for words in (
        "test BLEU",
        "test chrF2++",
        "dev BLEU (beam 1)",
        "`emb_enc`",
        "| zz-en.tsv |",
        "| mono.txt |",
        "meta-nmt-adapt --checkpoint",
        "joint",
        "held-out precision@1",
    ):
        assert words in card, words
    made = hashes(out)
    first = said.index("translations of test sentences:")
    ends, warning = said[first:], f"{out}/work/data/lang/zz/card.json"
    assert [line.split(":")[0] for line in ends[1:]] == 5 * ["source", "translation", "reference"] + [
        "verdict", "warning", "a file",
    ], ends  # fmt: skip
    assert ends[16].startswith("verdict: of no use: test BLEU")
    assert ends[17].startswith("warning: zz: the alignment") and warning in ends[17], "again at the end, with its path"
    assert ends[17] in said[:first], "and said when it was found"
    assert f"meta-nmt-translate --model {out} < text.zz" in ends[18] and f"meta-nmt-serve {out}" in ends[18]
    for source in (line.partition(": ")[2].strip() for line in ends[1:16:3]):
        assert source in lines and source in card, "held-out sentences, the same as in the card"
    assert any(line.startswith("alignment of zz to en: precision@1") for line in said)
    assert "For nothing: its translations are of no use" in card, "four updates make no draft"
    assert adapt.main(argv) == 0 and hashes(out) == made, "a second run changes nothing"
    again = capfd.readouterr().err.splitlines()
    assert "finished before" in again[0] and again[1:] == ends, "what was said at the end is said again"
    write_pairs(work / "zz-en.tsv", 5, 401, 2)
    refused(capfd, argv, "other: --pairs", "--force")
    assert hashes(out) == made, "nothing is wiped"
    assert adapt.main([*argv, "--force"]) == 0, "other pairs, as asked for"
    write_pairs(work / "zz-en.tsv", 5, 400, 2)
    assert hashes(out)["work/job.json"] != made["work/job.json"]


def test_self_training(work, tmp_path, capfd):
    """Monolingual text is translated, and the language adapted again to that too: from raw text, on a data folder."""
    out, long = tmp_path / "out", "--strategy all --max-update 100 --save-interval-updates 100 --lr 1e-2"
    assert adapt.main(flags_of(work, out, f"{long} --self-train 250")) == 0
    said = capfd.readouterr().err
    pairs = [(out / f"work/self/pairs.{code}").read_text("utf-8").splitlines() for code in ("zz", "en")]
    mono, sample = (
        (out / f"work/data/{p}").read_text("utf-8") for p in ("work/mono/zz.extra.txt", "text/zz-en/train.zz")
    )
    assert (
        {*pairs[0]} & {*mono.splitlines()} and {*sample.splitlines()} <= {*pairs[0]} and len(pairs[0]) == len(pairs[1])
    )
    assert "adapt all-self: 200 updates, dev BLEU" in said and (out / "work/self/aligned.npy").exists(), "aligned anew"
    card = (out / "MODEL_CARD.md").read_text("utf-8")
    assert "Chosen by dev BLEU (greedy): all " in card and ", all-self " in card
    assert "pairs more (self-training): monolingual text" in card, "it was better here"
    capfd.readouterr()
    line = "{out}/work/data --checkpoint {work}/meta/checkpoint_best.pt --source-lang zz --train-subset train "
    line += f"--save-dir {{out}}/run --self-train 250 {long}"
    argv = arguments(line, out=tmp_path / "out", work=work)
    assert adapt.main(argv) == 0
    run = RunFolder(out / "run")
    updates = [point["updates"] for point in training_log.read(run.path)["valid"]]
    assert updates == [200], "twice as many, validated as often"
    kinds = [(Path(entry["run"]).name, entry["kind"]) for entry in cost.history(run.best)]
    assert kinds == [("meta", "train"), ("first", "adapt"), ("self", "translate"), ("run", "adapt")]
    made = hashes(run.path)
    assert adapt.main(argv) == 0 and hashes(run.path / "self") == hashes(out / "run/self")
    assert {name: h for name, h in hashes(run.path).items() if name.startswith(("first", "self"))} == {
        name: h for name, h in made.items() if name.startswith(("first", "self"))
    }, "what was done is not done again"
    capfd.readouterr()
    refused(capfd, [*argv, "--self-train", "199"], "--self-train", "0 or at least 200", "199")
    refused(capfd, [*argv, "--self-train", "300"], f"{out}/run/self", "the same lines", "another folder")
    refused(capfd, [*argv, "--aligned-with", "train"], "--aligned-with", "--self-train")
    refused(capfd, [*argv, "--save-dir", str(out / "run/first")], "--save-dir", "holds another adaptation")
    for teacher, words in ((work / "meta/checkpoint_best.pt", "is not"), (work / "none.pt", "does not exist")):
        new = [*argv, "--save-dir", str(out / "new"), "--teacher", str(teacher)]
        refused(capfd, new, f"--teacher {teacher}", "must be", words)
    refused(capfd, [*argv, "--learned-rule"], "--self-train", "--learned-rule")
    refused(capfd, [*argv, "--self-train", "0", "--teacher", "x.pt"], "--teacher", "--self-train")
    with_teacher = [*argv, "--save-dir", str(out / "pupil"), "--teacher", str(out / "run/first/checkpoint_best.pt")]
    assert adapt.main(with_teacher) == 0 and not (out / "pupil/first").exists()
    assert hashes(out / "pupil/self") | {"cost.jsonl": ""} == hashes(run.path / "self") | {"cost.jsonl": ""}


def test_a_meta_model_is_enough(work, tmp_path, capfd):
    """Checkpoint, universal space and English pack in a folder of their own; few pairs, so no test set."""
    line = "{work}/data --path {work}/meta/checkpoint_best.pt --to meta --out {own}/given"
    assert export.main(arguments(line, work=work, own=tmp_path)) == 0
    hidden = work.rename(work.with_name("hidden"))
    try:
        pairs = (hidden / "zz-en.tsv").read_text("utf-8").splitlines(keepends=True)[:80]
        (tmp_path / "zz-en.tsv").write_text("".join(pairs), "utf-8")
        line = "--checkpoint {own}/given/meta.pt --pairs {own}/zz-en.tsv --source-lang zz --out {own}/out "
        line += "--strategy emb --max-update 2 --save-interval-updates 2"
        assert adapt.main(arguments(line, own=tmp_path)) == 0, capfd.readouterr().err[-2000:]
    finally:
        hidden.rename(work)
    card = (tmp_path / "out/MODEL_CARD.md").read_text("utf-8")
    assert "dev chrF2++" in card and "test BLEU" not in card, "80 pairs are too few for a test set"
    assert "| train | " in card, "what meta-training cost came along"


@pytest.mark.slow
def test_killed_it_goes_on(work):
    """Killed at three points and run again, it ends with a translator; auto tries all strategies."""
    out = work / "killed"
    argv = [sys.executable, "-m", "meta_nmt.cli.adapt", *flags_of(work, out, "--max-update 6")]
    environment = {**os.environ, "PYTHONPATH": str(REPO), "OMP_NUM_THREADS": "1"}
    marks = [
        "work/data/lang/en/vectors.npy",
        "work/runs/emb/checkpoint_last.pt",
        "work/runs/emb_enc/checkpoint_best.pt",
    ]
    for mark in marks:
        process = subprocess.Popen(argv, env=environment, cwd=REPO, stderr=-1)
        while process.poll() is None and not (out / mark).exists():
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not (out / "translator.json").exists(), "no translator before it is made"
    done = subprocess.run(argv, env=environment, cwd=REPO, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "language pack of zz" not in done.stderr, "the pack was there already"
    card = (out / "MODEL_CARD.md").read_text("utf-8")
    assert all(f"{name} " in card.replace("\\", "") for name in ("emb", "emb_enc", "all")), "every strategy was tried"
    assert Translator(out).translate(["pfsif"])


def refused(capfd, argv, *words):
    try:
        status = adapt.main([str(a) for a in argv])
    except SystemExit as stop:
        status = stop.code
    error = capfd.readouterr().err.strip()
    assert status == 2 and error.count("\n") == 0, error
    for word in words:
        assert word in error, f"{word!r} must be named in {error!r}"


def test_refusals(work, tmp_path, capfd):
    argv, out = flags_of(work, tmp_path / "out"), tmp_path / "out"
    refused(capfd, ["--checkpoint", "x", "--out", out], "--pairs")
    refused(capfd, [*argv, "--save-dir", "x"], "--save-dir")
    refused(capfd, [*argv, "--source-lang", "en"], "--source-lang", "en")
    refused(capfd, [*argv, "--strategy", "most"], "--strategy", "most")
    refused(capfd, [*argv, "--mono", tmp_path / "nowhere.txt"], "nowhere.txt")
    refused(capfd, [*argv, "--data", tmp_path], "--data", "data.json")
    refused(capfd, [*argv, "--no-such-flag"], "--no-such-flag")
    (tmp_path / "1.tsv").write_text("a\tb\n")
    refused(capfd, ["--checkpoint", "x", "--pairs", tmp_path / "1.tsv", "--out", out], "--source-lang", "1.tsv")
    (tmp_path / "yy-en.tsv").write_text("a\tb\n" * 30)
    refused(capfd, [*argv, "--pairs", tmp_path / "yy-en.tsv"], "yy-en.tsv", "at least 60 pairs", "30")
    (tmp_path / "yy-en.tsv").write_text("a\tb\n" * 30 + "c\n")
    refused(capfd, [*argv, "--pairs", tmp_path / "yy-en.tsv"], "yy-en.tsv, line 31")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/precious.txt").write_text("x")
    refused(capfd, flags_of(work, tmp_path / "mine"), "precious.txt")
    moved = tmp_path / "alone/meta.pt"
    moved.parent.mkdir()
    shutil.copy(work / "meta/checkpoint_best.pt", moved)
    hidden = (work / "data").rename(work / "hidden-data")
    refused(capfd, [*argv, "--checkpoint", moved], "--data", "meta.pt")
    hidden.rename(work / "data")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["precious.txt"] and not out.exists()
