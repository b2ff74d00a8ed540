"""The jobs of an experiment: which of our commands run, in which order, and what is chosen on dev sets in between.

A system is meta-trained once. From there every cell (target, budget, strategy, seed) is an adaptation and a
translation. Some words of a command are known only after an earlier job: the best parent and the best learning rate.
They are a `Choice`, and stand in the command as ``@choice's name.label@`` or ``@choice's name.run@``.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from data_prep.cleaning.subsample import sample_name
from meta_nmt.evaluation.experiment import JOINT, LEARNED, SCRATCH, SELF, TRANSFER, Experiment
from meta_nmt.runs.run_folder import RunFolder

Command = tuple[str, ...]
# a place that is filled when a job starts: @out@ is the evaluation's folder, @data@ the data folder, @user-dir@ the
# user's own Python code
PLACE = re.compile(r"@([^@\s]+)@")


@dataclass(frozen=True)
class Job:
    """Commands that run as a whole.

    name: the name of the job, and of its log.
    kind: train, adapt, cell or adapted cell; jobs of one kind take about as long.
    commands: the commands in order; the first that fails ends the job.
    folders: the folders that it writes to, below the evaluation's; they are removed before it starts afresh.
    makes: the files that exist when it has succeeded.
    needs: names of the jobs and choices that come before it.
    results: the folder of its result.json, where it is a cell.
    model: the folder of its adapted checkpoint, which gets a model card.
    target: the target language whose data it reads; "" for meta-training.
    resumes: whether it goes on in its folders after an interruption (meta-training), or starts afresh (short jobs).
    """

    name: str
    kind: str
    commands: tuple[Command, ...]
    folders: tuple[str, ...]
    makes: tuple[str, ...]
    needs: tuple[str, ...] = ()
    results: str | None = None
    model: str | None = None
    target: str = ""
    resumes: bool = False


@dataclass(frozen=True)
class Option:
    """One of the runs that a choice is made between.

    label: its name in commands and in the report.
    job: the name of the job.
    run: the folder of the run.
    """

    label: str
    job: str
    run: str


@dataclass(frozen=True)
class Choice:
    """A choice of the option whose run has the best BLEU in validation; of equals, of the first.

    name: the name of the choice, in places of commands.
    what: what is chosen, for the report.
    subject: what it is chosen for, for the report.
    """

    name: str
    what: str
    subject: str
    options: tuple[Option, ...]

    @property
    def needs(self) -> tuple[str, ...]:
        """The names of the jobs that come before it: those of its options."""
        return tuple(option.job for option in self.options)


Step = Job | Choice
Start = tuple[str, str] | None  # a checkpoint, and the step that it comes from; None: random parameters
Cell = tuple[str, str, str, int, int]  # target, system, strategy, English tokens, seed


def plan(e: Experiment) -> list[Step]:
    """All steps, each after those that it needs; long ones come first, so that none runs alone at the end."""
    steps: list[Step] = []
    starts: dict[str, list[Start]] = {SCRATCH: [None]}  # system -> what its samples start from, in turn
    base = _train(e, "base", JOINT, e.source_langs, e.base_tokens, e.base_flags) if _shares_base(e) else None
    parents = [step for lang in e.parents for step in _parent(e, lang)]
    steps += [*([base] if base else []), *parents]
    if e.parents:
        options = tuple(Option(lang, f"train/transfer-{lang}", f"train/transfer-{lang}") for lang in e.parents)
        steps.append(Choice("parent", "parent of transfer", "meta-validation", options))
        starts[TRANSFER] = [(best("@parent.run@"), "parent")]
    for system in e.systems:
        if system not in (SCRATCH, TRANSFER):
            flags = e.system_flags.get(system, "")
            names = [system, *(f"{system}-{run}" for run in range(2, e.trainings + 1))]
            jobs = [
                _train(e, name, system, e.source_langs, e.train_tokens, flags, base, i) for i, name in enumerate(names)
            ]
            steps += jobs
            starts[system] = [(best(job.folders[0]), job.name) for job in jobs]
    for target in e.targets:
        for budget in e.budgets_of(target):
            for system in e.systems:
                steps += _cells(e, target, budget, system, starts[system])
    return steps


def best(run: str) -> str:
    """The path of the best checkpoint of a run below the evaluation's folder, as commands have it."""
    return str(RunFolder(f"@out@/{run}").best)


def with_user_dir(steps: Sequence[Step]) -> list[Step]:
    """The steps with ``--user-dir`` in each of their commands."""
    return [
        replace(step, commands=tuple((*command, "--user-dir", "@user-dir@") for command in step.commands))
        if isinstance(step, Job)
        else step
        for step in steps
    ]


def _shares_base(e: Experiment) -> bool:
    return e.base_tokens > 0 and any(system not in (SCRATCH, TRANSFER) for system in e.systems)


def _train(
    e: Experiment,
    name: str,
    learner: str,
    langs: Sequence[str],
    tokens: int,
    flags: str,
    after: Job | None = None,
    repeat: int = 0,
) -> Job:
    """The job of meta-training one model; BLEU in meta-validation says which of its checkpoints is the best.

    ``after``: the job that it goes on from; ``repeat``: how many trainings of the system come before it.
    """
    folder = f"train/{name}"
    command = ["meta-nmt-train", "@data@", "--save-dir", f"@out@/{folder}", "--arch", e.arch]
    command += ["--source-langs", ",".join(langs), "--valid-langs", ",".join(e.valid_langs), "--meta-learner", learner]
    command += ["--meta-batch-size", str(e.meta_batch_size), "--support-tokens", str(e.support_tokens)]
    command += ["--query-tokens", str(e.query_tokens), "--max-update", str(e.updates(tokens, learner))]
    if learner in e.inner_steps:
        command += ["--inner-steps", str(e.inner_steps[learner])]
    seed = e.train_seed + repeat + (after is not None)  # after a base: other episodes than the base has drawn
    command += ["--seed", str(seed), "--eval-bleu", "--best-checkpoint-metric", "bleu"]
    command += ["--maximize-best-checkpoint-metric", *shlex.split(e.train_flags), *shlex.split(flags)]
    if after is not None:
        command += ["--finetune-from-model", str(RunFolder(f"@out@/{after.folders[0]}").last)]
    return Job(
        name=folder,
        kind="train",
        commands=(tuple(command),),
        folders=(folder,),
        makes=(str(RunFolder(folder).last), str(RunFolder(folder).best)),
        needs=(after.name,) if after else (),
        resumes=True,
    )


def _parent(e: Experiment, lang: str) -> list[Job]:
    """The jobs of a parent, which has the schedule and the tokens of the joint system, all of one language."""
    flags = e.system_flags.get(TRANSFER, "")
    base = _train(e, f"base-{lang}", JOINT, [lang], e.base_tokens, e.base_flags) if e.base_tokens else None
    training = _train(e, f"transfer-{lang}", JOINT, [lang], e.train_tokens, flags, after=base)
    return [training] if base is None else [base, training]


def _cells(e: Experiment, target: str, budget: int, system: str, starts: Sequence[Start]) -> list[Step]:
    """All steps of a system at one target and budget."""
    if budget == 0:  # a system that starts from random parameters has no zero-shot translation
        trained = [(run, start) for run, start in enumerate(starts, 1) if start is not None]
        return [_cell(e, (target, system, "zero", 0, run), start[0], (start[1],)) for run, start in trained]
    steps: list[Step] = []
    for strategy in e.strategies_of(system):
        rates = [None] if strategy == LEARNED else [f"{rate:g}" for rate in e.learning_rates]
        for i, seed in enumerate(e.seeds):
            cell, start = (target, system, strategy, budget, seed), starts[i % len(starts)]
            steps += _tuned_cell(e, cell, rates, start) if len(rates) > 1 else [_adapted_cell(e, cell, rates[0], start)]
    return steps


def _name(cell: Cell) -> str:
    target, system, strategy, budget, seed = cell
    return f"{target}-{system}-{strategy}-{budget}-s{seed}"


def _adaptation(e: Experiment, cell: Cell, rate: str | None, start: Start, suffix: str = "") -> Job:
    """The job of fine-tuning on the sample of a cell; ``rate`` is None for a learned rule."""
    target, _, strategy, budget, seed = cell
    folder = f"adapted/{_name(cell)}{suffix}"
    command = ["meta-nmt-adapt", "@data@", "--save-dir", f"@out@/{folder}", "--source-lang", target]
    command += ["--train-subset", sample_name(budget, seed), "--seed", str(seed)]
    if start is None:
        command += ["--from-scratch", "--arch", e.arch]
    else:
        command += ["--checkpoint", start[0]]
        command += ["--learned-rule"] if rate is None else ["--strategy", "emb_enc" if strategy == SELF else strategy]
    teacher = _teacher(e, cell)
    if strategy == SELF:
        command += ["--self-train", str(e.self_train)]
        command += ["--teacher", best(f"adapted/{_name(teacher)}")] if teacher else []
    if rate is not None:
        command += ["--lr", rate]
    flags = e.scratch_flags if start is None else f"{e.adapt_flags} {e.budget_flags.get(budget, '')}"
    command += shlex.split(flags)
    return Job(
        name=folder,
        kind="adapt",
        commands=(tuple(command),),
        folders=(folder,),
        makes=(str(RunFolder(folder).best),),
        needs=() if start is None else (start[1], *([f"cell/{_name(teacher)}"] if teacher else [])),
        target=target,
    )


def _teacher(e: Experiment, cell: Cell) -> Cell | None:
    """The cell whose model translates for self-training; None where there is no one such model."""
    target, system, strategy, budget, seed = cell
    has_one = strategy == SELF and "emb_enc" in e.strategies and len(e.learning_rates) == 1
    return (target, system, "emb_enc", budget, seed) if has_one else None


def _cell(e: Experiment, cell: Cell, checkpoint: str, needs: tuple[str, ...], model: str | None = None) -> Job:
    """The job of translating the test set."""
    target, system, strategy, budget, seed = cell
    folder = f"results/{_name(cell)}"
    command = ["meta-nmt-generate", "@data@", "--path", checkpoint, "--source-lang", target, "--gen-subset", "test"]
    command += ["--results", f"@out@/{folder}", "--system", system, "--strategy", strategy]
    command += ["--english-tokens", str(budget), "--seed", str(seed), *shlex.split(e.generate_flags)]
    return Job(
        name=f"cell/{_name(cell)}",
        kind="cell",
        commands=(tuple(command),),
        folders=(folder,),
        makes=(f"{folder}/result.json",),
        needs=needs,
        results=folder,
        model=model,
        target=target,
    )


def _adapted_cell(e: Experiment, cell: Cell, rate: str | None, start: Start) -> Job:
    """The job of adaptation and translation together."""
    adaptation = _adaptation(e, cell, rate, start)
    (folder,) = adaptation.folders
    job = _cell(e, cell, best(folder), adaptation.needs, model=folder)
    return replace(
        job,
        kind="adapted cell",
        commands=(*adaptation.commands, *job.commands),
        folders=(folder, *job.folders),
        makes=(*adaptation.makes, *job.makes),
    )


def _tuned_cell(e: Experiment, cell: Cell, rates: Sequence[str | None], start: Start) -> list[Step]:
    """The steps of adaptation at every rate, and of translation by the model that is best on the dev set.

    Each sample chooses for itself. Between rates that are equally good the choice is chance; then each seed repeats it,
    and the deviation over seeds shows it.
    """
    target, system, strategy, budget, seed = cell
    trials = [_adaptation(e, cell, rate, start, f"-lr{rate}") for rate in rates]
    options = tuple(Option(str(r), job.name, job.folders[0]) for r, job in zip(rates, trials, strict=True))
    subject = f"{target}, {budget}, {system}, {strategy}, sample {seed}"
    choice = Choice(f"lr-{_name(cell)}", "learning rate", subject, options)
    model = f"@{choice.name}.run@"
    return [*trials, choice, _cell(e, cell, best(model), (choice.name,), model=model)]


def filled(text: str, values: Mapping[str, str]) -> str:
    """A word of a command with its places filled; a place stays where its value is not known yet."""
    return PLACE.sub(lambda match: values.get(match[1], match[0]), text)


def fingerprints(steps: Sequence[Step], data: str, added: Mapping[str, str]) -> dict[str, str]:
    """The fingerprint of each step by its name: a hash of its commands, of those of all that it needs, and of the data.

    A finished job counts as long as its fingerprint is the same.

    data: hash of the data folder's record.
    added: hashes of what is not in that record, by target language.
    """
    fingerprint_of: dict[str, str] = {}
    for step in steps:
        needs = [fingerprint_of[name] for name in step.needs]
        content = list(step.commands) if isinstance(step, Job) else [(o.label, o.run) for o in step.options]
        of_target = [added[step.target]] if isinstance(step, Job) and step.target in added else []
        text = json.dumps([data, content, needs, *of_target])
        fingerprint_of[step.name] = hashlib.sha256(text.encode()).hexdigest()[:16]
    return fingerprint_of
