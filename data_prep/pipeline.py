"""All stages in order, from a corpus folder to a data folder. A stage that is current is skipped.

raw text -> clean and split -> samples -> SentencePiece -> monolingual vectors -> ULR tables -> alignment -> binarised
data. Languages are independent of each other within a stage and run in parallel processes.
"""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tqdm import tqdm

from data_prep import align
from data_prep.corpus import read_mono
from data_prep.errors import writable_directory
from data_prep.plan import Options, Plan, make_plan, raise_all
from data_prep.provenance import read_json, versions, write_json, write_lines
from data_prep.split import held_out_keys
from data_prep.stages import align_stage, binarise_stage, pack_stage, text_stage, universal_stage
from data_prep.subsample import samples

FORMAT = 1


def read_everything(plan: Plan) -> list[str]:
    """Read and check every input before anything is written; returns the keys of all dev and test English, sorted.

    InputError reports all bad files at once.
    """
    keys: set[str] = set()

    def read(lang: str) -> None:
        if lang != plan.english:
            parts = plan.split_raw(lang)
            keys.update(held_out_keys(parts)[1])
            if plan.options.roles[lang] == "target":
                samples(
                    parts["train"],
                    plan.options.budgets(lang),
                    plan.options.sample_seeds[:1],
                    f"the training text of {lang}",
                )
        for path in plan.mono[lang]:
            read_mono(path, lang, plan.english)
        for path in align.find_dictionaries(plan.options.dictionaries, lang, plan.english):
            align.read_word_list(path)

    raise_all([lambda lang=lang: read(lang) for lang in [*plan.options.roles, plan.english]])  # type: ignore[misc]
    return sorted(keys)


def prepare(options: Options) -> dict[str, Any]:
    """Make or bring up to date the data folder ``options.out``; returns the content of its data.json."""
    plan = make_plan(options)
    held_out = read_everything(plan)
    writable_directory(options.out, "--out")
    if not plan.held_out.is_file() or plan.held_out.read_text("utf-8").splitlines() != held_out:
        write_lines(plan.held_out, held_out)
    langs = list(options.roles)
    with worker_pool(options.workers) as pool:
        run_all(pool, "clean text, splits and samples", text_stage, plan, langs)
        run_all(pool, "subwords and monolingual vectors", pack_stage, plan, [plan.english, *langs])
        run_all(None, "universal tokens", universal_stage, plan, [plan.english])
        run_all(pool, "alignment to the universal tokens", align_stage, plan, langs)
        run_all(pool, "binarised data", binarise_stage, plan, langs)
    warn_of_poor_alignment(plan)
    record = data_record(plan)
    path = options.out / "data.json"
    if not path.is_file() or read_json(path) != record:
        write_json(path, record)
    return record


@contextmanager
def worker_pool(workers: int) -> Iterator[Executor | None]:
    """Processes with one BLAS thread each; None for a single worker, which needs no process of its own."""
    if workers == 1:
        yield None
        return
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))  # inherited by the processes, which start when work comes
    try:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            yield pool
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)


def run_all(
    pool: Executor | None, title: str, stage: Callable[[Plan, str], bool], plan: Plan, langs: Sequence[str]
) -> None:
    """Run a stage for all languages, with progress on stderr; the first error stops the rest."""
    done = 0
    with tqdm(total=len(langs), desc=title, unit="language", file=sys.stderr) as bar:
        for made in _results(pool, stage, plan, langs):
            done += made
            if made:  # what data.json says holds no more; it comes back when all is done
                (plan.out / "data.json").unlink(missing_ok=True)
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
        if quality["poor"]:
            print(
                f"warning: {lang}: the alignment to {plan.english} is poor (held-out precision@1 "
                f"{quality['precision_at_1']}, {quality['anchors']} anchors): "
                "more monolingual text or a dictionary helps",
                file=sys.stderr,
            )


def data_record(plan: Plan) -> dict[str, Any]:
    """What data.json holds."""
    options = plan.options
    languages = {}
    for lang, role in options.roles.items():
        quality = read_json(plan.pack(lang) / "card.json")["alignment"]
        languages[lang] = {"role": role} | read_json(plan.text(lang) / "counts.json") | {"alignment": quality}
    given = asdict(options)
    given = {name: given[name] for name in given if name not in ("out", "workers")}  # they change nothing that is made
    return {
        "format": FORMAT,
        "target_lang": plan.english,
        "languages": languages,
        "english": read_json(plan.pack(plan.english) / "card.json"),
        "options": _plain(given),
        "versions": versions(),
    }


def _plain(value: Any) -> Any:
    """The value as JSON gives it back: paths as text, tuples as lists."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
