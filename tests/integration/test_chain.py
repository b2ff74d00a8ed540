"""The whole chain through the real commands, tiny: raw text of generated languages to a BLEU report."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sacrebleu
import torch
from arguments import arguments

import meta_nmt.plugin  # noqa: F401  allows what fairseq checkpoints hold

REPO = Path(__file__).parents[2]
SOURCES, VALID, TARGET = "qaa,qbb,qcc", "qav", "qbx"
SMALL = (
    "--arch ulr_transformer_tiny --encoder-layers 1 --decoder-layers 1 --encoder-embed-dim 64 --decoder-embed-dim 64 "
    "--num-workers 0"
)
EPISODES = (
    "--source-langs {sources} --valid-langs {valid} --support-tokens 300 --query-tokens 300 --valid-sample-tokens 600"
)


def run(line, **named):
    """Runs a module as a user would; its standard output. Fails with its standard error."""
    environment = {**os.environ, "PYTHONPATH": str(REPO), "OMP_NUM_THREADS": "1"}
    languages = {"sources": SOURCES, "valid": VALID, "target": TARGET}
    argv = [sys.executable, "-m", *arguments(line, **languages, **named)]
    done = subprocess.run(argv, capture_output=True, text=True, env=environment, cwd=REPO)
    assert done.returncode == 0, f"{argv}: {done.stderr[-3000:]}"
    return done.stdout


def cli(line, **named):
    return run(f"meta_nmt.cli.{line}", **named)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    root = tmp_path_factory.mktemp("chain")
    languages = "--languages {sources},{valid},{target}"
    run(f"data_prep synthetic --out {{root}}/corpus {languages} --sentences 700 --mono-sentences 300", root=root)
    cli(
        "preprocess --source-langs {sources} --valid-langs {valid} --target-langs {target} --out {root}/data "
        "--corpus {root}/corpus --mono {root}/corpus/mono --dictionaries {root}/corpus/dict --english-tokens 1000 "
        "--sample-seeds 1 --vocab-size 400 --universal-tokens 400 --vector-dim 32",
        root=root,
    )
    return root


def train(work, name, line, **named):
    flags = f"--save-dir {{work}}/{{name}} {EPISODES} {SMALL} --warmup-updates 10 --lr 5e-3 {line}"
    cli(f"train {{work}}/data {flags}", work=work, name=name, **named)
    return work / name / "checkpoint_best.pt"


@pytest.fixture(scope="module")
def joint(work):
    return train(work, "joint", "--meta-learner joint --max-update 30 --eval-bleu")


@pytest.fixture(scope="module")
def fomaml(work, joint):
    line = "--meta-learner fomaml --max-update 10 --restore-file {joint} --reset-optimizer --reset-lr-scheduler "
    return train(work, "fomaml", line + "--reset-dataloader --reset-meters", joint=joint)


def test_from_raw_text_to_report(work, joint, fomaml):
    adapted = "--checkpoint {work}/{system}/checkpoint_best.pt --strategy emb_enc --num-workers 0"
    for system in ("scratch", "joint", "fomaml"):
        flags, strategy = (f"--from-scratch {SMALL}", "all") if system == "scratch" else (adapted, "emb_enc")
        names = {"work": work, "system": system, "strategy": strategy}
        cli(
            "adapt {work}/data --source-lang {target} --train-subset train-1000-s1 --save-dir {work}/adapted/{system} "
            "--max-update 10 --seed 1 " + flags,
            **names,
        )
        cli(
            "generate {work}/data --path {work}/adapted/{system}/checkpoint_best.pt --source-lang {target} --beam 1 "
            "--results {work}/results/{system} --system {system} --strategy {strategy} --english-tokens 1000 --seed 1",
            **names,
        )
    zero = "--path {work}/fomaml/checkpoint_best.pt --results {work}/results/zero --system fomaml --beam 1"
    cli(f"generate {{work}}/data --source-lang {{target}} {zero}", work=work)
    cli("report {work}/results --out {work}/report", work=work)
    report = json.loads((work / "report/report.json").read_text())
    rows = {(row["system"], row["strategy"]): row for row in report["rows"]}
    expected = {("scratch", "all"), ("joint", "emb_enc"), ("fomaml", "emb_enc"), ("fomaml", "zero")}
    assert set(rows) == expected
    for row in rows.values():
        hypotheses = (work / "report" / row["hypotheses"]).read_text().splitlines()
        references = (work / "report" / row["references"]).read_text().splitlines()
        assert len(hypotheses) == len(references) == 500, "a hypothesis for every test sentence"
        assert row["signature"].startswith("nrefs:1|"), row["signature"]
    joint_row = next(json.loads(line) for line in (work / "joint/cost.jsonl").read_text().splitlines())
    assert joint_row["train_tokens"] > 30 * 4 * 600, "both sides of 30 steps x 4 tasks x 2 batches were counted"
    assert f"{TARGET}" in (work / "report/report.md").read_text()


def test_frozen_tables_stay_frozen(work, joint, fomaml):
    """The universal keys never move, and adaptation moves its group alone."""
    keys = np.load(work / "data/universal/keys.npy")
    states = [torch.load(path, weights_only=True)["model"] for path in (joint, fomaml)]
    for state in states:
        assert np.array_equal(state["encoder.embed_tokens.keys"].numpy(), keys), "the keys moved"
        assert state["encoder.embed_tokens.residual"].shape[0] == 0, "a meta-checkpoint holds no language"
    assert not torch.equal(states[0]["encoder.embed_tokens.values"], states[1]["encoder.embed_tokens.values"])
    cli(
        "adapt {work}/data --checkpoint {work}/fomaml/checkpoint_best.pt --strategy emb --source-lang {target} "
        "--train-subset train-1000-s1 --save-dir {work}/adapted/emb --max-update 5 --num-workers 0",
        work=work,
    )
    adapted = torch.load(work / "adapted/emb/checkpoint_best.pt", weights_only=True)["model"]
    moved = {name for name, value in states[1].items() if not torch.equal(value, adapted[name])}
    held = {f"encoder.embed_tokens.{name}" for name in ("residual", "queries")}
    assert moved == held | {"encoder.embed_tokens.transform"}, "emb moves the residual and the transform alone"
    vectors = np.load(work / f"data/lang/{TARGET}/vectors.train-1000-s1.npy")[4:]
    assert np.array_equal(adapted["encoder.embed_tokens.queries"].numpy(), vectors), "the queries are the sample's"


def test_dev_bleu_is_that_of_the_translated_dev_set(work, joint):
    """What chooses a checkpoint is what sacreBLEU says of the lines that meta-nmt-generate writes."""
    cli(
        "adapt {work}/data --checkpoint {joint} --source-lang {target} --train-subset train-1000-s1 --num-workers 0 "
        "--save-dir {work}/adapted/dev --max-update 10 --eval-bleu-args {decoding}",
        work=work,
        joint=joint,
        # a limit that does not depend on the longest sentence of a batch: so young a model often reaches it
        decoding='{"beam": 1, "max_len_a": 0, "max_len_b": 20}',
    )
    best = work / "adapted/dev/checkpoint_best.pt"
    cli(
        "generate {work}/data --path {best} --source-lang {target} --gen-subset valid --beam 1 "
        "--max-len-a 0 --max-len-b 20 --results {work}/dev",
        work=work,
        best=best,
    )
    lines = [(work / f"dev/{name}.txt").read_text().splitlines() for name in ("hypotheses", "references")]
    bleu = sacrebleu.corpus_bleu(lines[0], [lines[1]]).score
    assert bleu > 0
    assert torch.load(best, weights_only=True)["extra_state"]["best"] == pytest.approx(bleu, abs=0.006)


def test_plain_fairseq_with_user_dir_does_the_same(work, joint):
    """fairseq-train and fairseq-generate with --user-dir, and the same numbers as our front."""
    run(
        f"fairseq_cli.train {{work}}/data --user-dir {{repo}}/meta_nmt --task meta_translation {EPISODES} {SMALL} "
        "--target-lang en --meta-learner joint --criterion label_smoothed_cross_entropy --label-smoothing 0.1 "
        "--optimizer adam --adam-betas '(0.9, 0.98)' --clip-norm 1.0 --lr 5e-3 --lr-scheduler inverse_sqrt "
        "--warmup-updates 10 --batch-size 1 --max-update 30 --ddp-backend legacy_ddp --save-dir {work}/plain",
        work=work,
        repo=REPO,
    )
    ours = torch.load(joint.with_name("checkpoint_last.pt"), weights_only=True)["model"]
    plain = torch.load(work / "plain/checkpoint_last.pt", weights_only=True)["model"]
    for name, value in ours.items():
        assert torch.equal(value, plain[name]), f"{name} differs from plain fairseq's"
    output = run(
        "fairseq_cli.generate {work}/data --user-dir {repo}/meta_nmt --task ulr_translation --source-lang {target} "
        "--target-lang en --path {joint} --beam 1",
        **{"work": work, "repo": REPO, "joint": joint},
    )
    assert sum(line.startswith("H-") for line in output.splitlines()) == 500


def test_translate_keeps_lines_in_place(work, joint):
    text = (work / f"data/text/{TARGET}-en/test.{TARGET}").read_text().splitlines()[:5]
    argv = arguments("-m meta_nmt.cli.translate {}/data --path {} --source-lang {} --beam 1", work, joint, TARGET)
    source = "\n".join([text[0], "", *text[1:], "   "]) + "\n"
    done = subprocess.run([sys.executable, *argv], input=source, capture_output=True, text=True, cwd=REPO)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.split("\n")
    assert len(lines) == 8 and lines[-1] == "", done.stdout
    assert lines[1] == lines[6] == "", "an empty line stays one, in its place"
