"""An experiment in a YAML file: which systems are compared, on what, with how much training.

    title: Five targets             # heading of the report
    data: data                      # folder made by meta-nmt-preprocess, from the folder where the command runs
    source_langs: [de, fr, es]      # meta-trained on
    valid_langs: [pt]               # meta-validated on: chooses checkpoints, and transfer's parent
    targets: [ro, fi]
    systems: [scratch, transfer, joint, fomaml, maml, reptile, anil, meta_sgd, lstm]
    parents: [es, fr]               # transfer: a joint model of each alone; the best in meta-validation is the parent
    budgets: [0, 4000, 16000]       # English tokens of a sample; 0 is zero-shot
    seeds: [1, 2, 3, 4, 5]          # of samples and adaptation
    strategies: [emb, emb_enc, all, learned]  # learned: the rule that meta_sgd and lstm learnt; scratch: always all
    learning_rates: [0.0005, 0.001] # of adaptation: all are tried on each sample, the best in dev BLEU is used
    arch: ulr_transformer_small
    base_tokens: 16000000           # joint training that every system goes on from; 0: from random parameters
    train_tokens: 16000000          # then each system's own
    meta_batch_size: 4              # tasks a meta-step
    support_tokens: 2000            # tokens of a support batch and of a query batch; of each sentence the longer side
    query_tokens: 2000
    inner_steps: {maml: 3}          # where it is not 1: support batches of an episode
    train_seed: 1                   # of base and meta-training; after a base it is one more: other episodes
    trainings: 1                    # of each system, with seeds of their own: seeds start from them in turn
    train_flags: --lr 1e-3          # more flags of meta-nmt-train
    base_flags: --lr 2e-3           # of it for the base alone, after those
    system_flags: {lstm: --lstm-hidden 10}   # of it for one system, after those
    adapt_flags: --max-update 200   # of meta-nmt-adapt
    budget_flags: {4000: --max-update 90}    # of it for one budget, after those; not of scratch
    scratch_flags: --max-update 900 # of it for scratch alone, in place of adapt_flags
    generate_flags: --beam 5        # of meta-nmt-generate
    executor: {timeout_min: 600}    # parameters of submitit.AutoExecutor: slurm_partition, cpus_per_task, gpus_per_node
                                    # (without which a local job sees no GPU)

Training tokens are equal by construction: a meta-step takes meta_batch_size x (inner_steps x support_tokens +
query_tokens), and --max-update is tokens / that, which must be a whole number. Transfer gets base_tokens and
train_tokens too, all of its parent's. Every field with a default may be left out.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import yaml

from data_prep.base.data_folder import DataFolder
from data_prep.base.errors import InputError
from data_prep.base.files import read_json
from data_prep.cleaning.subsample import sample_name
from meta_nmt.data.roles import added_role
from meta_nmt.meta_learners import META_LEARNERS

SCRATCH, TRANSFER, JOINT = "scratch", "transfer", "joint"
SYSTEMS = (SCRATCH, TRANSFER, *META_LEARNERS)
LEARNED = "learned"
STRATEGIES = ("emb", "emb_enc", "all", LEARNED)
WITH_LEARNED_RULE = tuple(name for name, kind in META_LEARNERS.items() if kind.learned_rule)
# what the experiment sets itself: other values would make systems unequal, or jobs collide
EVERYWHERE = ("--save-dir", "--seed", "--restore-file", "--source-langs", "--valid-langs", "--source-lang")
OWN_FLAGS = {
    "train": (*EVERYWHERE, "--arch", "--meta-learner", "--meta-batch-size", "--support-tokens", "--query-tokens",
              "--inner-steps", "--max-update", "--max-epoch", "--update-freq", "--patience", "--stop-time-hours",
              "--finetune-from-model", "--best-checkpoint-metric", "--distributed-world-size"),
    "adapt": (*EVERYWHERE, "--arch", "--checkpoint", "--from-scratch", "--strategy", "--learned-rule", "--lr",
              "--train-subset", "--finetune-from-model", "--best-checkpoint-metric"),
    "generate": (*EVERYWHERE, "--path", "--results", "--system", "--strategy", "--english-tokens", "--gen-subset"),
}  # fmt: skip


class ExperimentError(InputError):
    """Everything that is wrong with an experiment, a line each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = list(problems)


@dataclass(frozen=True)
class Experiment:
    """The file's fields; see the module."""

    data: str
    source_langs: tuple[str, ...]
    valid_langs: tuple[str, ...]
    targets: tuple[str, ...]
    systems: tuple[str, ...]
    train_tokens: int
    title: str = "Translation quality"
    parents: tuple[str, ...] = ()
    budgets: tuple[int, ...] = (0, 4_000, 16_000, 40_000, 160_000)
    seeds: tuple[int, ...] = (1, 2, 3, 4, 5)
    strategies: tuple[str, ...] = ("emb", "emb_enc", "all")
    learning_rates: tuple[float, ...] = (5e-4,)
    arch: str = "ulr_transformer_small"
    base_tokens: int = 0
    meta_batch_size: int = 4
    support_tokens: int = 2_000
    query_tokens: int = 2_000
    inner_steps: dict[str, int] = field(default_factory=dict)
    train_seed: int = 1
    trainings: int = 1
    train_flags: str = ""
    base_flags: str = ""
    system_flags: dict[str, str] = field(default_factory=dict)
    adapt_flags: str = ""
    budget_flags: dict[int, str] = field(default_factory=dict)
    scratch_flags: str = ""
    generate_flags: str = ""
    executor: dict[str, Any] = field(default_factory=dict)

    def tokens_per_step(self, system: str) -> int:
        """Tokens (of each sentence the longer side) that a meta-step of a system takes gradients on."""
        steps = self.inner_steps.get(system, 1)
        return self.meta_batch_size * (steps * self.support_tokens + self.query_tokens)

    def updates(self, tokens: int, system: str) -> int:
        return tokens // self.tokens_per_step(system)

    def strategies_of(self, system: str) -> list[str]:
        """How a system is adapted."""
        if system == SCRATCH:
            return ["all"]
        return [s for s in self.strategies if s != LEARNED or system in WITH_LEARNED_RULE]


def read_experiment(path: Path, data: str | None = None) -> Experiment:
    """The experiment of a file, checked alone and then against its data folder; ``data`` takes the place of its own.

    Raises:
        ExperimentError: one line for each thing that is wrong.
    """
    experiment = parse_experiment(path, data)
    _refuse(path, _missing_from_data(experiment))
    return experiment


def parse_experiment(path: Path, data: str | None = None) -> Experiment:
    """The same without a look at the data folder."""
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: must be a YAML file: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: must be YAML: {error}") from None
    if not isinstance(found, dict):
        raise InputError(f"{path}: must be a mapping of fields, but is {type(found).__name__}")
    experiment, problems = _typed(found if data is None else {**found, "data": data})
    _refuse(path, problems if experiment is None else _contradictions(experiment))
    assert experiment is not None
    return experiment


def _refuse(path: Path, problems: Iterable[str]) -> None:
    lines = [f"{path}: {problem}" for problem in problems]
    if lines:
        raise ExperimentError(lines)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_rate(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_list_of(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, (list, tuple)) and all(check(item) for item in value)


def _is_mapping_to(check: Callable[[Any], bool], key: Callable[[Any], bool] = _is_text) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(key(k) and check(v) for k, v in value.items())


# the type of a field, as written above -> what it is in words, and the check
KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "str": ("text", _is_text),
    "int": ("a whole number", _is_number),
    "tuple[str, ...]": ("a list of names (in quotes where YAML takes one for a truth value)", _is_list_of(_is_text)),
    "tuple[int, ...]": ("a list of whole numbers", _is_list_of(_is_number)),
    "tuple[float, ...]": ("a list of numbers (1e-3 needs a point in YAML: 1.0e-3)", _is_list_of(_is_rate)),
    "dict[str, int]": ("a mapping of names to whole numbers", _is_mapping_to(_is_number)),
    "dict[str, str]": ("a mapping of names to text", _is_mapping_to(_is_text)),
    "dict[int, str]": ("a mapping of whole numbers to text", _is_mapping_to(_is_text, _is_number)),
    "dict[str, Any]": ("a mapping", _is_mapping_to(lambda value: True)),
}  # fmt: skip


def _typed(found: dict[Any, Any]) -> tuple[Experiment | None, list[str]]:
    """The experiment, or what is wrong with the names and types of its fields."""
    known = {f.name: f for f in fields(Experiment)}
    problems = [f"{name!r} is no field; the fields are {', '.join(known)}" for name in found if name not in known]
    for name, f in known.items():
        if name in found:
            words, check = KINDS[str(f.type)]
            if not check(found[name]):
                problems.append(f"{name} must be {words}, but is {found[name]!r}")
        elif f.default is MISSING and f.default_factory is MISSING:
            problems.append(f"{name} must be given")
    if problems:
        return None, problems
    plain: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in found.items()}
    return replace(Experiment(**plain), learning_rates=tuple(map(float, plain.get("learning_rates", (5e-4,))))), []


def _contradictions(e: Experiment) -> Iterable[str]:
    for name in ("source_langs", "valid_langs", "targets", "systems", "budgets", "seeds", "learning_rates"):
        if not getattr(e, name):
            yield f"{name} must have at least one entry"
    for name, value in vars(e).items():
        if isinstance(value, tuple) and len(set(value)) < len(value):
            yield f"{name} must name each entry once, but is {list(value)}"
    yield from _unknown("systems", e.systems, SYSTEMS)
    yield from _unknown("strategies", e.strategies, STRATEGIES)
    yield from _unknown("inner_steps", e.inner_steps, [s for s in META_LEARNERS if s != JOINT])
    yield from _unknown("system_flags", e.system_flags, [TRANSFER, *META_LEARNERS])
    yield from _unknown("budget_flags", map(str, e.budget_flags), [str(budget) for budget in e.budgets if budget])
    for lang in sorted({*e.source_langs} & {*e.valid_langs, *e.targets} | {*e.valid_langs} & {*e.targets}):
        yield f"{lang} must have one role, but is in several of source_langs, valid_langs and targets"
    yield from _unknown("parents", e.parents, e.source_langs)
    if (TRANSFER in e.systems) != bool(e.parents):
        yield "parents must be given with the system transfer, and only with it"
    if any(e.budgets) and not e.strategies:
        yield "strategies must have at least one entry where a budget is above 0"
    if LEARNED in e.strategies and not {*e.systems} & {*WITH_LEARNED_RULE}:
        yield f"strategies has {LEARNED}, which needs one of the systems {', '.join(WITH_LEARNED_RULE)}"
    yield from _wrong_numbers(e)
    yield from _wrong_flags(e)


def _unknown(name: str, given: Iterable[str], allowed: Sequence[str]) -> Iterable[str]:
    wrong = [item for item in given if item not in allowed]
    if wrong:
        yield f"{name} must be of {', '.join(allowed)}, but has {', '.join(wrong)}"


def _wrong_numbers(e: Experiment) -> Iterable[str]:
    sizes = {name: getattr(e, name) for name in ("meta_batch_size", "support_tokens", "query_tokens", "train_tokens")}
    sizes |= {f"inner_steps of {system}": steps for system, steps in e.inner_steps.items()}
    for name, value in sizes.items():
        if value < 1:
            yield f"{name} must be at least 1, but is {value}"
    for name, values in (("budgets", e.budgets), ("seeds", e.seeds), ("base_tokens", (e.base_tokens,))):
        if min(values, default=0) < 0:
            yield f"{name} must be at least 0, but has {min(values)}"
    if not 1 <= e.trainings <= max(1, len(e.seeds)):
        yield f"trainings must be at least 1 and at most the {len(e.seeds)} seeds, but is {e.trainings}"
    if min(e.learning_rates, default=1) <= 0:
        yield f"learning_rates must be above 0, but has {min(e.learning_rates)}"
    if min(sizes.values()) < 1:
        return
    runs = [("train_tokens", e.train_tokens, system) for system in e.systems if system not in (SCRATCH, TRANSFER)]
    runs += [("train_tokens", e.train_tokens, TRANSFER)] * (TRANSFER in e.systems)
    for name, tokens, system in [*runs, ("base_tokens", e.base_tokens, JOINT)]:
        if tokens % e.tokens_per_step(system):
            yield (
                f"{name} must be a multiple of the {e.tokens_per_step(system)} tokens of a step of {system}, so that "
                f"every system gets as many, but is {tokens}"
            )


def _wrong_flags(e: Experiment) -> Iterable[str]:
    given = [("train_flags", e.train_flags, "train"), ("base_flags", e.base_flags, "train")]
    given += [(f"system_flags of {system}", flags, "train") for system, flags in e.system_flags.items()]
    given += [("adapt_flags", e.adapt_flags, "adapt"), ("scratch_flags", e.scratch_flags, "adapt")]
    given += [(f"budget_flags of {budget}", flags, "adapt") for budget, flags in e.budget_flags.items()]
    given += [("generate_flags", e.generate_flags, "generate")]
    for name, text, kind in given:
        try:
            flags = [item.partition("=")[0] for item in shlex.split(text)]
        except ValueError as error:
            yield f"{name} must be flags as in a shell, but {text!r} has: {error}"
            continue
        own = [flag for flag in OWN_FLAGS[kind] if flag in flags]
        if own:
            yield f"{name} must not have {', '.join(own)}: the experiment sets that itself"


def _missing_from_data(e: Experiment) -> Iterable[str]:
    """What the data folder does not have: languages in their roles, and samples."""
    record = DataFolder(e.data).record
    if not record.is_file():
        yield f"data must be a folder made by meta-nmt-preprocess, but {record} is missing"
        return
    contents = read_json(record)
    roles = {code: entry["role"] for code, entry in contents["languages"].items()}
    roles = {lang: role for lang in e.targets if (role := added_role(e.data, lang))} | roles
    for name, langs, role in (
        ("source_langs", e.source_langs, "source"),
        ("valid_langs", e.valid_langs, "valid"),
        ("targets", e.targets, "target"),
    ):
        wrong = [f"{lang} ({roles.get(lang, 'not there')})" for lang in langs if roles.get(lang) != role]
        if wrong:
            yield f"{name} must be languages of role {role} in {e.data}, but has {', '.join(wrong)}"
    for target in (t for t in e.targets if roles.get(t) == "target"):
        folder = DataFolder(e.data, contents["target_lang"])
        names = [sample_name(budget, seed) for budget in e.budgets if budget for seed in e.seeds]
        absent = [n for n in names if not Path(f"{folder.binary_sides(target, n)[0]}.idx").is_file()]
        if absent:
            yield f"budgets and seeds must be samples of {target} in {e.data}, but it has no {', '.join(absent)}"
