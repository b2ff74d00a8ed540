"""How each system of the few-shot benchmark is trained and tested.

docs/results/few_shot.md says what was chosen on validation tasks, and how.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from meta_nmt.meta_learners.inner_loop import SGD, Adam, UpdateRule


@dataclass(frozen=True)
class Plan:
    """How one system is trained and tested.

    rule: rule of the inner steps.
    steps: number of inner steps in meta-training.
    test_steps: numbers of inner steps at test, of which the best on validation tasks is chosen.
    rules: rules of fine-tuning, of which the best on validation tasks is chosen; (): the system is meta-trained.
    updates: updates of theta.
    tasks: tasks of a meta-step.
    stacked: most tasks of one episode (1 for the LSTM, whose loss input is that of one task).
    lr: rate of the outer Adam, which falls to 0 by a half cosine.
    shots: shots of the training tasks; 0: as many as at test.
    minibatch: inputs that an inner step sees in meta-training; 0: the whole support set.
    statistics: the set whose statistics normalise the query set in meta-training, "query" or "support".
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
    statistics: str = "query"


SGD_RULES, ADAM_RULES = (SGD(0.01), SGD(0.1)), (Adam(1e-3), Adam(1e-2))
BOTH = SGD_RULES + ADAM_RULES
FINE_TUNED = Plan(updates=0, test_steps=(5, 20))
OMNIGLOT = {
    "scratch-sgd": replace(FINE_TUNED, rules=SGD_RULES),
    "scratch-adam": replace(FINE_TUNED, rules=ADAM_RULES),
    "joint": replace(FINE_TUNED, rules=BOTH, test_steps=(5, 20, 50), updates=3000, tasks=1, stacked=1, lr=5e-3),
    "fomaml": Plan(steps=3, updates=800),
    "maml": Plan(),
    "reptile": Plan(rule=SGD(0.1), steps=5, test_steps=(5, 10, 20), shots=10, minibatch=10, updates=800),
    "anil": Plan(steps=3, updates=800),
    "meta_sgd": Plan(updates=800),
    "lstm": Plan(steps=3, test_steps=(3, 5, 10), stacked=1, tasks=2, updates=2500, statistics="support"),
}
ONE_STEP = Plan(rule=SGD(0.01), test_steps=(1,), updates=20_000, tasks=25, stacked=25, lr=1e-2)
RATES = (SGD(0.001), SGD(0.003), SGD(0.01), SGD(0.03), SGD(0.1))
SINUSOID = {
    "scratch-sgd": replace(ONE_STEP, updates=0, rules=(SGD(0.001), SGD(0.01), SGD(0.1))),
    "scratch-adam": replace(ONE_STEP, updates=0, rules=(Adam(1e-3), Adam(1e-2), Adam(1e-1))),
    "joint": replace(ONE_STEP, rules=RATES, updates=70_000, tasks=1, stacked=1),
    "fomaml": ONE_STEP,
    "maml": replace(ONE_STEP, updates=70_000),
    "reptile": replace(ONE_STEP, steps=5, minibatch=5),
    "anil": ONE_STEP,
    "meta_sgd": ONE_STEP,
    "lstm": replace(ONE_STEP, updates=2000, tasks=10, stacked=1),
}
PLANS = {"sinusoid": SINUSOID, "omniglot": OMNIGLOT}
OF_OTHERS = {"sinusoid": ONE_STEP, "omniglot": Plan()}  # the plans of a learner that has none of its own


def plan_of(task: str, learner: str) -> Plan:
    """The plan of a system for a task."""
    return PLANS[task].get(learner, OF_OTHERS[task])
