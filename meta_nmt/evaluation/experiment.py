"""An experiment in a YAML file: which systems are compared, on what, with how much training.

    data: data
    source_langs: [de, fr, es]
    valid_langs: [pt]
    targets: [ro, fi]
    systems: [scratch, joint, fomaml]
    base_tokens: 16000000
    train_tokens: 16000000
    inner_steps: {maml: 3}
    adapt_flags: --max-update 200
    executor: {timeout_min: 600}

`Experiment` lists all fields, with what they mean and their defaults. A field with a default may be left out.

All systems have equal training tokens. A meta-step takes meta_batch_size x (inner_steps x support_tokens +
query_tokens), and --max-update is the system's tokens divided by that, which must be a whole number. Transfer gets
base_tokens and train_tokens too, all of its parent language.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from data_prep.base.data_folder import DataFolder
from data_prep.base.errors import InputError, did_you_mean, fault_of
from data_prep.base.languages import LANGUAGE
from data_prep.base.yaml_files import VALUES, read_yaml, short
from data_prep.cleaning.monolingual import FEWEST, lines_beside_sample
from data_prep.cleaning.subsample import sample_name
from meta_nmt.roles import added_role, recorded_roles

SCRATCH, TRANSFER, JOINT = "scratch", "transfer", "joint"
LEARNED = "learned"
SELF = "self"  # emb_enc, with self-training
STRATEGIES = ("emb", "emb_enc", "all", LEARNED, SELF)
# flags that the experiment sets itself: other values would make systems unequal, or jobs collide
EVERYWHERE = ("--task", "--save-dir", "--seed", "--restore-file", "--source-langs", "--valid-langs", "--source-lang")
OWN_FLAGS = {
    "train": (*EVERYWHERE, "--arch", "--meta-learner", "--meta-batch-size", "--support-tokens", "--query-tokens",
              "--inner-steps", "--max-update", "--max-epoch", "--update-freq", "--patience", "--stop-time-hours",
              "--finetune-from-model", "--best-checkpoint-metric", "--distributed-world-size"),
    "adapt": (*EVERYWHERE, "--arch", "--checkpoint", "--from-scratch", "--strategy", "--learned-rule", "--lr",
              "--train-subset", "--finetune-from-model", "--best-checkpoint-metric", "--self-train", "--teacher",
              "--train-prefix", "--aligned-with"),
    "generate": (*EVERYWHERE, "--path", "--results", "--system", "--strategy", "--english-tokens", "--gen-subset"),
}  # fmt: skip

# flags that may have a text in an experiment: choices, names of parameters and of metrics, and what is read as data
TEXT_FLAGS = (
    *("--optimizer", "--lr-scheduler", "--criterion", "--adapt-params", "--activation-fn", "--adam-betas"),
    *("--ddp-backend", "--log-format", "--eval-bleu-args", "--bleu-tokenizer", "--target-lang", "-t"),
    "--distributed-backend",
)
NUMBER = r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?"
NUMBERS = rf"\(?{NUMBER}(, ?{NUMBER})*\)?"
# parameters of submitit, also with slurm_ or local_ before their names; the others may hold shell commands
EXECUTOR = (
    *("name", "timeout_min", "mem_gb", "nodes", "cpus_per_task", "gpus_per_node", "tasks_per_node", "stderr_to_stdout"),
    *("partition", "account", "qos", "time", "mem", "mem_per_cpu", "mem_per_gpu", "cpus_per_gpu", "gpus_per_task"),
    *("ntasks_per_node", "num_gpus", "gres", "constraint", "exclude", "nodelist", "exclusive", "comment", "wckey"),
    *("mail_type", "mail_user", "dependency", "array_parallelism", "signal_delay_s", "max_num_timeout", "use_srun"),
)
PLAIN_WORD = r"[\w.,:;@%+=*&|!\[\] -]*"  # a line of a job script can't end in it


class ExperimentError(InputError):
    """All that is wrong with an experiment, a line for each problem."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = list(problems)


def learners() -> Mapping[str, Any]:
    """The class of each meta-learner, by its name."""
    from meta_nmt.meta_learners import META_LEARNERS  # this loads torch, which the command's flags do not need

    return META_LEARNERS


def all_systems() -> tuple[str, ...]:
    """The systems that can be compared: two baselines, and every meta-learner."""
    return SCRATCH, TRANSFER, *learners()


def with_learned_rule() -> tuple[str, ...]:
    """The names of the meta-learners that learn a rule for adaptation."""
    return tuple(name for name, kind in learners().items() if kind.learned_rule)


# types of fields; the title says in words what a value must be
Text = Annotated[str, Field(title="text")]
Number = Annotated[int, Field(title="a whole number")]
Names = Annotated[tuple[str, ...], Field(title="a list of names (in quotes where YAML takes one for a truth value)")]
Numbers = Annotated[tuple[int, ...], Field(title="a list of whole numbers")]
Rates = Annotated[tuple[float, ...], Field(title="a list of numbers (1e-3 needs a point in YAML: 1.0e-3)")]
NumberOf = Annotated[dict[str, int], Field(title="a mapping of names to whole numbers")]
FlagsOf = Annotated[dict[str, str], Field(title="a mapping of names to text")]
NumbersOf = Annotated[dict[str, list[int]], Field(title="a mapping of names to lists of whole numbers")]
FlagsOfBudget = Annotated[dict[int, str], Field(title="a mapping of whole numbers to text")]
Parameters = Annotated[dict[str, Any], Field(title="a mapping")]


class Experiment(BaseModel):
    """The fields of an experiment file, with what they mean. Training counts the tokens of a sentence's longer side."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    data: Text = Field(description="folder made by meta-nmt-preprocess, from the folder where the command runs")
    source_langs: Names = Field(description="meta-trained on")
    valid_langs: Names = Field(description="meta-validated on: chooses checkpoints, and transfer's parent")
    targets: Names = Field(description="adapted to, and tested on")
    systems: Names = Field(description="scratch, transfer, joint and other meta-learners")
    train_tokens: Number = Field(description="training of each system, after the base")
    title: Text = Field("Translation quality", description="heading of the report")
    parents: Names = Field(
        (), description="transfer: a joint model of each alone; the best in meta-validation is the parent"
    )
    budgets: Numbers = Field(
        (0, 4_000, 16_000, 40_000, 160_000), description="English tokens of a sample; 0 is zero-shot"
    )
    target_budgets: NumbersOf = Field({}, description="budgets of a target that has others")
    seeds: Numbers = Field((1, 2, 3, 4, 5), description="of samples and adaptation")
    strategies: Names = Field(
        ("emb", "emb_enc", "all"),
        description="what is adapted; learned: by the rule that the learner learnt; self: emb_enc, with self-training; "
        "scratch: always all",
    )
    self_train: Number = Field(5_000, description="lines of monolingual text that the strategy self translates")
    learning_rates: Rates = Field(
        (5e-4,), description="of adaptation: all are tried on each sample, the best in dev BLEU is used"
    )
    arch: Text = Field("ulr_transformer_small", description="architecture of the model")
    base_tokens: Number = Field(
        0, description="joint training that every system goes on from; 0: they start from random parameters"
    )
    meta_batch_size: Number = Field(4, description="tasks a meta-step")
    support_tokens: Number = Field(2_000, description="of a support batch")
    query_tokens: Number = Field(2_000, description="of a query batch")
    inner_steps: NumberOf = Field({}, description="support batches of an episode, by system, where it is not 1")
    train_seed: Number = Field(1, description="of base and meta-training; after a base it is one more: other episodes")
    trainings: Number = Field(1, description="of each system, with seeds of their own: seeds start from them in turn")
    train_flags: Text = Field("", description="more flags of meta-nmt-train")
    base_flags: Text = Field("", description="flags of meta-nmt-train for the base alone, after those")
    system_flags: FlagsOf = Field({}, description="flags of meta-nmt-train for one system, after those")
    adapt_flags: Text = Field("", description="flags of meta-nmt-adapt")
    budget_flags: FlagsOfBudget = Field(
        {}, description="flags of meta-nmt-adapt for one budget, after those; not of scratch"
    )
    scratch_flags: Text = Field("", description="flags of meta-nmt-adapt for scratch alone, in place of adapt_flags")
    generate_flags: Text = Field("", description="flags of meta-nmt-generate")
    executor: Parameters = Field(
        {},
        description="parameters of submitit.AutoExecutor: timeout_min (by default 4 hours on Slurm, where a training "
        "goes on after them, and a week here), slurm_partition, cpus_per_task, gpus_per_node (without which a local "
        "job sees no GPU)",
    )

    def tokens_per_step(self, system: str) -> int:
        """Tokens that a meta-step of a system takes gradients on; the longer side of each sentence counts."""
        steps = self.inner_steps.get(system, 1)
        return self.meta_batch_size * (steps * self.support_tokens + self.query_tokens)

    def updates(self, tokens: int, system: str) -> int:
        """The meta-steps of a system that take so many tokens."""
        return tokens // self.tokens_per_step(system)

    def budgets_of(self, target: str) -> Sequence[int]:
        """The sizes of the samples that a target is adapted to, in English tokens; 0 is zero-shot."""
        return self.target_budgets.get(target, self.budgets)

    def strategies_of(self, system: str) -> list[str]:
        """The strategies by which a system is adapted."""
        if system == SCRATCH:
            return ["all"]
        allowed = [s for s in self.strategies if s != LEARNED or system in with_learned_rule()]
        return sorted(allowed, key=lambda strategy: strategy == SELF)  # after that of its teacher


def read_experiment(path: Path, data: str | None = None) -> Experiment:
    """The experiment in a file, checked by itself and then against its data folder.

    ``data``: a data folder in place of the one in the file.

    Raises:
        ExperimentError: one line for each thing that is wrong.
    """
    experiment = parse_experiment(path, data)
    _refuse(path, _missing_from_data(experiment))
    return experiment


def parse_experiment(path: Path, data: str | None = None) -> Experiment:
    """The experiment in a file, checked by itself.

    ``data``: a data folder in place of the one in the file.

    Raises:
        ExperimentError: one line for each thing that is wrong.
        InputError: the file cannot be read, or is no YAML mapping.
    """
    if not path.is_file():
        raise InputError(f"{path}: must be a YAML file, but is none")
    content = read_yaml(path, VALUES)
    if not isinstance(content, dict):
        raise InputError(f"{path}: must be a mapping of fields, but is {type(content).__name__}")
    experiment, problems = _typed(content if data is None else {**content, "data": data})
    _refuse(path, problems if experiment is None else _contradictions(experiment))
    assert experiment is not None
    return experiment


def _refuse(path: Path, problems: Iterable[str]) -> None:
    lines = [f"{path}: {problem}" for problem in problems]
    if lines:
        raise ExperimentError(lines)


def _typed(content: Mapping[Any, Any]) -> tuple[Experiment | None, list[str]]:
    """The experiment, or else what is wrong with the names and types of its fields, in the order of the fields."""
    fields = Experiment.model_fields
    problems = [
        f"{short(name)} is no field; the fields are {', '.join(fields)}" for name in content if name not in fields
    ]
    # a YAML list for a field that is a tuple
    values = {name: tuple(v) if isinstance(v, list) else v for name, v in content.items() if name in fields}
    wrong: set[Any] = set()
    experiment = None
    try:
        experiment = Experiment.model_validate(values)
    except ValidationError as error:
        wrong = {problem["loc"][0] for problem in error.errors()}
    for name, field in fields.items():
        if name in wrong and name in values:
            problems.append(f"{name} must be {field.title}, but is {short(content[name])}")
        elif name in wrong:
            problems.append(f"{name} must be given")
    return (None if problems else experiment), problems


def _contradictions(e: Experiment) -> Iterable[str]:
    for name in ("source_langs", "valid_langs", "targets", "systems", "budgets", "seeds", "learning_rates"):
        if not getattr(e, name):
            yield f"{name} must have at least one entry"
    for name, value in vars(e).items():
        if isinstance(value, tuple) and len(set(value)) < len(value):
            yield f"{name} must name each entry once, but is {list(value)}"
    yield from _unknown("systems", e.systems, all_systems())
    yield from _unknown("strategies", e.strategies, STRATEGIES)
    yield from _unknown("inner_steps", e.inner_steps, [s for s, kind in learners().items() if kind.inner_loop])
    yield from _unknown("system_flags", e.system_flags, [TRANSFER, *learners()])
    yield from _unknown("target_budgets", e.target_budgets, e.targets)
    all_budgets = sorted({budget for target in e.targets for budget in e.budgets_of(target)})
    yield from _unknown("budget_flags", map(str, e.budget_flags), [str(budget) for budget in all_budgets if budget])
    for lang in sorted({*e.source_langs} & {*e.valid_langs, *e.targets} | {*e.valid_langs} & {*e.targets}):
        yield f"{lang} must have one role, but is in several of source_langs, valid_langs and targets"
    yield from _unknown("parents", e.parents, e.source_langs)
    if (TRANSFER in e.systems) != bool(e.parents):
        yield "parents must be given with the system transfer, and only with it"
    if any(all_budgets) and not e.strategies:
        yield "strategies must have at least one entry where a budget is above 0"
    if LEARNED in e.strategies and not {*e.systems} & {*with_learned_rule()}:
        yield f"strategies has {LEARNED}, which needs one of the systems {', '.join(with_learned_rule())}"
    yield from _wrong_codes(e)
    yield from _wrong_numbers(e)
    yield from _wrong_flags(e)
    yield from _wrong_executor(e)


def _unknown(name: str, entries: Iterable[str], allowed: Sequence[str]) -> Iterable[str]:
    wrong = [item for item in entries if item not in allowed]
    if wrong:
        yield f"{name} must be of {', '.join(allowed)}, but has {', '.join(wrong)}{did_you_mean(wrong[0], allowed)}"


def _wrong_codes(e: Experiment) -> Iterable[str]:
    for name in ("source_langs", "valid_langs", "targets"):
        wrong = [lang for lang in getattr(e, name) if not LANGUAGE.fullmatch(lang)]
        if wrong:
            yield f"{name} must be codes like ro, fil or pt_BR, but has {short(wrong[0])}"


def _wrong_numbers(e: Experiment) -> Iterable[str]:
    sizes = {name: getattr(e, name) for name in ("meta_batch_size", "support_tokens", "query_tokens", "train_tokens")}
    sizes["self_train"] = e.self_train
    sizes |= {f"inner_steps of {system}": steps for system, steps in e.inner_steps.items()}
    for name, value in sizes.items():
        if value < 1:
            yield f"{name} must be at least 1, but is {value}"
    numbers = {"budgets": e.budgets, "seeds": e.seeds, "base_tokens": (e.base_tokens,)}
    numbers |= {f"target_budgets of {target}": tuple(budgets) for target, budgets in e.target_budgets.items()}
    for name, values in numbers.items():
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
    flag_fields = [("train_flags", e.train_flags, "train"), ("base_flags", e.base_flags, "train")]
    flag_fields += [(f"system_flags of {system}", flags, "train") for system, flags in e.system_flags.items()]
    flag_fields += [("adapt_flags", e.adapt_flags, "adapt"), ("scratch_flags", e.scratch_flags, "adapt")]
    flag_fields += [(f"budget_flags of {budget}", flags, "adapt") for budget, flags in e.budget_flags.items()]
    flag_fields += [("generate_flags", e.generate_flags, "generate")]
    for name, text, kind in flag_fields:
        try:
            words = shlex.split(text)
        except ValueError as error:
            yield f"{name} must be flags as in a shell, but {short(text)} has: {error}"
            continue
        flags = [word.partition("=")[0] for word in words]
        set_by_experiment = [flag for flag in OWN_FLAGS[kind] if flag in flags]
        if set_by_experiment:
            yield f"{name} must not have {', '.join(set_by_experiment)}: the experiment sets that itself"
        yield from _wrong_texts(name, words)


def _wrong_texts(name: str, words: Sequence[str]) -> Iterable[str]:
    """The flags whose value is text, without those that may have text.

    A text may be a file's name, and fairseq runs that of some flags as Python. Numbers and switches are harmless.
    """
    flag = ""
    allowed = {*TEXT_FLAGS, *(f"--{setting.replace('_', '-')}" for setting in _settings())}
    for word in words:
        value = word
        if re.match("--?[A-Za-z]", word):
            flag, has_value, value = word.partition("=")
            value = value if has_value else "0"  # its value, if it has one, is the next word
        if not re.fullmatch(NUMBERS, value) and flag not in allowed:
            yield (
                f"{name} must not have {short(flag or word)} with a text: that names a file, or is run as code; a flag "
                "of this kind stands on a command line (--user-dir is one of meta-nmt-evaluate)"
            )


def _settings() -> set[str]:
    """The names of all learners' settings, whose values are checked by their declarations."""
    return {name for kind in learners().values() for name in kind.settings_type.__dataclass_fields__}


def _wrong_executor(e: Experiment) -> Iterable[str]:
    for name, value in e.executor.items():
        if name.removeprefix("slurm_").removeprefix("local_") not in EXECUTOR:
            yield f"executor must not have {short(name)}: of submitit's parameters it may have {', '.join(EXECUTOR)}"
        elif not isinstance(value, (int, float)) and not re.fullmatch(PLAIN_WORD, str(value)):
            yield f"executor: {name} must be a number or a plain word, but is {short(value)}"


def _missing_from_data(e: Experiment) -> Iterable[str]:
    """What the experiment needs and the data folder does not have: languages in their roles, and samples."""
    record = DataFolder(e.data).record
    if not record.is_file():
        fault = fault_of(Path(e.data), f"has no {record.name}")
        yield f"data must be a folder made by meta-nmt-preprocess, but {e.data} {fault}"
        return
    roles = recorded_roles(e.data)
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
        folder = DataFolder(e.data)
        names = [sample_name(budget, seed) for budget in e.budgets_of(target) if budget for seed in e.seeds]
        absent = [n for n in names if not Path(f"{folder.binary_sides(target, n)[0]}.idx").is_file()]
        if absent:
            yield f"budgets and seeds must be samples of {target} in {e.data}, but it has no {', '.join(absent)}"
        elif names and SELF in e.strategies:
            yield from _too_few_lines(folder, target, names[0], e.self_train)


def _too_few_lines(data: DataFolder, target: str, sample: str, most: int) -> Iterable[str]:
    """That a target has too little monolingual text for the strategy self."""
    count = len(lines_beside_sample(data, target, sample, min(most, FEWEST), seed=1)[1])
    if count < FEWEST:
        yield f"strategies: self needs {FEWEST} lines of {target} beside those of {sample} in {data}, but has {count}"
