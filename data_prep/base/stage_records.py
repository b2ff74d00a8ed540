"""Records of stages: what every output was made from, so that a finished stage is skipped and a changed one redone.

A stage writes a record beside its outputs (``<stage>.stage.json``). It holds the sha256 of every input and output, the
options, the versions, and the hash of the code. A stage is current while all of these are unchanged; otherwise
``Reasons`` says what has changed.
"""

import ast
import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from data_prep.base.command_line import OneLineParser, run_command
from data_prep.base.data_folder import STAGE_RECORD, DataFolder
from data_prep.base.errors import InputError
from data_prep.base.files import read_json, sha256, write_json
from data_prep.base.versions import versions

CODE = Path(__file__).parents[1]  # the folder of the package data_prep

Reasons = tuple[str, ...]  # why a stage has to run; none where its outputs are current
NEW: Reasons = ("new",)
UNFINISHED: Reasons = ("unfinished",)  # the stage was interrupted, or its record is damaged


def source_of(module: str) -> str:
    """The source text of a module of this package, by its dotted name; empty if the name is not that of a file."""
    path = CODE.parent.joinpath(*module.split(".")).with_suffix(".py")
    return path.read_text("utf-8") if path.is_file() else ""


@cache
def _own_imports(module: str) -> tuple[str, ...]:
    """Dotted names of all that a module imports from this package, anywhere in its file; not all are modules."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source_of(module))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add(str(node.module))
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return tuple(sorted(name for name in names if name.startswith(f"{CODE.name}.")))


def code_hash(modules: Sequence[str], alone: Sequence[str] = ()) -> str:
    """The sha256 over the source of ``modules``, with all that they import from this package, and of ``alone``.

    What the modules in ``alone`` import does not count. All are dotted names, such as ``data_prep.packs.align``.
    """
    todo, seen = list(modules), set()
    while todo:
        module = todo.pop()
        if module not in seen:
            seen.add(module)
            todo += _own_imports(module)
    sources = [f"{name}\n{text}\n" for name in sorted({*seen, *alone}) if (text := source_of(name))]
    return hashlib.sha256("".join(sources).encode()).hexdigest()


def run_stage(
    record: Path,
    work: Callable[[], Sequence[Path] | None],
    *,
    inputs: Sequence[Path],
    outputs: Sequence[Path],
    options: Mapping[str, Any],
    packages: Sequence[str] = (),
    code: str = "",
) -> Reasons:
    """Run ``work()`` unless ``record`` says that the outputs are current; return why it ran, or () if it did not.

    ``inputs`` and ``outputs`` are files. Inputs are known by name and content, so a data folder can be moved. ``work``
    may return those of ``outputs`` that it made; None stands for all. ``code`` is the ``code_hash`` of the modules that
    do the work. Outputs of an earlier run that this one did not make are removed: the folder is as after a first run.
    """
    wanted = {
        "inputs": [[path.name, sha256(path)] for path in inputs],
        "options": json.loads(json.dumps(options)),
        "versions": versions(packages),
        "code": code,
    }
    reasons = why_not_current(record, wanted)
    if not reasons:
        return ()
    before = {*_recorded(record), *(os.path.relpath(path, record.parent) for path in outputs)}
    write_json(record, {"unfinished": sorted(before)})  # so that an interrupted stage does not look finished
    returned = work()
    written = outputs if returned is None else returned
    missing = [path for path in written if not path.is_file()]
    if missing:
        raise RuntimeError(f"stage {record.name} ended without writing {missing[0]}")
    digests = {os.path.relpath(path, record.parent): sha256(path) for path in written}
    folders = {os.path.dirname(name) for name in digests}  # a record that was tampered with must not reach elsewhere
    for name in before - digests.keys():
        if os.path.dirname(name) in folders:
            (record.parent / name).unlink(missing_ok=True)
    write_json(record, wanted | {"outputs": digests})
    return reasons


def _read(record: Path) -> dict[str, Any]:
    """The content of a record; {} if it is absent or damaged."""
    try:
        content = read_json(record)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _recorded(record: Path) -> list[str]:
    """The outputs that a record names, whether its stage was finished or not."""
    content = _read(record)
    names = content.get("outputs", content.get("unfinished"))
    return [str(name) for name in names] if isinstance(names, (dict, list)) else []


def code_in(record: Path) -> str | None:
    """The hash of the code that a finished stage was made with; None if the stage is not finished."""
    content = _read(record)
    return str(content.get("code")) if "outputs" in content else None


def why_not_current(record: Path, wanted: Mapping[str, Any]) -> Reasons:
    """The parts of ``record`` that differ from ``wanted``, as reasons such as "code changed".

    The outputs are hashed only if nothing else differs.
    """
    if not record.is_file():
        return NEW
    content = _read(record)
    outputs = content.get("outputs")
    if not isinstance(outputs, dict):
        return UNFINISHED
    changed = [key for key in wanted if content.get(key) != wanted[key]]
    if not changed and not all(_as_made(record.parent / name, digest) for name, digest in outputs.items()):
        changed = ["outputs"]
    return tuple(f"{key} changed" for key in changed)


def _as_made(path: Path, digest: str) -> bool:
    try:
        return sha256(path) == digest
    except (OSError, ValueError):  # the file is gone, cannot be read, or its name cannot be that of a file
        return False


def main(argv: Sequence[str] | None = None) -> int:
    """Check stage records against the outputs that lie beside them."""
    parser = OneLineParser(prog="python -m data_prep stage_records", description=main.__doc__)
    parser.add_argument("data", type=Path, metavar="DATA", help="a data folder")
    args = parser.parse_args(argv)
    records = DataFolder(args.data).stage_records
    if not records:
        raise InputError(f"{args.data}: must hold *{STAGE_RECORD} records, but has none")
    for record in records:
        content = read_json(record)
        if not isinstance(content, dict) or not isinstance(content.get("outputs"), dict):
            raise InputError(f"{record}: its stage was not finished; run meta-nmt-preprocess again")
        for name, digest in content["outputs"].items():
            path = record.parent / name
            if not _as_made(path, digest):
                raise InputError(f"{path}: is missing or was changed after it was made (see {record.name})")
    print(f"{len(records)} stages, all outputs as they were made")
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main, prog="python -m data_prep stage_records"))
