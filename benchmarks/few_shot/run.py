"""Meta-learners on the few-shot tasks of their papers: sinusoid regression and N-way K-shot Omniglot.

    python -m benchmarks.few_shot [--task sinusoid|omniglot] [--learner NAME|all] [--ways 5] [--shots 1] [--seed 1]
                                  [--data DIR] [--split test|valid] [--episodes 600] [--filters 16] [--json FILE]
                                  [--start random|joint] [--steps N] [--lr X] [--tasks N] [--inner-lr X]
                                  [--inner-steps N] [--train-statistics query|support] [--jitter 2]
                                  [--user-dir FILE|DIR]

Every learner is the project's own class, run over stacks of tasks (models.py). The system joint and the two scratch
systems are fine-tuned on the support set, with a rate and a number of steps chosen on validation tasks. Compare
settings with --split valid, which uses no test task. Each row has the mean over the episodes with its 95 % confidence
interval: accuracy in percent, or the mean squared error. Seconds are of training and testing.

Each Omniglot run gives a row for each set whose statistics normalise the query set at test:
query    the query set itself, which so helps to classify itself (the MAML paper's code)
support  the support set alone (Ravi and Larochelle 2017 at meta-test)
running  joint only: the training drawings, in fine-tuning too (Ravi and Larochelle's fine-tuned baseline)
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import math
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from benchmarks.few_shot import plans
from benchmarks.few_shot.data import Batch, Characters, Sinusoids, moved, read_omniglot
from benchmarks.few_shot.models import ConvNet, Regressor, stack
from benchmarks.few_shot.plans import OMNIGLOT, PLANS, Plan
from data_prep.base import extensions
from data_prep.base.command_line import OneLineParser, run_command
from data_prep.base.errors import InputError
from meta_nmt.meta_learners import INNER_OPTIMIZERS, META_LEARNERS, META_PREFIX, Episode, MetaLearner
from meta_nmt.meta_learners.inner_loop import SGD, Parameters, UpdateRule

Tasks = Sinusoids | Characters
Network = ConvNet | Regressor


PROG = "python -m benchmarks.few_shot"
VALIDATION_EPISODES = 72
FINE_TUNING = "fomaml"  # the learner whose adaptation at meta-test is plain fine-tuning by its inner rule
TEST_STACK = 24  # tasks of a stack at test
TEST_SEED = 10_000  # the tasks of a test are drawn with this number plus the seed of the run
TRAIN_QUERIES, TEST_QUERIES = 5, 10  # drawings a class
MOST_SHOTS = 20 - TEST_QUERIES
JOINT_BATCH = 128  # drawings of a batch in joint training
LEAST = {"ways": 2, "shots": 1, "episodes": 2, "filters": 1, "jitter": 0, "steps": 0, "tasks": 1, "inner-steps": 1}
POPULATION = 2048  # training drawings from which the running statistics are taken
RESULTS = {"accuracy", "mse", "ci95", "seconds", "valid", "inner_rule", "inner_steps"}  # other fields name the run


@dataclass(frozen=True)
class Setting:
    """What is learnt and measured.

    sides: the tasks of each side: train, valid, test.
    network: the network that learns the tasks.
    joint_network, joint_batch: the network that joint training trains, and a function that draws its batches.
    measure: "accuracy" or "mse".
    statistics: the sets whose statistics of batch normalisation are tried at test.
    """

    sides: dict[str, Tasks]
    network: Network
    joint_network: Network
    joint_batch: Callable[[torch.Generator], Batch]
    measure: str
    statistics: tuple[str, ...] = ("none",)


def sinusoid_setting(shots: int) -> Setting:
    sides = {side: Sinusoids(shots, queries) for side, queries in {"train": 10, "valid": 100, "test": 100}.items()}

    def joint_batch(generator: torch.Generator) -> Batch:
        """A batch of the points of 25 sinusoids, as one regression."""
        support, query = sides["train"].draw(25, generator)
        return Batch(*(torch.cat(pair, 1).reshape(1, -1, 1) for pair in zip(support[:2], query[:2], strict=True)))

    return Setting(sides, Regressor(), Regressor(), joint_batch, "mse")


def omniglot_setting(folder: Path, ways: int, shots: int, filters: int, jitter: int) -> Setting:
    """The setting of Omniglot.

    Joint training trains a classifier of all training classes, turned and mirrored ones included.

    jitter: most pixels by which a training drawing is moved.
    """
    images = read_omniglot(folder)
    sides = {side: Characters(images[side], ways, shots, TEST_QUERIES) for side in images}
    sides["train"] = replace(sides["train"], queries=TRAIN_QUERIES, jitter=jitter)
    classes, drawings = images["train"].shape[:2]

    def joint_batch(generator: torch.Generator) -> Batch:
        labels = torch.randint(classes, (1, JOINT_BATCH), generator=generator)
        drawn = images["train"][labels, torch.randint(drawings, labels.shape, generator=generator)]
        return Batch(moved(drawn, jitter, generator), labels)

    networks = ConvNet(ways, filters), ConvNet(classes, filters)
    return Setting(sides, *networks, joint_batch, "accuracy", ("query", "support"))


def make_learner(name: str, rule: UpdateRule, theta: Parameters) -> MetaLearner:
    """The learner of a registered name, over all parameters of theta; the head is the last linear layer."""
    kind = META_LEARNERS[name]
    (optimizer,) = [name for name, rules in INNER_OPTIMIZERS.items() if isinstance(rule, rules)]  # type: ignore[arg-type]
    settings = {"inner_optimizer": optimizer, "inner_lr": rule.alpha, "head_params": r"(head|layer2)\..*"}  # type: ignore[attr-defined]
    return kind(kind.settings_type.fitting(settings), theta, list(theta))


def inner_batches(support: Batch, steps: int, size: int, generator: torch.Generator) -> list[Batch]:
    """A batch for each inner step: the support set, or ``size`` of its inputs at random if ``size`` is not 0."""
    if not size:
        return [support] * steps
    picks = [torch.randperm(support.inputs.shape[1], generator=generator)[:size] for _ in range(steps)]
    return [Batch(support.inputs[:, pick], support.targets[:, pick]) for pick in picks]


def add_gradients(gradients: Parameters, theta: Parameters, learner: MetaLearner, weight: float) -> None:
    """Add an episode's gradients, times ``weight``, to ``.grad``; those of theta are a stack, summed over its tasks."""
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
    """Train theta, and what the learner learns itself, by ``plan.updates`` steps of Adam.

    ``episode()`` gives a stack of tasks: a list of support batches and a list of query batches.
    """
    optimizer = torch.optim.Adam([*theta.values(), *learner.parameters()], lr=plan.lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, plan.updates))
    for _ in tqdm(range(plan.updates), desc=label, disable=not sys.stderr.isatty()):
        for _ in range(plan.tasks // plan.stacked):
            copies = stack(theta, plan.stacked)
            outcome = learner.episode(Episode(network.loss, copies, list(copies), *episode()))
            add_gradients(outcome.gradients, theta, learner, 1 / plan.tasks)
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
    statistics: Sequence[str],
) -> dict[str, Tensor]:
    """The scores (episodes,) of tasks after ``steps`` inner steps, for each of ``statistics``."""
    scores: dict[str, list[Tensor]] = {kind: [] for kind in statistics}
    for start in tqdm(range(0, episodes, stacked), desc="episodes", leave=False, disable=not sys.stderr.isatty()):
        support, query = tasks.draw(min(stacked, episodes - start), generator)
        copies = stack(theta, len(support.inputs))
        theta_prime = learner.adapt(Episode(network.loss, copies, list(copies), [support] * steps)).theta_prime
        for kind in statistics:
            with torch.no_grad():
                predicted = network(theta_prime, query.normalised_by(support) if kind == "support" else query)
            scores[kind].append(network.score(predicted, query.targets))
    return {kind: torch.cat(parts) for kind, parts in scores.items()}


@dataclass(frozen=True)
class Tested:
    """The test of one system.

    scores: (episodes,) with the rule and the number of inner steps that were best on validation tasks.
    valid: the mean score on validation tasks.
    """

    scores: Tensor
    valid: float
    rule: UpdateRule
    steps: int


def test(
    learners: Mapping[UpdateRule, MetaLearner],
    plan: Plan,
    network: Network,
    statistics: Sequence[str],
    setting: Setting,
    theta: Parameters,
    split: str,
    episodes: int,
    seed: int,
) -> dict[str, Tested]:
    """Test a system on ``episodes`` tasks of a side, which are the same for every system; returns a test by statistics.

    The rule and the number of inner steps are chosen on validation tasks, for each of ``statistics`` alone.
    """

    @functools.cache
    def score(choice: tuple[MetaLearner, int], side: str, episodes: int) -> dict[str, Tensor]:
        stacked = 1 if plan.stacked == 1 and not plan.rules else TEST_STACK
        generator = torch.Generator().manual_seed(TEST_SEED + seed)
        tasks, (learner, steps) = setting.sides[side], choice
        return evaluate(learner, network, theta, tasks, episodes, steps, stacked, generator, statistics)

    def valid(choice: tuple[MetaLearner, int], kind: str) -> float:
        return float(score(choice, "valid", VALIDATION_EPISODES)[kind].mean())

    tested, best = {}, min if setting.measure == "mse" else max
    for kind in statistics:
        choices = itertools.product(learners.values(), plan.test_steps)
        choice = best(choices, key=functools.partial(valid, kind=kind))
        rule = next(rule for rule, learner in learners.items() if learner is choice[0])
        tested[kind] = Tested(score(choice, split, episodes)[kind], valid(choice, kind), rule, choice[1])
    return tested


def train_jointly(setting: Setting, plan: Plan, generator: torch.Generator) -> Parameters:
    """The theta of a network that is trained on all training classes, or all tasks, at once; its head is a new one."""
    theta = setting.joint_network.start(generator)
    learner = make_learner("joint", plan.rule, theta)
    meta_train(
        learner, setting.joint_network, theta, plan, lambda: ([setting.joint_batch(generator)], []), "joint training"
    )
    return theta | {name: p.requires_grad_() for name, p in setting.network.head().items()}


def run(
    name: str,
    plan: Plan,
    setting: Setting,
    seed: int,
    episodes: int,
    jointly: Plan | None = None,
    split: str = "test",
) -> list[dict[str, Any]]:
    """Train and test one system; returns a row for each of the statistics, without the fields of the command line.

    ``jointly``: the plan by which its initial theta is trained jointly; None: a random start.
    """
    torch.manual_seed(seed)  # the LSTM's own weights
    generator, start = torch.Generator().manual_seed(seed), time.perf_counter()
    theta = train_jointly(setting, jointly, generator) if jointly else setting.network.start(generator)
    train = setting.sides["train"]
    train = replace(train, shots=plan.shots or train.shots)

    def episode() -> tuple[list[Batch], list[Batch]]:
        support, query = train.draw(plan.stacked, generator)
        if plan.statistics == "support":
            query = query.normalised_by(support)
        return inner_batches(support, plan.steps, plan.minibatch, generator), [query]

    if plan.rules:
        learners = {rule: make_learner(FINE_TUNING, rule, theta) for rule in plan.rules}
    else:
        learners = {plan.rule: make_learner(name, plan.rule, theta)}
        meta_train(learners[plan.rule], setting.network, theta, plan, episode, name)
    where = (setting, theta, split, episodes, seed)
    tested = test(learners, plan, setting.network, setting.statistics, *where)
    if jointly and plan.rules and isinstance(setting.network, ConvNet):
        population = torch.cat([setting.joint_batch(generator).inputs for _ in range(POPULATION // JOINT_BATCH)], 1)
        tested |= test(learners, plan, setting.network.remember(theta, population), ["running"], *where)
    seconds = round(time.perf_counter() - start, 1)
    return [
        {
            "split": split,
            "statistics": kind,
            setting.measure: round(float(scored.scores.mean()), 3),
            "ci95": round(1.96 * float(scored.scores.std()) / math.sqrt(episodes), 3),
            "seed": seed,
            "seconds": seconds,
            "valid": round(scored.valid, 3),
            "inner_rule": str(scored.rule),
            "inner_steps": scored.steps,
            "updates": plan.updates,
            "lr": plan.lr,
            "tasks": plan.tasks,
            "train_rule": None if plan.rules else str(plan.rule),
            "train_steps": None if plan.rules else plan.steps,
            "train_statistics": plan.statistics,
        }
        for kind, scored in tested.items()
    ]


def save_row(path: Path, row: dict[str, Any]) -> None:
    """Write a row into the JSON list at ``path``, in place of a row of the same run, atomically.

    Raises:
        InputError: the file exists, but is no list of rows.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
        rows = [old for old in rows if any(old.get(key) != row[key] for key in row.keys() - RESULTS)]
    except (ValueError, AttributeError) as error:
        raise InputError(f"--json: must name a list of rows, but {path} is not: {error}") from None
    partial = path.with_name(path.name + ".partial")
    lines = ",\n ".join(json.dumps(r) for r in [*rows, row])
    partial.write_text(f"[{lines}]\n", encoding="utf-8")
    os.replace(partial, path)


def systems(argv: Sequence[str]) -> list[str]:
    """The names that `--learner` may have, those with a plan first; loads a user's own learners (`--user-dir`)."""
    early = OneLineParser(prog=PROG, add_help=False, allow_abbrev=False)
    early.add_argument("--user-dir")
    user_dir, known = early.parse_known_args(argv)[0].user_dir, set(META_LEARNERS)
    if user_dir is not None:
        extensions.load(user_dir)
    registered = [name for name in META_LEARNERS if name not in known]
    meta = [name for name, kind in META_LEARNERS.items() if kind.inner_loop]
    return list(dict.fromkeys([*OMNIGLOT, *registered, *meta]))


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command's options; SystemExit(2) with one line on bad usage."""
    learners = systems(sys.argv[1:] if argv is None else argv)
    parser = OneLineParser(prog=PROG, description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--task", choices=PLANS, default="omniglot", help="what is learnt")
    parser.add_argument("--learner", choices=[*learners, "all"], default="all", help="system")
    parser.add_argument("--user-dir", metavar="PATH", help="a Python file or package that registers learners")
    parser.add_argument("--ways", type=int, default=5, help="classes of an Omniglot task")
    parser.add_argument(
        "--shots", type=int, help="examples a class (default: 1), or points of a sinusoid (default: 10)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the initial weights and of the tasks")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/omniglot"), help="folder of Omniglot's zips")
    parser.add_argument("--split", choices=["test", "valid"], default="test", help="side of the episodes")
    parser.add_argument("--episodes", type=int, default=600, help="tasks to measure on")
    parser.add_argument("--filters", type=int, default=16, help="of each convolution; the paper has 64")
    parser.add_argument("--jitter", type=int, default=2, help="pixels that a training drawing is moved by at most")
    parser.add_argument("--start", choices=["random", "joint"], default="random", help="theta before meta-training")
    overrides = parser.add_argument_group("instead of the system's own")
    overrides.add_argument("--steps", type=int, dest="updates", help="updates of theta")
    overrides.add_argument("--lr", type=float, help="outer rate")
    overrides.add_argument("--tasks", type=int, help="tasks of a meta-step")
    overrides.add_argument("--inner-lr", type=float, help="inner rate in meta-training")
    overrides.add_argument("--inner-steps", type=int, dest="steps", help="inner steps in meta-training")
    overrides.add_argument(
        "--train-statistics",
        choices=["query", "support"],
        dest="statistics",
        help="that normalise the query set in meta-training",
    )
    parser.add_argument("--json", type=Path, help="file that the rows are put into")
    args = parser.parse_args(argv)
    if args.shots is None:
        args.shots = 10 if args.task == "sinusoid" else 1
    for flag, least in LEAST.items():
        value = getattr(args, {"steps": "updates", "inner-steps": "steps"}.get(flag, flag))
        if value is not None and value < least:
            parser.error(f"--{flag} must be at least {least}, but is {value}")
    for flag, value in {"lr": args.lr, "inner-lr": args.inner_lr}.items():
        if value is not None and not value > 0:
            parser.error(f"--{flag} must be above 0, but is {value:g}")
    meta_trained = [name for name in learners if not plans.plan_of("omniglot", name).rules]
    if args.start == "joint" and (args.task != "omniglot" or args.learner not in meta_trained):
        parser.error(
            f"--start joint needs --task omniglot and --learner {', '.join(meta_trained)}, "
            f"but has {args.task} and {args.learner}"
        )
    if args.task == "omniglot" and args.shots > MOST_SHOTS:
        parser.error(f"--shots must be at most {MOST_SHOTS}, since a character has 20 drawings, but is {args.shots}")
    return args


def plan_of(args: argparse.Namespace, name: str) -> Plan:
    """The plan of a system, in which the command line's values replace the system's own."""
    plan = plans.plan_of(args.task, name)
    if args.start == "joint":
        plan = replace(plan, rule=SGD(0.1), steps=3, lr=1e-3)  # smaller steps: theta is trained already
    if not plan.updates:
        return plan
    overridable = ("updates", "lr") if plan.rules else ("updates", "lr", "tasks", "steps", "statistics")
    plan = replace(plan, **{key: getattr(args, key) for key in overridable if getattr(args, key) is not None})
    if args.inner_lr is not None and not plan.rules:
        plan = replace(plan, rule=SGD(args.inner_lr))
    return replace(plan, stacked=min(plan.stacked, plan.tasks))


def run_all(argv: Sequence[str] | None = None) -> int:
    args = parse(argv)
    drawn = args.task == "omniglot"
    if drawn:
        setting = omniglot_setting(args.data, args.ways, args.shots, args.filters, args.jitter)
    else:
        setting = sinusoid_setting(args.shots)
    for name in OMNIGLOT if args.learner == "all" else [args.learner]:
        plan = plan_of(args, name)
        run_of = {"learner": name, "task": args.task, "ways": args.ways if drawn else None, "shots": args.shots}
        run_of |= {key: getattr(args, key) if drawn else None for key in ("filters", "jitter", "start")}
        jointly = {"joint": plan}.get(name, PLANS[args.task]["joint"] if args.start == "joint" else None)
        for row in run(name, plan, setting, args.seed, args.episodes, jointly, args.split):
            print(json.dumps(run_of | row), flush=True)
            if args.json:
                save_row(args.json, run_of | row)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    return run_command(run_all, argv, prog=PROG)
