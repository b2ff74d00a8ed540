"""Provenance: what every output was made from, so that a finished stage is skipped and a changed one redone.

A stage writes a record beside its outputs (``<stage>.stage.json``): the sha256 of every input and output, the
options and the versions. The stage is current when all of them still hold. All writes are atomic: a temporary file
beside the target, then os.replace.
"""

import hashlib
import json
import os
import platform
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.errors import InputError, OneLineParser, run_command

OWN = "meta-nmt"  # this distribution; a new version makes everything again
PACKAGES = ("numpy", "scipy", "scikit-learn", "sentencepiece", "gensim", "fairseq-fixed", "torch")


def sha256(path: str | os.PathLike[str]) -> str:
    """The sha256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def versions(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Versions of Python and of the packages that shape the outputs ("absent" if one is not installed)."""
    found = {"python": platform.python_version()}
    for name in (OWN, *packages):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


@contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside ``path`` to write to; it becomes ``path`` at the end, or vanishes on an error."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    os.close(handle)
    try:
        yield Path(name)
        os.chmod(name, 0o666 & ~_umask())  # mkstemp makes private files; give the usual permissions
        os.replace(name, target)
    finally:
        Path(name).unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic(path) as temporary:
        temporary.write_bytes(text.encode("utf-8"))


def write_lines(path: str | os.PathLike[str], lines: Sequence[str]) -> None:
    """Write one item a line, atomically."""
    write_text(path, "".join(line + "\n" for line in lines))


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write indented JSON atomically."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def write_array(path: str | os.PathLike[str], array: np.ndarray) -> None:
    """Write a .npy file atomically."""
    with atomic(path) as temporary, open(temporary, "wb") as file:
        np.save(file, array, allow_pickle=False)


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read JSON; InputError names the file and line if it is not JSON."""
    try:
        return json.loads(Path(path).read_text("utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: must be UTF-8 JSON: {error.reason}") from error
    except json.JSONDecodeError as error:
        raise InputError(f"{path}, line {error.lineno}: must be JSON: {error.msg}") from error


def run_stage(
    record: Path,
    work: Callable[[], Any],
    *,
    inputs: Sequence[Path],
    outputs: Sequence[Path],
    options: Mapping[str, Any],
    packages: Sequence[str] = (),
) -> bool:
    """Run ``work()`` unless ``record`` says that the outputs are current; return whether it ran.

    ``inputs`` and ``outputs`` are files; inputs are known by name and content, so a data folder can be moved.
    """
    wanted = {
        "inputs": [[path.name, sha256(path)] for path in inputs],
        "options": json.loads(json.dumps(options)),
        "versions": versions(packages),
    }
    if is_current(record, wanted, outputs):
        return False
    record.unlink(missing_ok=True)  # an interrupted stage must not look finished
    work()
    missing = [path for path in outputs if not path.is_file()]
    if missing:
        raise RuntimeError(f"stage {record.name} ended without writing {missing[0]}")
    write_json(record, wanted | {"outputs": digests(record, outputs)})
    return True


def digests(record: Path, outputs: Sequence[Path]) -> dict[str, str]:
    """Output -> sha256, each named as seen from the record's folder."""
    return {os.path.relpath(path, record.parent): sha256(path) for path in outputs}


def is_current(record: Path, wanted: Mapping[str, Any], outputs: Sequence[Path]) -> bool:
    """Whether ``record`` was made from the ``wanted`` inputs, options and versions and its outputs are untouched."""
    try:
        found = json.loads(record.read_text("utf-8"))
        same = all(found[key] == value for key, value in wanted.items())
        return same and found["outputs"] == digests(record, outputs)
    except (OSError, ValueError, KeyError, TypeError):  # absent, or damaged: do the stage again
        return False


def main(argv: Sequence[str] | None = None) -> int:
    """Check stage records against the outputs that lie beside them."""
    parser = OneLineParser(prog="python -m data_prep.provenance", description=main.__doc__)
    parser.add_argument("data", type=Path, metavar="DATA", help="a data folder")
    args = parser.parse_args(argv)
    records = sorted(args.data.rglob("*.stage.json"))
    if not records:
        raise InputError(f"{args.data}: must hold *.stage.json records, but has none")
    for record in records:
        for name, digest in read_json(record)["outputs"].items():
            path = record.parent / name
            if not path.is_file() or sha256(path) != digest:
                raise InputError(f"{path}: is missing or was changed after it was made (see {record.name})")
    print(f"{len(records)} stages, all outputs as they were made")
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main, prog="python -m data_prep.provenance"))
