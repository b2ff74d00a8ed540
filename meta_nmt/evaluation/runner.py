"""Running the jobs of an evaluation through submitit, some at a time, with every outcome in the results file.

The evaluation and its jobs may be killed at any moment; the same command goes on. A job that the results file calls
finished is not run again as long as it is the same job. A job that still runs after its evaluation was killed is waited
for. A failed job, and the jobs that need it, are tried again.
"""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from data_prep.base.errors import InputError
from meta_nmt.evaluation import worker
from meta_nmt.evaluation.cells import Choice, Job, Option, Step, filled
from meta_nmt.evaluation.executor import last_words, submit
from meta_nmt.ledger import Ledger, latest
from meta_nmt.runs import training_log

POLL_S = 0.2
BAR = "{desc} {bar} {n_fmt}/{total_fmt}{postfix}"
OnFinished = Callable[
    [Job, str | None], None
]  # takes a finished job, and the folder of its model with its places filled


@dataclass
class Running:
    """A submitted job, with submitit's handle of it and the time when it was submitted."""

    job: Job
    handle: Any
    since: float


class Sweep:
    """One evaluation.

    Its ``state`` says of each job and choice by name whether it is finished or failed; others are not in it.

    Args:
        steps: the steps of the plan, each after those that it needs.
        out: the evaluation's folder.
        results: the results file of the evaluation, open.
        executor: where jobs are submitted.
        values: what fills the places of commands from the start, such as the data folder.
        marks: the fingerprint of each step.
        limit: how many jobs run at a time.
        on_finished: is called before a job counts as finished; if it raises InputError, the job has failed.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        out: Path,
        results: Ledger,
        executor: Any,
        values: Mapping[str, str],
        marks: Mapping[str, str],
        limit: int,
        on_finished: OnFinished = lambda job, model: None,
    ) -> None:
        self.steps, self.out, self.results, self.executor = steps, out, results, executor
        self.limit, self.on_finished, self.marks = limit, on_finished, marks
        self.values = {"out": str(out), **values}
        self.state: dict[str, str] = {}
        self.blame: dict[str, str] = {}  # failed step -> the job that failed first
        self.running: dict[str, Running] = {}
        self.seconds: dict[str, list[float]] = {}  # kind of job -> how long each took
        self.jobs = [step for step in steps if isinstance(step, Job)]
        self._take_up()

    def _take_up(self) -> None:
        """Take up the jobs and choices that the results file has already."""
        lines = latest(self.results.lines)
        for job in self.jobs:
            line = lines.get(job.name, {})
            result_file = self.out / job.results / "result.json" if job.results else None
            if (line.get("state"), line.get("fingerprint")) == ("finished", self.marks[job.name]):
                if result_file is None or result_file.is_file():
                    self._note_finished(job, line["seconds"])
        for line in self.results.lines:
            if line.get("kind") == "choice" and line.get("fingerprint") == self.marks.get(line.get("name", "")):
                choice = next(step for step in self.steps if step.name == line["name"])
                if isinstance(choice, Choice):
                    self._note_choice(choice, next(o for o in choice.options if o.label == line["chosen"]))

    def run(self) -> bool:
        """Run until nothing is left to do; returns whether everything finished. Ctrl-C ends the running jobs too."""
        with tqdm(total=len(self.jobs), desc="jobs", disable=None, bar_format=BAR) as bar:
            try:
                while self._advance(bar) or self.running:
                    self._show(bar)
                    time.sleep(POLL_S)
                    for name in list(self.running):
                        self._collect(name, bar)
            except KeyboardInterrupt:
                for running in self.running.values():
                    running.handle.cancel(check=False)  # it may have ended by itself
                raise
            except InputError:
                if self.running:
                    text = f"jobs that were submitted go on, and this command takes them up again: {len(self.running)}"
                    bar.write(text, file=sys.stderr)
                raise
            self._show(bar)
        return all(self.state[step.name] == "finished" for step in self.steps)

    def _advance(self, bar: tqdm) -> bool:
        """Settle and submit every step that can be; returns whether there was one."""
        moved = False
        for step in self.steps:
            if step.name in self.state or step.name in self.running:
                continue
            failed = [name for name in step.needs if self.state.get(name) == "failed"]
            if failed:
                self._block(step, self.blame[failed[0]])
            elif any(name not in self.state for name in step.needs):
                continue
            elif isinstance(step, Choice):
                self._choose(step)
            elif (outcome := worker.finished(self._place(step), self.marks[step.name])) is not None:
                self._settle(step, outcome, bar)  # its process lived longer than the evaluation that started it
            elif len(self.running) < self.limit:
                handle = submit(self.executor, self._order(step), self.out / "submitit.log")
                self.running[step.name] = Running(step, handle, time.monotonic())
            else:
                continue
            moved = True
        return moved

    def _place(self, job: Job) -> str:
        return str(self.out.absolute() / "state" / job.name)

    def _log(self, name: str) -> str:
        return f"logs/{name}.log"

    def _order(self, job: Job) -> worker.Order:
        out = self.out.absolute()
        commands = [[filled(word, self.values) for word in command] for command in job.commands]
        return worker.Order(
            fingerprint=self.marks[job.name],
            commands=[executable(command) for command in commands],
            shown=[shlex.join(command) for command in commands],
            folders=[str(out / folder) for folder in job.folders],
            makes=[str(out / name) for name in job.makes],
            resumes=job.resumes,
            place=self._place(job),
            log=str(out / self._log(job.name)),
            cwd=str(Path.cwd()),
        )

    def _collect(self, name: str, bar: tqdm) -> None:
        """Settle a running job if it has ended."""
        running = self.running[name]
        if not running.handle.done() or worker.is_held(self._place(running.job)):
            return  # the lock is held where the submitter was killed and the command still runs
        outcome = worker.finished(self._place(running.job), self.marks[name])
        if outcome is None:
            try:
                outcome = running.handle.result()
            except Exception as error:  # submitit: it was killed, or could not even start
                outcome = {"state": "failed", "error": last_words(running.handle, error)}
                outcome["seconds"] = round(time.monotonic() - running.since, 1)
        del self.running[name]
        self._settle(running.job, outcome, bar)

    def _settle(self, job: Job, outcome: worker.Outcome, bar: tqdm) -> None:
        """Write the outcome of a job as a line of the results file."""
        state, error = outcome["state"], outcome["error"]
        if state == "finished":
            try:
                self.on_finished(job, filled(job.model, self.values) if job.model else None)
            except InputError as refusal:
                state, error = "failed", str(refusal)
        line = {"kind": "job", "job": job.name, "state": state, "fingerprint": self.marks[job.name]}
        line |= {"log": self._log(job.name), "seconds": outcome["seconds"]}
        line |= {"error": error} if state == "failed" else {"results": job.results} if job.results else {}
        self.results.append(line)
        if state == "finished":
            self._note_finished(job, outcome["seconds"])
            if bar.disable:  # a file has a line for each job in place of the bar
                print(f"finished: {job.name}, {outcome['seconds']} s", file=sys.stderr)
        else:
            self.state[job.name], self.blame[job.name] = "failed", job.name
            bar.write(f"failed: {job.name}: {error}; log: {self.out / self._log(job.name)}", file=sys.stderr)

    def _note_finished(self, job: Job, seconds: float) -> None:
        self.state[job.name] = "finished"
        self.seconds.setdefault(job.kind, []).append(seconds)

    def _block(self, step: Step, culprit: str) -> None:
        """Count a step as failed that cannot run, in the report too. ``culprit``: the job that failed first."""
        self.state[step.name], self.blame[step.name] = "failed", culprit
        if isinstance(step, Job):
            line = {"kind": "job", "job": step.name, "state": "failed", "fingerprint": self.marks[step.name]}
            line |= {"log": self._log(culprit), "error": f"needs {culprit}, which failed"}
            if latest(self.results.lines).get(step.name) != line:
                self.results.append(line)

    def _choose(self, choice: Choice) -> None:
        """Choose the option whose run is the best in validation, and write that to the results file."""
        scores: dict[str, float] = {}
        for option in choice.options:
            bleu = training_log.best_bleu(self.out / option.run)
            if bleu is None:
                raise InputError(f"{self.out / option.run}: must have a log of validations with BLEU, but has none")
            scores[option.label] = bleu
        best = max(choice.options, key=lambda option: scores[option.label])
        self.results.append({
            "kind": "choice", "name": choice.name, "fingerprint": self.marks[choice.name], "what": choice.what,
            "for": choice.subject, "chosen": best.label, "dev_bleu": scores,
        })  # fmt: skip
        self._note_choice(choice, best)

    def _note_choice(self, choice: Choice, option: Option) -> None:
        self.state[choice.name] = "finished"
        self.values |= {f"{choice.name}.label": option.label, f"{choice.name}.run": option.run}

    def _show(self, bar: tqdm) -> None:
        if bar.disable:
            return
        states = [self.state.get(job.name) for job in self.jobs]
        failed = states.count("failed")
        text = f" {states.count('finished')} done, {len(self.running)} running, {failed} failed, {self._time_left()}"
        moved = len(states) - states.count(None) - bar.n
        if moved or bar.postfix != text.strip():
            bar.set_postfix_str(text, refresh=False)
            bar.n += moved
            bar.refresh()

    def _time_left(self) -> str:
        """The time left in words, from the seconds that jobs of each kind took so far."""
        everything = [s for kind in self.seconds.values() for s in kind]
        if not everything:
            return "time left unknown"
        left = 0.0
        for job in self.jobs:
            if job.name not in self.state:
                durations = self.seconds.get(job.kind, everything)
                started = self.running.get(job.name)
                mean = sum(durations) / len(durations)
                left += max(0.0, mean - (time.monotonic() - started.since if started else 0.0))
        return f"about {left / self.limit / 60:.0f} min left"


def executable(command: Sequence[str]) -> list[str]:
    """A command as the job's process starts it; our own commands are started by this Python, not through the PATH."""
    ours = "meta-nmt-"
    if command[0].startswith(ours):
        return [sys.executable, "-m", f"meta_nmt.cli.{command[0].removeprefix(ours)}", *command[1:]]
    return list(command)
