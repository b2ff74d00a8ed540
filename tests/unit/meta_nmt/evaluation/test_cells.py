"""From an experiment to its jobs."""

from collections.abc import Mapping, Sequence
from typing import Any

from meta_nmt.evaluation.cells import Choice, Job, Step, filled, fingerprints, plan
from meta_nmt.evaluation.experiment import Experiment

EXPERIMENT = Experiment(
    data="data", source_langs=("aa", "bb"), valid_langs=("cc",), targets=("dd", "ee"),
    systems=("scratch", "transfer", "joint", "fomaml", "maml", "meta_sgd"), parents=("aa", "bb"), budgets=(0, 300),
    seeds=(1, 2), strategies=("emb", "all", "learned"), learning_rates=(5e-4, 1e-3), base_tokens=16_000,
    train_tokens=96_000, inner_steps={"maml": 2}, adapt_flags="--max-update 9", scratch_flags="--max-update 99",
)  # fmt: skip


def changed(**fields: Any) -> Experiment:
    return EXPERIMENT.model_copy(update=fields)


def jobs(steps: Sequence[Step]) -> dict[str, Job]:
    return {step.name: step for step in steps if isinstance(step, Job)}


def marks(e: Experiment, data: str = "data", added: Mapping[str, str] | None = None) -> dict[str, str]:
    return fingerprints(plan(e), data, added or {})


def value(command: Sequence[str], flag: str) -> str:
    return command[command.index(flag) + 1]


def test_every_cell_is_there_once_and_after_what_it_needs() -> None:
    steps = plan(EXPERIMENT)
    cells = [step for step in steps if isinstance(step, Job) and step.results]
    found = [
        tuple(value(job.commands[-1], flag) for flag in
              ("--source-lang", "--system", "--strategy", "--english-tokens", "--seed"))
        for job in cells
    ]  # fmt: skip
    trained = ("transfer", "joint", "fomaml", "maml", "meta_sgd")
    expected = {(target, system, "zero", "0", "1") for target in ("dd", "ee") for system in trained}
    for target in ("dd", "ee"):
        for seed in ("1", "2"):
            expected.add((target, "scratch", "all", "300", seed))
            expected |= {(target, system, s, "300", seed) for system in trained for s in ("emb", "all")}
            expected.add((target, "meta_sgd", "learned", "300", seed))
    assert len(found) == len(set(found)) and set(found) == expected
    before: set[str] = set()
    for step in steps:
        assert set(step.needs) <= before, f"{step.name} comes before what it needs"
        assert step.name not in before, f"{step.name} is there twice"
        before.add(step.name)
    folders = [folder for step in steps if isinstance(step, Job) for folder in step.folders]
    assert len(folders) == len(set(folders)), "two jobs write to one folder"


def test_every_system_gets_the_same_tokens() -> None:
    e, commands = EXPERIMENT, {name: job.commands[0] for name, job in jobs(plan(EXPERIMENT)).items()}
    for name, command in commands.items():
        if name.startswith("train/"):
            steps = int(value(command, "--inner-steps")) if "--inner-steps" in command else 1
            tokens = int(value(command, "--meta-batch-size")) * (
                steps * int(value(command, "--support-tokens")) + int(value(command, "--query-tokens"))
            )
            total = e.base_tokens if name.startswith("train/base") else e.train_tokens
            assert tokens * int(value(command, "--max-update")) == total, name
    assert value(commands["train/maml"], "--max-update") == "4", "two support batches and a query batch: 24,000 a step"
    for system in ("joint", "fomaml", "maml", "meta_sgd"):
        start = value(commands[f"train/{system}"], "--finetune-from-model")
        assert start == "@out@/train/base/checkpoint_last.pt", "all go on from one joint model"
        seeds = [value(commands[name], "--seed") for name in ("train/base", f"train/{system}")]
        assert seeds == ["1", "2"], "and see other episodes than it saw"


def test_transfer_starts_from_the_parent_that_meta_validation_chooses() -> None:
    steps = plan(EXPERIMENT)
    parent = next(step for step in steps if step.name == "parent")
    assert isinstance(parent, Choice) and [o.run for o in parent.options] == ["train/transfer-aa", "train/transfer-bb"]
    for lang in ("aa", "bb"):
        for name in (f"train/base-{lang}", f"train/transfer-{lang}"):
            assert value(jobs(steps)[name].commands[0], "--source-langs") == lang, "a parent is one language alone"
    cell = jobs(steps)["cell/dd-transfer-zero-0-s1"]
    assert cell.needs == ("parent",)
    assert "@out@/@parent.run@/checkpoint_best.pt" in cell.commands[0]
    values = {"out": "o", "parent.run": "train/transfer-bb"}
    assert filled(value(cell.commands[0], "--path"), values) == "o/train/transfer-bb/checkpoint_best.pt"


def test_every_sample_chooses_its_learning_rate() -> None:
    steps = plan(EXPERIMENT)
    found = jobs(steps)
    for system, strategy in (("scratch", "all"), ("joint", "emb"), ("meta_sgd", "all")):
        for seed in ("1", "2"):
            cell = f"dd-{system}-{strategy}-300-s{seed}"
            choice = next(step for step in steps if step.name == f"lr-{cell}")
            assert isinstance(choice, Choice) and [o.label for o in choice.options] == ["0.0005", "0.001"]
            for option in choice.options:
                command = found[option.job].commands[0]
                assert (value(command, "--lr"), value(command, "--seed")) == (option.label, seed)
                assert value(command, "--train-subset") == f"train-300-s{seed}"
                assert found[option.job].folders == (option.run,)
            (command,) = found[f"cell/{cell}"].commands
            assert value(command, "--path") == f"@out@/@lr-{cell}.run@/checkpoint_best.pt"
            assert found[f"cell/{cell}"].needs == (choice.name,)
    learned = found["cell/dd-meta_sgd-learned-300-s1"].commands[0]
    assert "--learned-rule" in learned and "--lr" not in learned and "--strategy" not in learned
    assert value(found["adapted/dd-scratch-all-300-s2-lr0.001"].commands[0], "--max-update") == "99"
    assert value(found["adapted/dd-joint-all-300-s2-lr0.001"].commands[0], "--max-update") == "9"


def test_a_target_may_have_budgets_of_its_own() -> None:
    found = jobs(plan(changed(targets=("cc", "dd"), budgets=(0, 300), target_budgets={"dd": [600]})))
    assert {name.split("-")[-2] for name in found if name.startswith("cell/cc-joint-all")} == {"300"}
    assert {name.split("-")[-2] for name in found if name.startswith("cell/dd-joint-")} == {"600"}, "no zero-shot"


def test_self_training_has_the_adapted_model_as_its_teacher() -> None:
    name = "dd-joint-{}-300-s2"
    both = jobs(plan(changed(budgets=(300,), strategies=("emb_enc", "self"), learning_rates=(1e-3,), self_train=70)))
    job = both["cell/" + name.format("self")]
    teacher = name.format("emb_enc")
    adaptation, translation = job.commands
    assert value(adaptation, "--strategy") == "emb_enc" and value(adaptation, "--self-train") == "70"
    assert value(adaptation, "--teacher") == f"@out@/adapted/{teacher}/checkpoint_best.pt"
    assert f"cell/{teacher}" in job.needs and value(translation, "--strategy") == "self"
    assert "--self-train" not in both[f"cell/{teacher}"].commands[0]
    alone = jobs(plan(changed(budgets=(300,), strategies=("self",), learning_rates=(1e-3,))))
    job = alone["cell/" + name.format("self")]
    assert "--teacher" not in job.commands[0] and value(job.commands[0], "--self-train") == "5000"
    assert not any(need.startswith("cell/") for need in job.needs), "it adapts a teacher itself"


def test_a_budget_may_have_flags_of_its_own() -> None:
    found = jobs(plan(changed(budgets=(300, 600), budget_flags={600: "--max-update 18"})))
    for budget, updates in ((300, "9"), (600, "18")):
        command = found[f"adapted/dd-joint-all-{budget}-s2-lr0.001"].commands[0]
        assert command[-1] == updates and command[-2] == "--max-update", "the last one counts"
        scratch = found[f"adapted/dd-scratch-all-{budget}-s2-lr0.001"].commands[0]
        assert value(scratch, "--max-update") == "99"


def test_samples_start_from_repeated_trainings_in_turn() -> None:
    e = changed(trainings=2, seeds=(1, 2, 3), learning_rates=(5e-4,))
    found = jobs(plan(e))
    first, again = (found[f"train/{name}"].commands[0] for name in ("joint", "joint-2"))
    own = ("--save-dir", "--seed")
    assert [value(first, flag) for flag in own] == ["@out@/train/joint", "2"]
    assert [value(again, flag) for flag in own] == ["@out@/train/joint-2", "3"]
    without = [[w for w in c if w not in [value(c, flag) for flag in own]] for c in (first, again)]
    assert without[0] == without[1], "nothing else differs"
    for seed, run in ((1, "joint"), (2, "joint-2"), (3, "joint")):
        cell = found[f"cell/dd-joint-emb-300-s{seed}"]
        assert value(cell.commands[0], "--checkpoint") == f"@out@/train/{run}/checkpoint_best.pt"
        assert cell.needs == (f"train/{run}",)
    zero = [found[f"cell/dd-joint-zero-0-s{run}"] for run in (1, 2)]
    assert [job.needs for job in zero] == [("train/joint",), ("train/joint-2",)]
    assert "cell/dd-transfer-zero-0-s2" not in found and "train/transfer-aa-2" not in found, "a parent is chosen once"
    assert marks(e)["train/joint"] == marks(EXPERIMENT)["train/joint"]


def test_one_learning_rate_needs_no_choice() -> None:
    steps = plan(changed(learning_rates=(5e-4,), systems=("joint",), parents=(), base_tokens=0))
    assert not [step for step in steps if isinstance(step, Choice)]
    assert "--finetune-from-model" not in jobs(steps)["train/joint"].commands[0]
    cells = [job for job in jobs(steps).values() if job.results and job.model]
    assert len(cells) == 8 and all(len(job.commands) == 2 for job in cells)


def test_a_change_marks_what_it_concerns() -> None:
    before = marks(EXPERIMENT)
    after = marks(changed(system_flags={"maml": "--inner-lr 0.2"}, seeds=(1, 2, 3)))
    different = {name for name in before if after[name] != before[name]}
    assert different == {name for name in before if "maml" in name and "fomaml" not in name}
    assert set(after) > set(before), "more seeds are more jobs"
    other = marks(EXPERIMENT, "other data")
    assert all(other[name] != before[name] for name in before), "other data change everything"
    with_ee = marks(EXPERIMENT, added={"ee": "a card"})
    different = {name for name in before if with_ee[name] != before[name]}
    assert different == {n for n in before if "/ee-" in n or n.startswith("lr-ee-")}, "its cells, and what they choose"
    assert with_ee != marks(EXPERIMENT, added={"ee": "another card"})
