"""Experiments in YAML: every contradiction at once, a line each."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from data_prep.base.data_folder import DataFolder
from data_prep.base.errors import InputError
from data_prep.cleaning.monolingual import FEWEST
from meta_nmt.cli import evaluate
from meta_nmt.evaluation.experiment import Experiment, ExperimentError, read_experiment

ROLES = {"aa": "source", "bb": "source", "cc": "valid", "dd": "target"}
GOOD: dict[str, Any] = {
    "source_langs": ["aa", "bb"], "valid_langs": ["cc"], "targets": ["dd"], "systems": ["scratch", "joint", "maml"],
    "train_tokens": 32_000, "budgets": [0, 300], "seeds": [1, 2], "strategies": ["emb"],
}  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """What is looked at of a data folder."""
    folder = tmp_path / "data"
    (folder / "bin").mkdir(parents=True)
    record = {"target_lang": "en", "languages": {code: {"role": role} for code, role in ROLES.items()}}
    (folder / "data.json").write_text(json.dumps(record))
    for seed in (1, 2):
        (folder / "bin" / f"train-300-s{seed}.dd-en.dd.idx").touch()
    return folder


def written(folder: Path, data: Path, /, **changed: Any) -> Path:
    path = folder / "experiment.yaml"
    fields = {"data": str(data), **GOOD, **changed}
    path.write_text(yaml.safe_dump({name: value for name, value in fields.items() if value is not None}))
    return path


def problems(path: Path) -> list[str]:
    with pytest.raises(ExperimentError) as caught:
        read_experiment(path)
    return [problem.removeprefix(f"{path}: ") for problem in caught.value.problems]


def test_a_good_one_and_its_defaults(tmp_path: Path, data: Path) -> None:
    experiment = read_experiment(written(tmp_path, data, learning_rates=[1, 0.5]))
    assert isinstance(experiment, Experiment)
    assert experiment.systems == ("scratch", "joint", "maml") and experiment.learning_rates == (1.0, 0.5)
    assert experiment.arch == "ulr_transformer_small" and experiment.base_tokens == 0
    other = read_experiment(written(tmp_path, tmp_path / "absent"), data=str(data))
    assert other.data == str(data), "--data takes the place of the file's"


def test_a_target_that_was_added_later_has_its_role_in_its_card(tmp_path: Path, data: Path) -> None:
    card = data / "lang/ff/card.json"
    card.parent.mkdir(parents=True)
    card.write_text(json.dumps({"lang": "ff", "role": "target"}))
    path = written(tmp_path, data, targets=["dd", "ff"])
    absent = "train-300-s1, train-300-s2"
    assert problems(path) == [f"budgets and seeds must be samples of ff in {data}, but it has no {absent}"]
    for seed in (1, 2):
        (data / "bin" / f"train-300-s{seed}.ff-en.ff.idx").touch()
    assert read_experiment(path).targets == ("dd", "ff")
    card.write_text(json.dumps({"lang": "ff", "role": "valid"}))
    assert problems(path) == [f"targets must be languages of role target in {data}, but has ff (valid)"]


def test_self_training_needs_text_beside_the_sample(tmp_path: Path, data: Path) -> None:
    path = written(tmp_path, data, strategies=["emb", "self"])
    sample, domain = (DataFolder(data, "en").text("dd").sides(name) for name in ("train-300-s1", "train"))
    sample[0].parent.mkdir(parents=True)
    for side in (*sample, *domain):
        side.write_text("a\nb\n")
    said = f"strategies: self needs {FEWEST} lines of dd beside those of train-300-s1 in {data}, but has 0"
    assert problems(path) == [said]
    domain[0].write_text("".join(f"line {n}\n" for n in range(FEWEST)))
    assert read_experiment(path).strategies == ("emb", "self")


def test_names_and_types_are_reported_together(tmp_path: Path, data: Path) -> None:
    path = written(tmp_path, data, sytems=["joint"], seeds=["1"], train_tokens=True, targets=None, inner_steps=[3])
    found = problems(path)
    assert len(found) == 5
    assert found[0].startswith("'sytems' is no field; the fields are data, source_langs, ")
    assert "targets must be given" in found
    assert "train_tokens must be a whole number, but is True" in found
    assert "seeds must be a list of whole numbers, but is ['1']" in found
    assert "inner_steps must be a mapping of names to whole numbers, but is [3]" in found


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"systems": ["joint", "mmal"]}, "systems must be of scratch, transfer, "),
        ({"systems": ["joint", "joint"]}, "systems must name each entry once"),
        ({"systems": ["joint", "transfer"]}, "parents must be given with the system transfer, and only with it"),
        ({"parents": ["aa"]}, "parents must be given with the system transfer, and only with it"),
        ({"systems": ["transfer"], "parents": ["cc"]}, "parents must be of aa, bb, but has cc"),
        ({"valid_langs": ["aa"]}, "aa must have one role"),
        ({"strategies": ["learned"]}, "strategies has learned, which needs one of the systems lslr, lstm, meta_sgd"),
        ({"strategies": []}, "strategies must have at least one entry"),
        ({"seeds": []}, "seeds must have at least one entry"),
        ({"budgets": [-1]}, "budgets must be at least 0, but has -1"),
        ({"learning_rates": [0.1, 0]}, "learning_rates must be above 0, but has 0"),
        ({"trainings": 0}, "trainings must be at least 1"),
        ({"trainings": 9, "seeds": [1, 2]}, "trainings must be at least 1 and at most the 2 seeds, but is 9"),
        ({"train_tokens": 16_001}, "train_tokens must be a multiple of the 16000 tokens of a step of joint"),
        ({"train_tokens": 16_000, "inner_steps": {"maml": 2}}, "train_tokens must be a multiple of the 24000 tokens"),
        ({"base_tokens": 5}, "base_tokens must be a multiple of the 16000 tokens"),
        ({"support_tokens": 0}, "support_tokens must be at least 1, but is 0"),
        ({"inner_steps": {"joint": 2}}, "inner_steps must be of "),
        ({"inner_steps": {"multi_nmt": 2}}, "inner_steps must be of "),
        ({"train_flags": "--lr 1e-3 --max-update=7"}, "train_flags must not have --max-update: the experiment sets"),
        ({"adapt_flags": "--lr 1"}, "adapt_flags must not have --lr"),
        ({"system_flags": {"maml": "--seed 2"}}, "system_flags of maml must not have --seed"),
        ({"self_train": 0}, "self_train must be at least 1, but is 0"),
        ({"target_budgets": {"zz": [300]}}, "target_budgets must be of "),
        ({"target_budgets": {"dd": [-3]}}, "target_budgets of dd must be at least 0, but has -3"),
        ({"target_budgets": {"dd": 300}}, "target_budgets must be a mapping of names to lists of whole numbers"),
        ({"target_budgets": {"dd": [301]}}, "budgets and seeds must be samples of dd in "),
        ({"budget_flags": {400: "--lr-scheduler fixed"}}, "budget_flags must be of 300, but has 400"),
        ({"budget_flags": {300: "--lr 1"}}, "budget_flags of 300 must not have --lr"),
        ({"budget_flags": {"300": ""}}, "budget_flags must be a mapping of whole numbers to text"),
        ({"generate_flags": "'open"}, "generate_flags must be flags as in a shell"),
        ({"source_langs": ["aa", "dd"], "targets": ["bb"]}, "targets must be languages of role target in "),
        ({"seeds": [1, 3]}, "budgets and seeds must be samples of dd in "),
        ({"targets": ["../dd"]}, "targets must be codes like ro, fil or pt_BR, but has '../dd'"),
        ({"train_flags": "--user-dir evil"}, "train_flags must not have '--user-dir' with a text"),
        ({"train_flags": "--user-dir=evil"}, "train_flags must not have '--user-dir' with a text"),
        ({"train_flags": "--user-d evil"}, "train_flags must not have '--user-d' with a text"),
        ({"adapt_flags": "--log-file ../x"}, "adapt_flags must not have '--log-file' with a text"),
        ({"system_flags": {"maml": "--adamax-betas 'exit()'"}}, "system_flags of maml must not have '--adamax-betas'"),
        ({"generate_flags": "evil"}, "generate_flags must not have 'evil' with a text"),
        ({"generate_flags": "-s ../x"}, "generate_flags must not have '-s' with a text"),
        ({"train_flags": "--task evil"}, "train_flags must not have --task"),
        ({"executor": {"local_setup": ["touch PROOF"]}}, "executor must not have 'local_setup'"),
        ({"executor": {"slurm_setup": ["touch PROOF"]}}, "executor must not have 'slurm_setup'"),
        ({"executor": {"slurm_srun_args": ["x"]}}, "executor must not have 'slurm_srun_args'"),
        ({"executor": {"slurm_additional_parameters": {}}}, "executor must not have 'slurm_additional_parameters'"),
        ({"executor": {"slurm_comment": "x\ntouch PROOF"}}, "executor: slurm_comment must be a number or a plain word"),
        ({"executor": {"slurm_partition": ["x"]}}, "executor: slurm_partition must be a number or a plain word"),
        ({"data": "/absent"}, "data must be a folder made by meta-nmt-preprocess, but /absent does not exist"),
    ],
)  # fmt: skip
def test_contradictions(tmp_path: Path, data: Path, changed: dict[str, Any], problem: str) -> None:
    assert any(found.startswith(problem) for found in problems(written(tmp_path, data, **changed)))


def test_the_command_prints_a_line_for_each(tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, data, seeds=[], base_tokens=5)
    assert evaluate.main([str(path), "--out", str(tmp_path / "out")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and all(line.startswith(f"meta-nmt-evaluate: error: {path}: ") for line in lines)
    assert not (tmp_path / "out").exists(), "something was written"


@pytest.mark.parametrize("text", ["- a\n- list\n", "a: [1\n", "\xff\xfe"])
def test_what_is_no_experiment(tmp_path: Path, text: str) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match="experiment.yaml(, line 2)?: must be"):
        read_experiment(path)
    with pytest.raises(InputError, match="absent.yaml: must be a YAML file"):
        read_experiment(tmp_path / "absent.yaml")


def test_the_flags_and_parameters_that_experiments_need_pass(tmp_path: Path, data: Path) -> None:
    path = written(
        tmp_path, data,
        train_flags="--lr 1e-3 --warmup-updates=300 --optimizer sgd --momentum .9 --adam-betas '(0.9, 0.98)' --bf16",
        system_flags={"maml": "--inner-optimizer adam --adapt-params all --inner-lr 1.0e-3"},
        adapt_flags="--lr-scheduler polynomial_decay --patience -1", generate_flags="--beam 5 --lenpen 0.6",
        executor={"timeout_min": 600, "slurm_partition": "gpu", "slurm_gres": "gpu:a100:1", "slurm_time": "1-00:00:00"},
    )  # fmt: skip
    assert read_experiment(path).executor["slurm_gres"] == "gpu:a100:1"


def test_a_wrong_value_is_shown_in_few_characters(tmp_path: Path, data: Path) -> None:
    assert all(len(problem) < 200 for problem in problems(written(tmp_path, data, seeds="x" * 10_000)))
