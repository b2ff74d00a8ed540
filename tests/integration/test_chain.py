"""The whole chain through the real commands, tiny: raw text of generated languages to a BLEU report."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import meta_nmt.plugin  # noqa: F401  allows what fairseq checkpoints hold

REPO = Path(__file__).parents[2]
SOURCES, VALID, TARGET = "qaa,qbb,qcc", "qav", "qbx"
SMALL = ["--encoder-layers", "1", "--decoder-layers", "1", "--encoder-embed-dim", "64", "--decoder-embed-dim", "64"]
EPISODES = ["--support-tokens", "300", "--query-tokens", "300", "--valid-sample-tokens", "600", "--num-workers", "0"]


def run(*command):
    """Runs a command as a user would; its standard output. Fails with its standard error."""
    environment = {**os.environ, "PYTHONPATH": str(REPO), "OMP_NUM_THREADS": "1"}
    argv = [sys.executable, "-m", *map(str, command)]
    done = subprocess.run(argv, capture_output=True, text=True, env=environment, cwd=REPO)
    assert done.returncode == 0, f"{argv}: {done.stderr[-3000:]}"
    return done.stdout


def cli(name, *argv):
    return run(f"meta_nmt.cli.{name}", *argv)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    root = tmp_path_factory.mktemp("chain")
    languages = ",".join([SOURCES, VALID, TARGET])
    run("data_prep", "synthetic", "--out", root / "corpus", "--languages", languages, "--sentences", "700",
        "--mono-sentences", "300")  # fmt: skip
    cli("preprocess", "--out", root / "data", "--corpus", root / "corpus", "--mono", root / "corpus/mono",
        "--dictionaries", root / "corpus/dict", "--source-langs", SOURCES, "--valid-langs", VALID,
        "--target-langs", TARGET, "--english-tokens", "1000", "--sample-seeds", "1", "--vocab-size", "400",
        "--universal-tokens", "400", "--vector-dim", "32")  # fmt: skip
    return root


def train(work, name, *flags):
    cli("train", work / "data", "--save-dir", work / name, "--arch", "ulr_transformer_tiny", *SMALL, *EPISODES,
        "--source-langs", SOURCES, "--valid-langs", VALID, "--warmup-updates", "10", "--lr", "5e-3",
        *flags)  # fmt: skip
    return work / name / "checkpoint_best.pt"


@pytest.fixture(scope="module")
def joint(work):
    return train(work, "joint", "--meta-learner", "joint", "--max-update", "30", "--eval-bleu")


@pytest.fixture(scope="module")
def fomaml(work, joint):
    resets = ["--reset-optimizer", "--reset-lr-scheduler", "--reset-dataloader", "--reset-meters"]
    return train(work, "fomaml", "--meta-learner", "fomaml", "--max-update", "10", "--restore-file", joint, *resets)


def test_from_raw_text_to_report(work, joint, fomaml):
    systems = {"scratch": ["--from-scratch", "--arch", "ulr_transformer_tiny", *SMALL, "--num-workers", "0"]}
    for system, checkpoint in (("joint", joint), ("fomaml", fomaml)):
        systems[system] = ["--checkpoint", checkpoint, "--strategy", "emb_enc", "--num-workers", "0"]
    for system, flags in systems.items():
        save = work / "adapted" / system
        cli("adapt", work / "data", "--source-lang", TARGET, "--train-subset", "train-1000-s1", "--save-dir", save,
            "--max-update", "10", "--seed", "1", *flags)  # fmt: skip
        cli("generate", work / "data", "--path", save / "checkpoint_best.pt", "--source-lang", TARGET,
            "--results", work / "results" / system, "--system", system, "--english-tokens", "1000", "--seed", "1",
            "--strategy", "all" if system == "scratch" else "emb_enc", "--beam", "1")  # fmt: skip
    cli("generate", work / "data", "--path", fomaml, "--source-lang", TARGET, "--results", work / "results/zero",
        "--system", "fomaml", "--beam", "1")  # fmt: skip
    cli("report", work / "results", "--out", work / "report")
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
    save = work / "adapted/emb"
    cli("adapt", work / "data", "--checkpoint", fomaml, "--strategy", "emb", "--source-lang", TARGET,
        "--train-subset", "train-1000-s1", "--save-dir", save, "--max-update", "5", "--num-workers", "0")  # fmt: skip
    adapted = torch.load(save / "checkpoint_best.pt", weights_only=True)["model"]
    moved = {name for name, value in states[1].items() if not torch.equal(value, adapted[name])}
    held = {f"encoder.embed_tokens.{name}" for name in ("residual", "queries")}
    assert moved == held | {"encoder.embed_tokens.transform"}, "emb moves the residual and the transform alone"
    vectors = np.load(work / f"data/lang/{TARGET}/vectors.npy")[4:]
    assert np.array_equal(adapted["encoder.embed_tokens.queries"].numpy(), vectors), "the queries are the pack's"


def test_plain_fairseq_with_user_dir_does_the_same(work, joint):
    """fairseq-train and fairseq-generate with --user-dir, and the same numbers as our front."""
    flags = [work / "data", "--user-dir", REPO / "meta_nmt", "--task", "meta_translation", "--meta-learner", "joint"]
    flags += ["--arch", "ulr_transformer_tiny", *SMALL, *EPISODES, "--source-langs", SOURCES, "--valid-langs", VALID]
    flags += ["--target-lang", "en", "--criterion", "label_smoothed_cross_entropy", "--label-smoothing", "0.1"]
    flags += ["--optimizer", "adam", "--adam-betas", "(0.9, 0.98)", "--clip-norm", "1.0", "--lr", "5e-3"]
    flags += ["--lr-scheduler", "inverse_sqrt", "--warmup-updates", "10", "--batch-size", "1", "--max-update", "30"]
    run("fairseq_cli.train", *flags, "--ddp-backend", "legacy_ddp", "--save-dir", work / "plain")
    ours = torch.load(joint.with_name("checkpoint_last.pt"), weights_only=True)["model"]
    plain = torch.load(work / "plain/checkpoint_last.pt", weights_only=True)["model"]
    for name, value in ours.items():
        assert torch.equal(value, plain[name]), f"{name} differs from plain fairseq's"
    output = run("fairseq_cli.generate", work / "data", "--user-dir", REPO / "meta_nmt", "--task", "ulr_translation",
                 "--source-lang", TARGET, "--target-lang", "en", "--path", joint, "--beam", "1")  # fmt: skip
    assert sum(line.startswith("H-") for line in output.splitlines()) == 500


def test_translate_keeps_lines_in_place(work, joint):
    text = (work / f"data/text/{TARGET}-en/test.{TARGET}").read_text().splitlines()[:5]
    argv = [sys.executable, "-m", "meta_nmt.cli.translate", str(work / "data"), "--path", str(joint)]
    argv += ["--source-lang", TARGET, "--beam", "1"]
    source = "\n".join([text[0], "", *text[1:], "   "]) + "\n"
    done = subprocess.run(argv, input=source, capture_output=True, text=True, cwd=REPO)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.split("\n")
    assert len(lines) == 8 and lines[-1] == "", done.stdout
    assert lines[1] == lines[6] == "", "an empty line stays one, in its place"
