"""Meta-learners on the few-shot tasks of their papers: sinusoid regression and N-way K-shot Omniglot.

    python -m benchmarks.few_shot [--task sinusoid|omniglot] [--learner NAME|all] [--ways 5] [--shots 1] [--seed 1]
                                  [--data DIR] [--steps N] [--episodes 600] [--filters 16]
                                  [--start random|joint] [--json FILE]

Every learner is the project's own class, run over stacks of tasks (few_shot_models.py); joint and the two scratch
systems are fine-tuned on the support set, with the rate and number of steps that did best on validation tasks.
Each row is the mean over the test episodes with its 95 % confidence interval: accuracy in percent, or the mean squared
error; seconds are those of meta-training and testing.

Batch normalisation takes the statistics of the batch, query set included, in meta-training and at test (the MAML
paper's code); for the LSTM those of the support set alone at test, and nothing is carried from one batch to the next.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from benchmarks.few_shot_data import Batch, Characters, Sinusoids, moved, read_omniglot
from benchmarks.few_shot_models import ConvNet, Regressor, stack
from data_prep.errors import InputError, OneLineParser, run_command
from meta_nmt.meta_learners import META_LEARNERS, MetaLearner, MetaLearnerSettings
from meta_nmt.meta_learners.base import META_PREFIX
from meta_nmt.meta_learners.inner_loop import SGD, Adam, Parameters, UpdateRule

Tasks = Sinusoids | Characters
Network = ConvNet | Regressor


@dataclass(frozen=True)
class Plan:
    """How one system is trained and tested.

    rule: of the inner steps; steps: their number in meta-training; test_steps: numbers to choose from at test, on
    validation tasks; rules: of fine-tuning, to choose from likewise; updates: of theta; tasks: a meta-step; stacked:
    of them in one episode (the LSTM's loss input is one task's, so 1); lr: the outer Adam's, falling to 0 by a
    half cosine; shots: of the training tasks, where not those of the test; minibatch: inputs that an inner step
    sees in meta-training (0: the whole support set).
    """

    rule: UpdateRule = SGD(0.4)
    steps: int = 1
    test_steps: tuple[int, ...] = (1, 3, 5, 10)
    rules: tuple[UpdateRule, ...] = ()
    updates: int = 1500
    tasks: int = 4
    stacked: int = 4
    lr: float = 1e-2
    shots: int = 0
    minibatch: int = 0


SGD_RULES, ADAM_RULES = (SGD(0.01), SGD(0.1)), (Adam(1e-3), Adam(1e-2))
FINE_TUNED = Plan(updates=0, test_steps=(5, 20))
OMNIGLOT = {
    "scratch-sgd": replace(FINE_TUNED, rules=SGD_RULES),
    "scratch-adam": replace(FINE_TUNED, rules=ADAM_RULES),
    "joint": replace(FINE_TUNED, rules=SGD_RULES + ADAM_RULES, updates=3000, tasks=1, stacked=1, lr=5e-3),
    "fomaml": Plan(steps=3, updates=800),
    "maml": Plan(),
    "reptile": Plan(rule=SGD(0.1), steps=5, test_steps=(5, 10, 20), shots=10, minibatch=10, updates=800),
    "anil": Plan(steps=3, updates=800),
    "meta_sgd": Plan(updates=800),
    "lstm": Plan(steps=3, test_steps=(3, 5, 10), stacked=1, tasks=2, updates=2500),
}
ONE_STEP = Plan(rule=SGD(0.01), test_steps=(1,), updates=20_000, tasks=25, stacked=25, lr=2e-3)
SINUSOID = {
    "scratch-sgd": replace(ONE_STEP, updates=0, rules=(SGD(0.001), SGD(0.01), SGD(0.1))),
    "scratch-adam": replace(ONE_STEP, updates=0, rules=(Adam(1e-3), Adam(1e-2), Adam(1e-1))),
    "joint": replace(ONE_STEP, rules=(SGD(0.001), SGD(0.003), SGD(0.01), SGD(0.03), SGD(0.1)), tasks=1, stacked=1),
    "fomaml": ONE_STEP,
    "maml": ONE_STEP,
    "reptile": replace(ONE_STEP, steps=5, minibatch=5),
    "anil": ONE_STEP,
    "meta_sgd": ONE_STEP,
    "lstm": replace(ONE_STEP, updates=2000, tasks=10, stacked=1),
}
PLANS = {"sinusoid": SINUSOID, "omniglot": OMNIGLOT}
VALIDATION_EPISODES = 72
TEST_STACK = 24  # tasks
TEST_SEED = 10_000  # plus the seed
TRAIN_QUERIES, TEST_QUERIES = 5, 10  # drawings a class
JITTER = 2  # pixels that a training drawing is moved by at most
MOST_SHOTS = 20 - TEST_QUERIES
KEYS = ("learner", "task", "ways", "shots", "filters", "start", "seed")  # of a row: one run


@dataclass(frozen=True)
class Setting:
    """What is learnt from: tasks by side, the network, what joint training trains and sees, and what is measured."""

    sides: dict[str, Tasks]
    network: Network
    joint_network: Network
    joint_batch: Callable[[torch.Generator], Batch]
    measure: str


def sinusoid_setting(shots: int) -> Setting:
    sides = {side: Sinusoids(shots, queries) for side, queries in {"train": 10, "valid": 100, "test": 100}.items()}

    def joint_batch(generator: torch.Generator) -> Batch:
        """Points of 25 sinusoids, as one regression."""
        support, query = sides["train"].draw(25, generator)
        return Batch(*(torch.cat(pair, 1).reshape(1, -1, 1) for pair in zip(support[:2], query[:2], strict=True)))

    return Setting(sides, Regressor(), Regressor(), joint_batch, "mse")


def omniglot_setting(folder: Path, ways: int, shots: int, filters: int) -> Setting:
    """Joint training is a classifier over all training classes, turned and mirrored ones included."""
    images = read_omniglot(folder)
    sides = {side: Characters(images[side], ways, shots, TEST_QUERIES) for side in images}
    sides["train"] = replace(sides["train"], queries=TRAIN_QUERIES, jitter=JITTER)
    classes, drawings = images["train"].shape[:2]

    def joint_batch(generator: torch.Generator) -> Batch:
        labels = torch.randint(classes, (1, 128), generator=generator)
        drawn = images["train"][labels, torch.randint(drawings, labels.shape, generator=generator)]
        return Batch(moved(drawn, JITTER, generator), labels)

    return Setting(sides, ConvNet(ways, filters), ConvNet(classes, filters), joint_batch, "accuracy")


def make_learner(name: str, rule: UpdateRule, theta: Parameters) -> MetaLearner:
    """The learner NAME of the package, over all parameters of theta; the head is the last linear layer."""
    settings = MetaLearnerSettings(rule, alpha=rule.alpha, head=r"(head|layer2)\..*")  # type: ignore[attr-defined]
    return META_LEARNERS[name](settings, theta, list(theta))


def inner_batches(support: Batch, steps: int, size: int, generator: torch.Generator) -> list[Batch]:
    """The support set for each inner step, or ``size`` of its inputs at random."""
    if not size:
        return [support] * steps
    picks = [torch.randperm(support.inputs.shape[1], generator=generator)[:size] for _ in range(steps)]
    return [Batch(support.inputs[:, pick], support.targets[:, pick]) for pick in picks]


def add_gradients(gradients: Parameters, theta: Parameters, learner: MetaLearner, weight: float) -> None:
    """Adds an episode's gradients to ``.grad``; those of theta are a stack, one row a task."""
    for name, gradient in gradients.items():
        if name.startswith(META_PREFIX):
            parameter = learner.get_parameter(name.removeprefix(META_PREFIX))
        else:
            parameter, gradient = theta[name], gradient.sum(0)
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        parameter.grad.add_(gradient, alpha=weight)


def meta_train(
    learner: MetaLearner, network: Network, theta: Parameters, plan: Plan, episode: Callable[[], Any], label: str
) -> None:
    """``plan.updates`` steps of Adam on theta and on what the learner learns itself. ``episode()`` is a stack of
    tasks: lists of support and query batches."""
    optimizer = torch.optim.Adam([*theta.values(), *learner.parameters()], lr=plan.lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, plan.updates))
    for _ in tqdm(range(plan.updates), desc=label, disable=not sys.stderr.isatty()):
        for _ in range(plan.tasks // plan.stacked):
            copies = stack(theta, plan.stacked)
            result = learner.episode(network.loss, copies, list(copies), *episode())
            add_gradients(result.gradients, theta, learner, 1 / plan.tasks)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()


def evaluate(
    learner: MetaLearner,
    network: Network,
    theta: Parameters,
    tasks: Tasks,
    episodes: int,
    steps: int,
    stacked: int,
    generator: torch.Generator,
    support_statistics: bool = False,
) -> Tensor:
    """Scores of ``episodes`` tasks after ``steps`` inner steps, (episodes,)."""
    scores: list[Tensor] = []
    for start in tqdm(range(0, episodes, stacked), desc="episodes", leave=False, disable=not sys.stderr.isatty()):
        support, query = tasks.draw(min(stacked, episodes - start), generator)
        copies = stack(theta, len(support.inputs))
        theta_prime = learner.adapt(network.loss, copies, list(copies), [support] * steps).theta_prime
        with torch.no_grad():
            predicted = network(theta_prime, query.normalised_by(support) if support_statistics else query)
        scores.append(network.score(predicted, query.targets))
    return torch.cat(scores)


def tune(
    name: str, learner: MetaLearner, plan: Plan, setting: Setting, theta: Parameters, seed: int
) -> tuple[MetaLearner, int]:
    """The fine-tuning rule and the number of inner steps that do best on validation tasks."""

    def badness(choice: tuple[MetaLearner, int]) -> float:
        scores = score_tasks(name, *choice, setting, theta, "valid", VALIDATION_EPISODES, seed)
        return float(scores.mean()) * (1 if setting.measure == "mse" else -1)

    learners = [make_learner("joint", rule, theta) for rule in plan.rules] or [learner]
    choices = [(candidate, steps) for candidate in learners for steps in plan.test_steps]
    return choices[0] if len(choices) == 1 else min(choices, key=badness)


def score_tasks(
    name: str,
    learner: MetaLearner,
    steps: int,
    setting: Setting,
    theta: Parameters,
    side: str,
    episodes: int,
    seed: int,
) -> Tensor:
    """Scores of tasks of one side, the same for every system."""
    alone = name == "lstm"  # its loss input is one task's; and its statistics are the support set's
    generator, stacked = torch.Generator().manual_seed(TEST_SEED + seed), 1 if alone else TEST_STACK
    return evaluate(learner, setting.network, theta, setting.sides[side], episodes, steps, stacked, generator, alone)


def train_jointly(setting: Setting, plan: Plan, generator: torch.Generator) -> Parameters:
    """theta of a network that was trained on all training classes, or all tasks, at once; with a fresh head."""
    theta = setting.joint_network.start(generator)
    learner = make_learner("joint", plan.rule, theta)
    meta_train(
        learner, setting.joint_network, theta, plan, lambda: ([setting.joint_batch(generator)], []), "joint training"
    )
    return theta | {name: p.requires_grad_() for name, p in setting.network.head().items()}


def run(
    name: str, plan: Plan, setting: Setting, seed: int, episodes: int, jointly: Plan | None = None
) -> dict[str, Any]:
    """Trains and tests one system: its row, less what the command line says. ``jointly``: how its start is trained
    jointly, if it is."""
    torch.manual_seed(seed)  # the LSTM's own weights
    generator, start = torch.Generator().manual_seed(seed), time.perf_counter()
    theta = train_jointly(setting, jointly, generator) if jointly else setting.network.start(generator)
    learner = make_learner("joint" if plan.rules else name, plan.rule, theta)
    train = setting.sides["train"]
    train = replace(train, shots=plan.shots or train.shots)

    def episode() -> tuple[list[Batch], list[Batch]]:
        support, query = train.draw(plan.stacked, generator)
        return inner_batches(support, plan.steps, plan.minibatch, generator), [query]

    if not plan.rules:
        meta_train(learner, setting.network, theta, plan, episode, name)
    learner, steps = tune(name, learner, plan, setting, theta, seed)
    scores = score_tasks(name, learner, steps, setting, theta, "test", episodes, seed)
    return {
        setting.measure: round(float(scores.mean()), 3),
        "ci95": round(1.96 * float(scores.std()) / math.sqrt(len(scores)), 3),
        "seed": seed,
        "seconds": round(time.perf_counter() - start, 1),
        "updates": plan.updates,
        "inner_rule": str(learner.settings.rule),
        "inner_steps": steps,
    }


def save_row(path: Path, row: dict[str, Any]) -> None:
    """Puts the row into the JSON list at ``path``, in place of one of the same run; atomic.

    Raises:
        InputError: the file is there, but is no list of rows.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
        rows = [old for old in rows if any(old[key] != row[key] for key in KEYS)]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"--json: must name a list of rows, but {path} is not: {error}") from None
    partial = path.with_name(path.name + ".partial")
    lines = ",\n ".join(json.dumps(r) for r in [*rows, row])
    partial.write_text(f"[{lines}]\n", encoding="utf-8")
    os.replace(partial, path)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = OneLineParser(prog="few_shot", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--task", choices=PLANS, default="omniglot", help="what is learnt")
    parser.add_argument("--learner", choices=[*OMNIGLOT, "all"], default="all", help="system")
    parser.add_argument("--ways", type=int, default=5, help="classes of an Omniglot task")
    parser.add_argument(
        "--shots", type=int, help="examples a class (default: 1), or points of a sinusoid (default: 10)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the initial weights and of the tasks")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/omniglot"), help="folder of Omniglot's zips")
    parser.add_argument("--steps", type=int, help="updates of theta, instead of the system's own number")
    parser.add_argument("--episodes", type=int, default=600, help="test tasks")
    parser.add_argument("--filters", type=int, default=16, help="of each convolution; the paper has 64")
    parser.add_argument("--start", choices=["random", "joint"], default="random", help="theta before meta-training")
    parser.add_argument("--json", type=Path, help="file that the rows are put into")
    args = parser.parse_args(argv)
    if args.shots is None:
        args.shots = 10 if args.task == "sinusoid" else 1
    for flag, least in {"ways": 2, "shots": 1, "episodes": 2, "filters": 1, "steps": 0}.items():
        value = getattr(args, flag)
        if value is not None and value < least:
            parser.error(f"--{flag} must be at least {least}, but is {value}")
    meta_trained = [name for name, plan in OMNIGLOT.items() if not plan.rules]
    if args.start == "joint" and (args.task != "omniglot" or args.learner not in meta_trained):
        parser.error(
            f"--start joint needs --task omniglot and --learner {', '.join(meta_trained)}, "
            f"but has {args.task} and {args.learner}"
        )
    if args.task == "omniglot" and args.shots > MOST_SHOTS:
        parser.error(f"--shots must be at most {MOST_SHOTS}, since a character has 20 drawings, but is {args.shots}")
    return args


def run_all(argv: Sequence[str] | None = None) -> int:
    args = parse(argv)
    if args.task == "sinusoid":
        setting = sinusoid_setting(args.shots)
    else:
        setting = omniglot_setting(args.data, args.ways, args.shots, args.filters)
    for name in OMNIGLOT if args.learner == "all" else [args.learner]:
        plan = PLANS[args.task][name]
        if args.steps is not None and plan.updates:
            plan = replace(plan, updates=args.steps)
        ways = args.ways if args.task == "omniglot" else None
        row = {"learner": name, "task": args.task, "ways": ways, "shots": args.shots}
        row["filters"] = args.filters if args.task == "omniglot" else None
        row["start"] = args.start
        if args.start == "joint":
            plan = replace(plan, rule=SGD(0.1), steps=3, lr=1e-3)  # smaller steps: theta is trained already
        jointly = {"joint": plan}.get(name, PLANS[args.task]["joint"] if args.start == "joint" else None)
        row |= run(name, plan, setting, args.seed, args.episodes, jointly)
        print(json.dumps(row), flush=True)
        if args.json:
            save_row(args.json, row)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    return run_command(run_all, argv, prog="few_shot")


if __name__ == "__main__":
    raise SystemExit(main())
