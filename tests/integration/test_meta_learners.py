"""Every meta-learner through the real commands on the embedded languages: it meta-trains a tiny Transformer, goes on
after an interruption as if there had been none, and what it trained adapts and translates."""

import contextlib
import io
import json
import re
import shutil
from functools import lru_cache

import pytest
import torch
from arguments import arguments

from data_prep.synthetic import family
from meta_nmt.cards.model_card import JOINTLY
from meta_nmt.cli import adapt, export, generate, preprocess, train, translate
from meta_nmt.meta_learners import META_LEARNERS
from meta_nmt.models.checkpoints import trained_tokens
from meta_nmt.runs import cost

LEARNED = [name for name, cls in META_LEARNERS.items() if cls.learned_rule]
UPDATES = 12
SMALL = (
    "--arch ulr_transformer_tiny --encoder-layers 1 --decoder-layers 1 --encoder-embed-dim 32 --decoder-embed-dim 32"
)


def command(module, line, **named):
    """The command ends well; its log."""
    log, argv = io.StringIO(), arguments(line, **named)
    with contextlib.redirect_stderr(log):
        status = module.main(argv)
    assert status == 0, f"{argv}: {log.getvalue()[-3000:]}"
    return log.getvalue()


def losses(log):
    """The loss of each update."""
    return [float(x) for x in re.findall(r"train_inner \|.* loss=([\d.]+)", log)]


def falls(values):
    return sum(values[-3:]) < sum(values[:3])


def load(folder):
    return torch.load(folder / "checkpoint_last.pt", weights_only=True)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("learners")
    languages = "--languages qaa,qbb,qav,qbx --sentences 200 --mono-sentences 200"
    command(family, f"--out {{root}}/corpus {languages}", root=root)
    command(
        preprocess,
        "--out {root}/data --corpus {root}/corpus --mono {root}/corpus/mono --dictionaries {root}/corpus/dict "
        "--source-langs qaa,qbb --valid-langs qav --target-langs qbx --english-tokens 500 --sample-seeds 1 "
        "--vocab-size 200 --universal-tokens 200 --vector-dim 16",
        root=root,
    )
    return root / "data"


def meta_train(data, folder, learner, updates, more="", **named):
    if META_LEARNERS[learner].keeps_trajectories:
        more = f"--trajectory-visits 4 --trajectory-tokens 300 {more}"
    line = (
        "{data} --save-dir {folder} --source-langs qaa,qbb --valid-langs qav --meta-learner {learner} "
        "--support-tokens 60 --query-tokens 240 --meta-batch-size 2 --lr 1e-2 --warmup-updates 2 --updates-per-epoch 8 "
        "--save-interval-updates 6 --valid-steps 2 --valid-sample-tokens 200 --num-workers 0 --log-interval 1 "
        f"--max-update {updates} {SMALL} {more}"
    )
    return command(train, line, data=data, folder=folder, learner=learner, **named)


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """learner -> its folder, after an undisturbed run, and the run's log."""

    @lru_cache
    def run(learner):
        folder = tmp_path_factory.mktemp(learner)
        return folder, meta_train(data, folder, learner, UPDATES)

    return run


def assert_same(first, second, where):
    """Equal to the last bit, whatever they are."""
    assert type(first) is type(second), where
    if isinstance(first, dict):
        assert first.keys() == second.keys(), where
        for key, value in first.items():
            assert_same(value, second[key], f"{where} {key}")
    elif isinstance(first, (list, tuple)):
        for i, (one, other) in enumerate(zip(first, second, strict=True)):
            assert_same(one, other, f"{where} {i}")
    else:
        same = torch.equal(first, second) if torch.is_tensor(first) else first == second
        assert same, f"{where}: {first} and {second}"


@pytest.mark.parametrize("learner", META_LEARNERS)
def test_meta_training_lowers_the_loss_and_resumes_to_the_last_bit(data, trained, tmp_path, learner):
    folder, log = trained(learner)
    values = losses(log)
    assert len(values) == UPDATES and falls(values), f"the loss must fall: {values}"
    whole = load(folder)
    meta_train(data, tmp_path, learner, 6)  # in the middle of the first epoch; the second part crosses into the next
    meta_train(data, tmp_path, learner, UPDATES)
    parts = load(tmp_path)
    own = {name for name in whole["model"] if name.startswith("meta_learner.")}
    assert bool(own) == (learner in [*LEARNED, "multi_nmt"])
    assert learner != "multi_nmt" or all(whole["model"][name].any() for name in own), "the rows are trained"
    if not META_LEARNERS[learner].keeps_trajectories:  # they are in no checkpoint (docs/reliability.md)
        assert_same(whole["model"], parts["model"], "model")
        assert_same(whole["last_optimizer_state"], parts["last_optimizer_state"], "optimiser")
    assert trained_tokens(whole) == trained_tokens(parts) > 0, "tokens of both parts count"
    records = cost.read_records(tmp_path)
    assert len(records) == 2 and sum(r["train_tokens"] for r in records) == trained_tokens(parts)


@pytest.mark.parametrize("learner", [name for name, cls in META_LEARNERS.items() if cls.keeps_trajectories])
def test_a_trajectory_is_visited_in_order(data, tmp_path, monkeypatch, learner):
    """Through the trainer, whose iterator shuffles an epoch's batches."""
    visits, taken = [], META_LEARNERS[learner].episode

    def spy(self, episode):
        visit, outcome = episode.visit, taken(self, episode)
        if visit.task in self._kept:
            visits.append((visit.task, *visit.trajectory, self._kept[visit.task].visits))
        return outcome

    monkeypatch.setattr(META_LEARNERS[learner], "episode", spy)
    meta_train(data, tmp_path, learner, 20, "--updates-per-epoch 20")
    for language in ("qaa", "qbb"):
        own = [visit[1:] for visit in visits if visit[0] == language]
        assert own == sorted(own), "one after the other"
        _, *whole, _ = {(epoch, trajectory): number for epoch, trajectory, number in own}.values()
        assert whole and set(whole) == {4}, "--trajectory-visits, but of the first, which begins in the middle"


def fine_tune(data, checkpoint, folder, updates, more):
    line = (
        "{data} --checkpoint {checkpoint} --source-lang qbx --train-subset train-500-s1 --save-dir {folder} "
        "--max-tokens 100 --save-interval-updates 4 --num-workers 0 --log-interval 1 "
        """--eval-bleu-args '{"beam": 1, "max_len_a": 0, "max_len_b": 2}' """
        f"--max-update {updates} {more}"
    )
    return command(adapt, line, data=data, checkpoint=checkpoint, folder=folder)


@pytest.mark.parametrize("learner", META_LEARNERS)
def test_what_was_meta_trained_adapts(data, trained, tmp_path, learner):
    log = fine_tune(data, trained(learner)[0] / "checkpoint_best.pt", tmp_path, 8, "--lr 5e-3")
    assert falls(losses(log)), f"the loss must fall: {losses(log)}"
    assert not any(name.startswith("meta_learner.") for name in load(tmp_path)["model"]), "of no use any more"


@pytest.mark.parametrize("learner", LEARNED)
def test_the_learned_rule_adapts_what_it_was_learnt_for_and_resumes(data, trained, tmp_path, learner):
    meta = trained(learner)[0] / "checkpoint_best.pt"
    log = fine_tune(data, meta, tmp_path / "whole", 8, "--learned-rule")
    assert falls(losses(log)), f"the loss must fall: {losses(log)}"
    fine_tune(data, meta, tmp_path / "parts", 8, "--learned-rule")
    (middle,) = (tmp_path / "parts").glob("checkpoint_*_4.pt")
    shutil.copy(middle, tmp_path / "parts/checkpoint_last.pt")
    fine_tune(data, meta, tmp_path / "parts", 8, "--learned-rule")
    whole, parts = load(tmp_path / "whole"), load(tmp_path / "parts")
    assert_same(whole["model"], parts["model"], "model")
    assert_same(whole["extra_state"]["ULRTranslationTask"], parts["extra_state"]["ULRTranslationTask"], "rule")
    start = torch.load(meta, weights_only=True)["model"]
    moved = {name for name, value in parts["model"].items() if not torch.equal(value, start[name])}
    small = {name for name in moved if re.search(r"norm|\.(bias|transform|residual|queries)$", name)}
    assert moved == small if learner == "lstm" else all(name.startswith("encoder.") for name in moved), moved


def test_rates_that_fall_to_zero_need_to_know_when(data, trained, tmp_path, capfd):
    meta = trained("lslr")[0] / "checkpoint_best.pt"
    line = "{} --checkpoint {} --source-lang qbx --train-subset train-500-s1 --learned-rule --save-dir {}/adapted "
    assert adapt.main(arguments(line + "--max-update 0 --total-num-update 9", data, meta, tmp_path)) == 2
    *_, last = capfd.readouterr().err.strip().splitlines()
    assert last.startswith("meta-nmt-adapt: error: `--max-update` must be above 0"), last
    assert not any(path.is_file() for path in tmp_path.rglob("*")), "something was written"


@pytest.mark.parametrize("learner", LEARNED)
def test_a_checkpoint_with_a_learned_rule_translates(data, trained, tmp_path, capsys, learner):
    checkpoint = trained(learner)[0] / "checkpoint_best.pt"
    text = tmp_path / "text"
    text.write_text("".join((data / "text/qbx-en/test.qbx").read_text().splitlines(keepends=True)[:2]))
    common = "{data} --path {checkpoint} --source-lang qbx --beam 1"
    command(translate, f"{common} --input {{text}}", data=data, checkpoint=checkpoint, text=text)
    assert len(capsys.readouterr().out.splitlines()) == 2
    line = f"{common} --gen-subset valid --max-len-a 0 --max-len-b 2 --results {{folder}}/results"
    command(generate, line, data=data, checkpoint=checkpoint, folder=tmp_path)
    assert json.loads((tmp_path / "results/result.json").read_text())["target"] == "qbx"


def test_a_joint_model_starts_a_learner_with_parameters_of_its_own(data, trained, tmp_path, capsys):
    joint = trained("joint")[0] / "checkpoint_best.pt"
    log = meta_train(data, tmp_path / "a", "meta_sgd", 2, "--finetune-from-model {joint}", joint=joint)
    resets = "--reset-optimizer --reset-lr-scheduler --reset-dataloader --reset-meters"
    assert "starts afresh" in log
    assert losses(log)[0] < losses(trained("joint")[1])[0], "it starts where the joint model ended"
    meta_train(data, tmp_path / "b", "meta_sgd", 2, f"--restore-file {{joint}} {resets}", joint=joint)
    assert_same(load(tmp_path / "a")["model"], load(tmp_path / "b")["model"], "model")


def test_rows_of_source_languages_stay_behind(data, trained, tmp_path):
    """An exported start has no rows of multi_nmt, which no new language could use, and its card says what it is."""
    line = "{data} --path {folder}/checkpoint_best.pt --to meta --out {out}"
    command(export, line, data=data, folder=trained("multi_nmt")[0], out=tmp_path / "multi")
    command(export, line, data=data, folder=trained("meta_sgd")[0], out=tmp_path / "sgd")
    weights = {name: torch.load(tmp_path / name / "meta.pt", weights_only=False)["model"] for name in ("multi", "sgd")}
    own = {name: [key for key in model if key.startswith("meta_learner.")] for name, model in weights.items()}
    assert not own["multi"] and own["sgd"], "a learnt rule goes along"
    card = (tmp_path / "multi/MODEL_CARD.md").read_text("utf-8")
    assert "A Transformer trained jointly for" in card, card
    joint = {name for name, kind in META_LEARNERS.items() if not kind.inner_loop}
    assert joint == {*JOINTLY}, "the cards know all of them"
