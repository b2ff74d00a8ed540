"""All stages in order, from a corpus folder to a data folder. A stage that is current is skipped.

raw text -> clean and split -> samples -> SentencePiece -> monolingual vectors -> ULR tables -> alignment -> binarised
data -> leakage audit. Cleaning handles one language after the other, each by all processes together. In the other
stages languages are independent of each other and run in processes side by side.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from data_prep.base.command_line import writable_directory
from data_prep.base.files import read_json, remove_partial, sole_writer, write_json
from data_prep.base.stage_records import Reasons
from data_prep.base.versions import versions
from data_prep.base.workers import submit, worker_pool
from data_prep.cleaning.held_out import read_held_out, write_held_out
from data_prep.packs.align import best_alignment, poor_warning
from data_prep.pipeline.estimate import describe
from data_prep.pipeline.plan import Options, Plan, make_plan
from data_prep.pipeline.stages import (
    align_stage,
    audit_stage,
    binarise_stage,
    made_by_other_code,
    pack_stage,
    text_stage,
    universal_stage,
)
from data_prep.pipeline.survey import Survey, survey

FORMAT = 1
Stage = Callable[[Plan, str], Reasons]


def prepare(options: Options) -> dict[str, Any]:
    """Make the data folder ``options.out``, or bring it up to date; returns the content of its data.json."""
    plan = make_plan(options)
    surveyed = survey(plan)
    writable_directory(options.out, "--out")
    print(describe(plan, surveyed), file=sys.stderr)
    say_other_code(plan)
    with sole_writer(options.out), worker_pool(options.workers) as pool:
        remove_partial(options.out)
        return _run_stages(plan, surveyed, pool)


def say_other_code(plan: Plan) -> None:
    """Print a line to stderr if some stages of the data folder were made by another version of the code."""
    others, finished = made_by_other_code(plan)
    if others:
        print(
            f"{plan.folder}: {others} of {finished} finished stages were made by another version of the code, and are "
            "made again",
            file=sys.stderr,
        )


def _run_stages(plan: Plan, surveyed: Survey, pool: Executor | None) -> dict[str, Any]:
    folder = plan.folder
    if not folder.held_out.is_file() or not np.array_equal(read_held_out(folder), surveyed.held_out):
        folder.record.unlink(missing_ok=True)  # its text will be made again
        write_held_out(folder, surveyed.held_out)
    langs = list(plan.options.roles)
    clean_texts(pool, plan, surveyed)
    run_all(pool, "subwords and monolingual vectors", pack_stage, plan, [plan.english, *langs])
    run_all(None, "universal tokens", universal_stage, plan, [plan.english])
    run_all(pool, "alignment to the universal tokens", align_stage, plan, langs)
    run_all(pool, "binarised data", binarise_stage, plan, langs)
    run_all(pool, "leakage audit", audit_stage, plan, [*langs, plan.english])
    warn_of_poor_alignment(plan)
    record = data_record(plan)
    if not folder.record.is_file() or read_json(folder.record) != record:
        write_json(folder.record, record)
    return record


def clean_texts(pool: Executor | None, plan: Plan, surveyed: Survey) -> None:
    """Make the clean text, splits and samples of all languages, with progress in pairs on stderr."""
    sizes = {lang: surveyed.languages[lang].source.lines for lang in plan.options.roles}
    runs: list[Reasons] = []
    pairs = 0
    title = "clean text, splits and samples"
    with tqdm(
        total=sum(sizes.values()), desc=title, unit="pair", unit_scale=True, file=sys.stderr, disable=None
    ) as bar:
        for lang, lines in sizes.items():
            runs.append(text_stage(plan, lang, surveyed.languages[lang], pool, bar.update))
            pairs += lines
            bar.update(pairs - bar.n)  # the pairs of a language that is up to date
        say_summary(bar, title, runs)


def say_summary(bar: tqdm, title: str, runs: Sequence[Reasons]) -> None:
    """Say what the runs of a stage did: on the bar or, in a file, which has no bar, in one line."""
    if bar.disable:
        print(f"{title}: {summary(runs)}", file=sys.stderr)
    else:
        bar.set_postfix_str(summary(runs))


def summary(runs: Sequence[Reasons]) -> str:
    """What the runs of a stage did, in words: "3 made (code changed: 3), 20 up to date"."""
    counts = sorted(Counter(chain.from_iterable(runs)).items())
    why = ", ".join(f"{reason}: {count}" for reason, count in counts)
    had_work = sum(map(bool, runs))
    return f"{had_work} made{f' ({why})' if why else ''}, {len(runs) - had_work} up to date"


def run_all(pool: Executor | None, title: str, stage: Stage, plan: Plan, langs: Sequence[str]) -> None:
    """Run a stage for all languages, with progress on stderr; the first error stops the rest."""
    runs: list[Reasons] = []
    with tqdm(total=len(langs), desc=title, unit="language", file=sys.stderr, disable=None) as bar:
        for reasons in _results(pool, stage, plan, langs):
            runs.append(reasons)
            bar.update()
        say_summary(bar, title, runs)


def _results(pool: Executor | None, stage: Stage, plan: Plan, langs: Sequence[str]) -> Iterator[Reasons]:
    if pool is None:
        yield from (stage(plan, lang) for lang in langs)
        return
    futures = [submit(pool, stage, plan, lang) for lang in langs]
    try:
        for future in as_completed(futures):
            yield future.result()
    finally:
        for future in futures:
            future.cancel()


def warn_of_poor_alignment(plan: Plan) -> None:
    """Print a line to stderr for every language whose alignment is poor."""
    for lang in plan.options.roles:
        pack = plan.folder.pack(lang)
        warning = poor_warning(pack, plan.english, best_alignment(read_json(pack.card)))
        if warning:
            print(warning, file=sys.stderr)


def data_record(plan: Plan) -> dict[str, Any]:
    """The content of data.json, the record of a finished data folder."""
    options, folder = plan.options, plan.folder
    languages = {}
    for lang, role in options.roles.items():
        quality = best_alignment(read_json(folder.pack(lang).card))
        text, audit = read_json(folder.text(lang).cleaning), read_json(folder.audit(lang))
        licences = list(plan.corpora[lang].licences)
        languages[lang] = {"role": role} | text | {"licences": licences, "alignment": quality, "audit": audit}
    # the folder and the number of workers change nothing that is made
    settings = {name: value for name, value in asdict(options).items() if name not in ("out", "workers")}
    return {
        "format": FORMAT,
        "target_lang": plan.english,
        "languages": languages,
        "english": read_json(folder.pack(plan.english).card) | {"audit": read_json(folder.audit(plan.english))},
        "options": _plain(settings),
        "versions": versions(),
    }


def _plain(value: Any) -> Any:
    """The value as JSON gives it back: paths as text, tuples as lists."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
