"""Our MAML, FOMAML and Meta-SGD beside learn2learn's own classes: same network, same episodes, in turns.

    python -m benchmarks.few_shot.peer [--learner maml|fomaml|meta_sgd] [--shots 5] [--steps 1000] [--data DIR]
                                       [--json FILE]

Both sides start from the same weights, see the same tasks in the same order, and are tested on the same tasks. Each
meta-step of ours is followed by one of learn2learn's, so that a slow minute of the machine affects both. learn2learn is
needed for this benchmark only; if it is not installed, one line says so. Of its package only the modules of the
algorithms are loaded, unchanged. Its __init__ imports torchvision, gym and more, which the algorithms do not need.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import math
import statistics
import sys
import time
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from benchmarks.few_shot.data import Batch
from benchmarks.few_shot.models import ConvNet, stack
from benchmarks.few_shot.plans import OMNIGLOT
from benchmarks.few_shot.run import TEST_SEED, TEST_STACK, add_gradients, evaluate, make_learner, omniglot_setting
from data_prep.base.command_line import OneLineParser, run_command
from meta_nmt.meta_learners import Episode
from meta_nmt.meta_learners.inner_loop import Parameters


def learn2learn_class(name: str) -> Any:
    """The class of a learner in learn2learn, loaded without the package's __init__; None if it is not installed."""
    spec = importlib.util.find_spec("learn2learn")
    if spec is None or not spec.submodule_search_locations:
        return None
    root = Path(list(spec.submodule_search_locations)[0])
    for package, folder in {"learn2learn": root, "learn2learn.algorithms": root / "algorithms"}.items():
        module = sys.modules.setdefault(package, types.ModuleType(package))
        module.__path__ = [str(folder)]
    module_name, class_name = ("meta_sgd", "MetaSGD") if name == "meta_sgd" else ("maml", "MAML")
    return getattr(importlib.import_module(f"learn2learn.algorithms.{module_name}"), class_name)


def module_of(network: ConvNet, theta: Parameters) -> nn.Module:
    """A ConvNet as an ordinary module with the values of theta."""
    layers: list[nn.Module] = []
    for n in range(4):
        channels = network.filters if n else 1
        layers.append(nn.Conv2d(channels, network.filters, 3, stride=2, padding=1, bias=False))
        layers += [nn.BatchNorm2d(network.filters, track_running_stats=False), nn.ReLU()]
    module = nn.Sequential(*layers, nn.Flatten(), nn.Linear(4 * network.filters, network.outputs))
    with torch.no_grad():
        for parameter, value in zip(module.parameters(), theta.values(), strict=True):
            parameter.copy_(value)
    return module


class Peer:
    """The training loop of learn2learn, as in its examples: clone, adapt, loss of the query set, backward."""

    def __init__(self, cls: Any, name: str, network: ConvNet, theta: Parameters, plan: Any) -> None:
        options = {} if name == "meta_sgd" else {"first_order": name == "fomaml"}
        self.learner = cls(module_of(network, theta), lr=plan.rule.alpha, **options)
        self.plan = plan
        self.optimizer = torch.optim.Adam(self.learner.parameters(), lr=plan.lr)

    def logits(self, support: Batch, query: Batch, task: int, steps: int) -> Tensor:
        clone = self.learner.clone()
        for _ in range(steps):
            clone.adapt(F.cross_entropy(clone(support.inputs[task, :, None]), support.targets[task]))
        return clone(query.inputs[task, :, None])

    def step(self, episodes: Sequence[tuple[Batch, Batch]]) -> None:
        self.optimizer.zero_grad()
        for support, query in episodes:
            for task in range(len(support.inputs)):
                loss = F.cross_entropy(self.logits(support, query, task, self.plan.steps), query.targets[task])
                (loss / self.plan.tasks).backward()
        self.optimizer.step()

    def score(self, support: Batch, query: Batch, steps: int) -> list[float]:
        accuracies = []
        for task in range(len(support.inputs)):
            logits = self.logits(support, query, task, steps)
            accuracies.append(100 * float((logits.argmax(-1) == query.targets[task]).float().mean()))
        return accuracies


def compare(args: argparse.Namespace, cls: Any) -> list[dict[str, Any]]:
    """Meta-train both sides in turns and test both; returns the rows of accuracy and of seconds a meta-step."""
    setting = omniglot_setting(args.data, args.ways, args.shots, args.filters, args.jitter)
    network, plan = setting.network, OMNIGLOT[args.learner]
    assert isinstance(network, ConvNet)
    generator = torch.Generator().manual_seed(args.seed)
    theta = network.start(generator)
    peer, learner = Peer(cls, args.learner, network, theta, plan), make_learner(args.learner, plan.rule, theta)
    optimizer = torch.optim.Adam([*theta.values(), *learner.parameters()], lr=plan.lr)

    def our_step(episodes: Sequence[tuple[Batch, Batch]]) -> None:
        optimizer.zero_grad()
        for support, query in episodes:
            copies = stack(theta, plan.stacked)
            outcome = learner.episode(Episode(network.loss, copies, list(copies), [support] * plan.steps, [query]))
            add_gradients(outcome.gradients, theta, learner, 1 / plan.tasks)
        optimizer.step()

    seconds: dict[str, list[float]] = {"ours": [], "peer": []}
    schedules = [torch.optim.lr_scheduler.CosineAnnealingLR(o, args.steps) for o in (optimizer, peer.optimizer)]
    for _ in tqdm(range(args.steps), desc="meta-steps of each", disable=not sys.stderr.isatty()):
        episodes = [setting.sides["train"].draw(plan.stacked, generator) for _ in range(plan.tasks // plan.stacked)]
        for side, step in {"ours": our_step, "peer": peer.step}.items():
            start = time.perf_counter()
            step(episodes)
            seconds[side].append(time.perf_counter() - start)
        for schedule in schedules:
            schedule.step()
    test, draws = setting.sides["test"], torch.Generator().manual_seed(TEST_SEED + args.seed)
    tested = evaluate(learner, network, theta, test, args.episodes, args.test_steps, TEST_STACK, draws, ["query"])
    ours = tested["query"]
    draws.manual_seed(TEST_SEED + args.seed)
    theirs: list[float] = []
    while len(theirs) < args.episodes:
        theirs += peer.score(*test.draw(min(TEST_STACK, args.episodes - len(theirs)), draws), args.test_steps)
    deviations = [float(ours.std()), statistics.stdev(theirs)]
    ratios = [p / o for o, p in zip(seconds["ours"], seconds["peer"], strict=True)]
    name = f"{args.learner}_{args.ways}way_{args.shots}shot"
    return [
        {
            "name": f"{name}_accuracy",
            "ours": round(float(ours.mean()), 3),
            "peer": round(statistics.mean(theirs), 3),
            "ratio": round(float(ours.mean()) / statistics.mean(theirs), 4),
            "ci95": [round(1.96 * d / math.sqrt(args.episodes), 3) for d in deviations],
            "unit": "%",
        },
        {
            "name": f"{name}_seconds_a_meta_step",
            "ours": round(statistics.median(seconds["ours"]), 4),
            "peer": round(statistics.median(seconds["peer"]), 4),
            "ratio": round(statistics.median(ratios), 3),
            "unit": "s",
        },
    ]


def run_peer(argv: Sequence[str] | None = None) -> int:
    parser = OneLineParser(prog="python -m benchmarks.few_shot.peer", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--learner", choices=["maml", "fomaml", "meta_sgd"], default="maml")
    parser.add_argument("--ways", type=int, default=5, help="classes of a task")
    parser.add_argument("--shots", type=int, default=5, help="examples a class")
    parser.add_argument("--seed", type=int, default=1, help="of the initial weights and of the tasks")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/omniglot"), help="folder of Omniglot's zips")
    parser.add_argument("--steps", type=int, default=1000, help="meta-steps of each side")
    parser.add_argument("--test-steps", type=int, default=10, help="inner steps at test")
    parser.add_argument("--episodes", type=int, default=600, help="test tasks")
    parser.add_argument("--filters", type=int, default=16, help="of each convolution")
    parser.add_argument("--jitter", type=int, default=2, help="pixels that a training drawing is moved by at most")
    parser.add_argument("--json", type=Path, help="file for the rows")
    args = parser.parse_args(argv)
    cls = learn2learn_class(args.learner)
    if cls is None:
        print("skipped: learn2learn is not installed")
        return 0
    rows = compare(args, cls)
    for row in rows:
        print(f"{row['name']:40} ours {row['ours']:>9} peer {row['peer']:>9} {row['unit']:2} ratio {row['ratio']}")
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    return run_command(run_peer, argv, prog="python -m benchmarks.few_shot.peer")


if __name__ == "__main__":
    raise SystemExit(main())
