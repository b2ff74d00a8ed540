"""Hostile surroundings: other inputs on a resume, a second run, odd names and variables, flipped bits, bombs, kills."""

from __future__ import annotations

import gzip
import hashlib
import os
import random
import resource
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
from arguments import arguments
from data_folder import make_data_folder

from campaign.bad_text import preprocess
from campaign.runs import ROLES, Check, Hook, Process, Row, adapt_flags, rows_of, run, start, train_flags
from meta_nmt.cli import export  # noqa: F401  imported once, before the runs are forked

TRAIN, ADAPT, GENERATE, EXPORT, TRANSLATE, PREPROCESS, CORPUS = (
    "meta_nmt.cli.train", "meta_nmt.cli.adapt", "meta_nmt.cli.generate", "meta_nmt.cli.export",
    "meta_nmt.cli.translate", "meta_nmt.cli.preprocess", "data_prep.corpora.corpus",
)  # fmt: skip
LIMIT_S = 60.0
MEMORY = 12 << 30  # bytes of address space in which a bomb is refused
NAMES = ('it\'s "quoted" here', "two\nlines", "-grüße हिन्दी", "a,b:c$HOME%s{x}[y]")
VARIABLES = {
    "torchrun's of one worker": {
        "RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "MASTER_ADDR": "a", "MASTER_PORT": "1",
    },
    "a part of torchrun's": {"RANK": "1", "WORLD_SIZE": "2"},
    "Slurm's of four processes": {"SLURM_PROCID": "3", "SLURM_NTASKS": "4", "SLURM_NNODES": "2", "SLURM_NODEID": "1"},
    "Slurm's, no numbers": {"SLURM_PROCID": "x", "SLURM_NTASKS": "y", "SLURM_STEP_NODELIST": "z"},
    "no home, no folder for temporary files": {"HOME": "/nowhere", "TMPDIR": "/nowhere"},
}  # fmt: skip


def contents(folder: Path) -> dict[str, str]:
    """The digest of each file of a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def refusal(process: Process, word: str) -> str | None:
    """What is wrong with how a run is refused; None where it is one line, with ``word`` in it, and status 2."""
    status, lines = process.wait(LIMIT_S), process.last_lines()
    errors = [line for line in lines if ": error: " in line]
    good = status == 2 and len(errors) == 1 and lines[-1] == errors[0] and word in lines[-1]
    return None if good and "Traceback" not in process.text() else f"ended with {status}: {lines[-2:]}"


def other_inputs(command: str, argv: list[str], others: list[str], folder: Path) -> str | None:
    """A run goes on with the same inputs; with others it is refused, and nothing is touched."""
    run(command, argv, folder.with_suffix(".log"))
    before = contents(folder)
    log = folder.with_suffix(".other.log")
    log.unlink(missing_ok=True)
    wrong = refusal(start(command, others, log), "its training goes on")
    if wrong is None and contents(folder) != before:
        wrong = "files of the run were changed"
    run(command, argv, folder.with_suffix(".log"))
    return wrong


def second_run(data: Path, folder: Path) -> str | None:
    argv = train_flags(data, folder, "--max-update 100000 --max-epoch 100000")
    first = start(TRAIN, argv, folder.with_suffix(".1.log"))
    try:
        end = time.monotonic() + LIMIT_S
        while not (folder / "checkpoint_last.pt").exists():
            assert time.monotonic() < end, first.text()[-1000:]
            time.sleep(0.02)
        return refusal(start(TRAIN, argv, folder.with_suffix(".2.log")), "another run is writing")
    finally:
        first.kill()
        first.wait()


def odd_name(data: Path, best: Path, folder: Path) -> str | None:
    """Everything in folders of that name: fine-tuning, a result, a translator folder, a translation."""
    folder.mkdir(parents=True)
    log = folder / "log"
    shutil.copytree(data, folder / "data")
    shutil.copy(best, folder / "meta.pt")
    run(ADAPT, adapt_flags(folder / "data", folder / "meta.pt", folder / "run", "--max-update 2"), log)
    adapted = ("--path", folder / "run/checkpoint_best.pt", "--source-lang", "dd")
    common = [str(word) for word in (folder / "data", *adapted)]
    line = "--results {} --gen-subset test --beam 1 --max-len-a 0 --max-len-b 4"
    run(GENERATE, [*common, *arguments(line, folder / "result")], log)
    run(EXPORT, [*common, *arguments("--to ctranslate2 --out {}", folder / "dd-en")], log)
    (folder / "text").write_text("ddwaa\n")
    run(TRANSLATE, arguments("--model {} --input {}", folder / "dd-en", folder / "text"), log)
    return None


def with_variables(values: dict[str, str]) -> Hook:
    return lambda: os.environ.update(values)


def around(data: Path, best: Path, folder: Path, values: dict[str, str]) -> str | None:
    """An outer job's variables change nothing in runs of one process."""
    hook = with_variables(values)
    run(TRAIN, train_flags(data, folder / "meta", "--max-update 2"), folder.with_suffix(".log"), hook, LIMIT_S)
    run(ADAPT, adapt_flags(data, best, folder / "run", "--max-update 2"), folder.with_suffix(".log"), hook, LIMIT_S)
    return None


def flipped_bits(translator: Path, folder: Path, tries: int, seed: int) -> Iterator[str]:
    """What is wrong with how translators with one flipped bit are refused."""
    rng = random.Random(seed)
    text = folder.with_suffix(".txt")
    text.write_text("ddwaa ddwab\n")
    names = [name for name in contents(translator) if name.startswith("ctranslate2/") or name.endswith(".spm")]
    for number in range(tries):
        shutil.copytree(translator, folder)
        damaged = folder / names[number % len(names)]
        content = bytearray(damaged.read_bytes())
        place = rng.randrange(min(len(content), 300) if number % 2 else len(content))
        content[place] ^= 1 << rng.randrange(8)
        damaged.write_bytes(content)
        log = folder.with_suffix(f".{number}.log")
        wrong = refusal(start(TRANSLATE, arguments("--model {} --input {}", folder, text), log), damaged.name)
        if wrong:
            yield f"{damaged.name}, byte {place}: {wrong}"
        shutil.rmtree(folder)


def little_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def repeated(folder: Path) -> None:
    """A parquet file of some kilobytes whose one text of 1 MB is in each of 100,000 rows: 100 GB."""
    rows = pa.array([0] * 100_000, pa.int32())
    table = pa.table({side: pa.DictionaryArray.from_arrays(rows, [side * 500_000]) for side in ("xx", "en")})
    pa.parquet.write_table(table, folder / "xx-en.parquet", compression="zstd")


def packed(name: str, line: bytes, count: int) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        with gzip.open(folder / name, "wb", compresslevel=1) as file:
            for _ in range(count):
                file.write(line)

    return write


BOMBS: dict[str, Callable[[Path], None]] = {
    "parquet, one text repeated": repeated,
    "CSV, a field without end": lambda f: packed("xx-en.csv.gz", b'xx,en\n"' + b"a" * (1 << 20), 300)(f),
    "aligned lines, one without end": lambda f: (
        packed("train.xx.gz", b"a" * (1 << 20), 300)(f), packed("train.en.gz", b"b\n", 1)(f),
    )[0],
}  # fmt: skip


def bomb(write: Callable[[Path], None], folder: Path) -> str | None:
    """Refused in one line, in bounded time and memory."""
    (folder / "corpus").mkdir(parents=True)
    write(folder / "corpus")
    argv = arguments("--corpus {}/corpus --langs xx", folder)
    return refusal(start(CORPUS, argv, folder.with_suffix(".log"), little_memory), "xx")


def killed_preparation(folder: Path, kills: int, seed: int) -> str | None:
    """Killed at random moments and started again, the folder is as if nothing had happened."""
    rng = random.Random(seed)
    line = "--vocab-size 60 --universal-tokens 30 --vector-dim 4 --hold-out-last 20,20"
    argv, log = preprocess(folder, line), folder.with_suffix(".log")  # the record has paths: always this folder
    began = time.monotonic()
    run(PREPROCESS, argv, log)
    usual_s = time.monotonic() - began
    whole = contents(folder / "out")
    shutil.rmtree(folder)
    argv = preprocess(folder, line)
    for _ in range(kills):
        process = start(PREPROCESS, argv, log)
        time.sleep(rng.uniform(0, usual_s))
        process.kill()
        process.wait()
    run(PREPROCESS, argv, log)
    again = contents(folder / "out")
    unlike = sorted(name for name in whole.keys() | again.keys() if whole.get(name) != again.get(name))
    return f"not the same: {unlike[:5]}" if unlike else None


def campaign(data: Path, best: Path, work: Path, seed: int) -> list[Row]:
    """Rows (fault, tries, what was lost)."""
    other = make_data_folder(work / "other", ROLES, seed=5)
    meta, adapted = work / "meta", work / "adapted"
    training, adapting = train_flags(data, meta, "--max-update 3"), adapt_flags(data, best, adapted, "--max-update 2")
    checks: dict[str, Check] = {
        "training resumed with other languages": lambda: other_inputs(
            TRAIN, training, [*training, "--source-langs", "aa"], meta),
        "training resumed with other data": lambda: other_inputs(
            TRAIN, training, train_flags(other, meta, "--max-update 3"), meta),
        "fine-tuning resumed with other data": lambda: other_inputs(
            ADAPT, adapting, adapt_flags(other, best, adapted, "--max-update 2"), adapted),
        "fine-tuning resumed from another checkpoint": lambda: other_inputs(
            ADAPT, adapting, adapt_flags(data, meta / "checkpoint_last.pt", adapted, "--max-update 2"), adapted),
        "a second training in the folder": lambda: second_run(data, work / "second"),
        "preparation killed": lambda: killed_preparation(work / "killed", 4, seed),
        **{f"in a folder {name!r}": lambda n=name: odd_name(data, best, work / "names" / n) for name in NAMES},
        **{f"variables: {name}": lambda n=name: around(data, best, work / n, VARIABLES[n]) for name in VARIABLES},
        **{f"bomb: {name}": lambda n=name: bomb(BOMBS[n], work / n) for name in BOMBS},
    }  # fmt: skip
    rows = rows_of(checks, "hostile: {}")
    translator = work / "names" / NAMES[0] / "dd-en"
    rows.append(("hostile: a flipped bit in a translator", 24, [*flipped_bits(translator, work / "flipped", 24, seed)]))
    return rows
