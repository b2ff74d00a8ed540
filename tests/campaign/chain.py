"""The whole chain twice, from raw text to a translated test set: the same bytes, and not one connection to a network.

Each time a Python of its own, with another seed of its hashes, in which every connection to another machine is refused.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from campaign.runs import difference, state

REPO = Path(__file__).parents[2]
LIMIT_S = 900
# imported by every Python with this folder on its path, the worker processes included
NO_NETWORK = """\
import os, socket

def refuse(self, address, *rest):
    if self.family in (socket.AF_INET, socket.AF_INET6):
        with open(os.environ["CONNECTIONS"], "a") as file:
            file.write(f"{address}\\n")
        raise OSError(f"no network here: {address}")
    return connect(self, address, *rest)

connect = socket.socket.connect
socket.socket.connect = socket.socket.connect_ex = refuse
"""
COMMANDS = """\
import sys
from arguments import arguments
from data_prep.synthetic import family
from meta_nmt.cli import adapt, generate, preprocess, train

def run(module, line, *values):
    status = module.main(arguments(line, *values))
    assert status == 0, f"{module.__name__} ended with {status}"

if __name__ == "__main__":
    run(family, "--out corpus --languages qaa,qbb,qav,qbx --sentences 200 --mono-sentences 200")
    run(preprocess, "--out data --corpus corpus --mono corpus/mono --dictionaries corpus/dict --source-langs qaa,qbb "
        "--valid-langs qav --target-langs qbx --english-tokens 500 --sample-seeds 1 --vocab-size 200 "
        "--universal-tokens 200 --vector-dim 16 --workers {}", sys.argv[1])
    run(train, "data --save-dir meta --source-langs qaa,qbb --valid-langs qav --arch ulr_transformer_tiny "
        "--encoder-layers 1 --decoder-layers 1 --encoder-embed-dim 32 --decoder-embed-dim 32 --support-tokens 60 "
        "--query-tokens 240 --meta-batch-size 2 --max-update 4 --valid-steps 2 --valid-sample-tokens 200 "
        "--warmup-updates 2 --num-workers 0")
    run(adapt, "data --checkpoint meta/checkpoint_best.pt --source-lang qbx --save-dir adapted --max-tokens 200 "
        "--train-subset train-500-s1 --max-update 4 --num-workers 0 --eval-bleu-args {}",
        '{"beam": 1, "max_len_a": 0, "max_len_b": 4}')
    run(generate, "data --path adapted/checkpoint_best.pt --source-lang qbx --gen-subset valid --results results "
        "--beam 2 --max-len-a 0 --max-len-b 4")
"""


def run_chain(folder: Path, hash_seed: int, workers: int) -> Path:
    """Runs it in ``folder``; the file of the connections that it tried, empty if none."""
    folder.mkdir(parents=True)
    (folder / "python").mkdir()
    (folder / "python/sitecustomize.py").write_text(NO_NETWORK)
    (folder / "commands.py").write_text(COMMANDS)
    connections = folder / "connections"
    connections.touch()
    environment = os.environ | {
        "PYTHONHASHSEED": str(hash_seed),
        "PYTHONPATH": f"{folder / 'python'}:{REPO}:{REPO / 'tests'}",
        "CONNECTIONS": str(connections),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "commands.py", str(workers)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 0, done.stderr[-3000:]
    return connections


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def compare(first: Path, second: Path) -> dict[str, str | None]:
    """What is not the same, by stage; None where everything is."""
    found: dict[str, str | None] = {}
    for stage in ("corpus", "data"):
        one, other = digests(first / stage), digests(second / stage)
        names = [name for name in one.keys() | other.keys() if one.get(name) != other.get(name)]
        found[stage] = f"other bytes: {sorted(names)[:5]}" if names else None
    for stage in ("meta", "adapted"):
        found[stage] = difference(state(first / stage), state(second / stage))
    same = translations(first / "results") == translations(second / "results")
    found["results"] = None if same else "other translations"
    return found


def translations(folder: Path) -> dict[str, list[str]]:
    """The lines of a result's files; fairseq-generate's times are none."""
    return {
        path.name: [line for line in path.read_text(encoding="utf-8").splitlines() if "Translated" not in line]
        for path in folder.glob("*.txt")
    }


def campaign(work: Path) -> list[tuple[str, int, list[str]]]:
    """Rows (fault, tries, what was lost)."""
    tried = [run_chain(work / str(number), number, number).read_text() for number in (1, 2)]
    wrong = compare(work / "1", work / "2")
    rows = [(f"determinism: {stage}", 1, [found] if found else []) for stage, found in wrong.items()]
    return [*rows, ("no network: the whole chain", 2, [text for text in tried if text])]
