"""All stages in order, from a corpus folder to a data folder. A stage that is current is skipped.

raw text -> clean and split -> samples -> SentencePiece -> monolingual vectors -> ULR tables -> alignment -> binarised
data -> leakage audit. The text of one language after the other is cleaned by all processes together; in the other
stages languages are independent of each other and run in processes beside each other.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tqdm import tqdm

from data_prep.base.command_line import writable_directory
from data_prep.base.files import read_json, remove_partial, sole_writer, write_json, write_lines
from data_prep.base.versions import versions
from data_prep.base.workers import worker_pool
from data_prep.packs.align import poor_warning
from data_prep.pipeline.audit import Audited
from data_prep.pipeline.estimate import describe
from data_prep.pipeline.plan import Options, Plan, make_plan
from data_prep.pipeline.stages import (
    align_stage,
    audit_stage,
    binarise_stage,
    pack_stage,
    read_keys,
    text_stage,
    universal_stage,
)
from data_prep.pipeline.survey import Survey, survey

FORMAT = 1


def prepare(options: Options) -> dict[str, Any]:
    """Make or bring up to date the data folder ``options.out``; returns the content of its data.json."""
    plan = make_plan(options)
    found = survey(plan)
    writable_directory(options.out, "--out")
    print(describe(plan, found), file=sys.stderr)
    with sole_writer(options.out), worker_pool(options.workers) as pool:
        remove_partial(options.out)
        return _run_stages(plan, found, pool)


def _run_stages(plan: Plan, found: Survey, pool: Executor | None) -> dict[str, Any]:
    if not plan.held_out.is_file() or read_keys(plan.held_out) != found.held_out:
        write_lines(plan.held_out, found.held_out)
    langs = list(plan.options.roles)
    clean_texts(pool, plan, found)
    run_all(pool, "subwords and monolingual vectors", pack_stage, plan, [plan.english, *langs])
    run_all(None, "universal tokens", universal_stage, plan, [plan.english])
    run_all(pool, "alignment to the universal tokens", align_stage, plan, langs)
    run_all(pool, "binarised data", binarise_stage, plan, langs)
    run_all(pool, "leakage audit", audit_stage, plan, [*langs, plan.english])
    warn_of_poor_alignment(plan)
    record = data_record(plan)
    if not plan.record.is_file() or read_json(plan.record) != record:
        write_json(plan.record, record)
    return record


def clean_texts(pool: Executor | None, plan: Plan, found: Survey) -> None:
    """Clean text, splits and samples of all languages, with progress in lines on stderr."""
    sizes = {lang: found.languages[lang].source.lines for lang in plan.options.roles}
    done = pairs = 0
    title = "clean text, splits and samples"
    with tqdm(total=sum(sizes.values()), desc=title, unit="pair", unit_scale=True, file=sys.stderr) as bar:
        for lang, lines in sizes.items():
            done += text_stage(plan, lang, found.languages[lang], pool, bar.update)
            pairs += lines
            bar.update(pairs - bar.n)  # those that are up to date
        bar.set_postfix_str(f"{done} made, {len(sizes) - done} up to date")


def run_all(
    pool: Executor | None, title: str, stage: Callable[[Plan, str], bool], plan: Plan, langs: Sequence[str]
) -> None:
    """Run a stage for all languages, with progress on stderr; the first error stops the rest."""
    done = 0
    with tqdm(total=len(langs), desc=title, unit="language", file=sys.stderr) as bar:
        for made in _results(pool, stage, plan, langs):
            done += made
            bar.update()
        bar.set_postfix_str(f"{done} made, {len(langs) - done} up to date")


def _results(
    pool: Executor | None, stage: Callable[[Plan, str], bool], plan: Plan, langs: Sequence[str]
) -> Iterator[bool]:
    if pool is None:
        yield from (stage(plan, lang) for lang in langs)
        return
    futures = [pool.submit(stage, plan, lang) for lang in langs]
    try:
        for future in as_completed(futures):
            yield future.result()
    finally:
        for future in futures:
            future.cancel()


def warn_of_poor_alignment(plan: Plan) -> None:
    """One line on stderr for every language whose alignment is poor."""
    for lang in plan.options.roles:
        quality = read_json(plan.pack(lang) / "card.json")["alignment"]
        warning = poor_warning(lang, plan.english, quality)
        if warning:
            print(warning, file=sys.stderr)


def data_record(plan: Plan) -> dict[str, Any]:
    """What data.json holds."""
    options = plan.options
    languages = {}
    for lang, role in options.roles.items():
        quality = read_json(plan.pack(lang) / "card.json")["alignment"]
        text = read_json(plan.text(lang) / "cleaning.json")
        languages[lang] = {"role": role} | text | {"alignment": quality, "audit": _audit(plan, lang)}
    given = asdict(options)
    given = {name: given[name] for name in given if name not in ("out", "workers")}  # they change nothing that is made
    return {
        "format": FORMAT,
        "target_lang": plan.english,
        "languages": languages,
        "english": read_json(plan.pack(plan.english) / "card.json") | {"audit": _audit(plan, plan.english)},
        "options": _plain(given),
        "versions": versions(),
    }


def _audit(plan: Plan, lang: str) -> dict[str, Any]:
    found: dict[str, Any] = read_json(Audited(plan.out, lang, plan.english, plan.options.roles).report_file)
    return found


def _plain(value: Any) -> Any:
    """The value as JSON gives it back: paths as text, tuples as lists."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
