"""The inputs of a training: what its folder was begun with, so that a run goes on with the same and no other.

fairseq goes on from the last checkpoint of a folder, whatever the data folder, the languages and the checkpoint to
start from are by then. The model would be of two trainings, and its card would name one. So ``RUN/inputs.json`` says
what they were. Files are known by content: a data folder may be moved.
"""

from __future__ import annotations

import hashlib
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from data_prep.base.data_folder import TABLE, DataFolder, files_of
from data_prep.base.errors import InputError
from data_prep.base.files import read_json, sha256, write_json
from data_prep.base.languages import check_language
from meta_nmt.runs.run_folder import RunFolder

FLAGS = ("source_langs", "valid_langs", "source_lang", "target_lang", "train_subset", "aligned_with")


def inputs_of(args: Namespace, parent: str | Path | None) -> dict[str, str]:
    """The languages of a training, and digests of the files that it reads: what each is -> its value.

    ``parent``: the checkpoint that it starts from; None for random parameters. InputError for what is no language code.
    """
    values = {name: str(getattr(args, name)) for name in FLAGS if getattr(args, name, None)}
    # the path of a table may change: its content is known below
    inputs = {f"`--{name.replace('_', '-')}`": value for name, value in values.items() if not value.endswith(TABLE)}
    data = DataFolder(args.data, args.target_lang)
    inputs["the universal tokens of DATA"] = _digest([data.universal.keys])
    sources, held_out = (getattr(args, name, None) or "" for name in ("source_langs", "valid_langs"))
    source, sample = getattr(args, "source_lang", None), getattr(args, "aligned_with", None)
    codes = [*sources.split(","), *held_out.split(","), source]
    for code in filter(None, [*codes, args.target_lang]):
        check_language(code)  # it becomes a part of paths
    for code in filter(None, codes):
        pack = data.pack(code)
        splits = [args.train_subset] if code in sources.split(",") else [args.train_subset, args.valid_subset]
        texts = [file for split in splits for file in data.binary_files(code, split)]
        if prefix := getattr(args, "train_prefix", ""):
            texts += files_of(Path(prefix), code, args.target_lang)
        vectors = pack.vectors_with(sample) if sample else pack.vectors
        inputs[f"the files of {code} in DATA"] = _digest([pack.dictionary, vectors, *texts])
    inputs[f"the files of {args.target_lang} in DATA"] = _digest([data.pack(args.target_lang).dictionary])
    inputs["the contents of the checkpoint to start from"] = "none" if parent is None else sha256(parent)
    return inputs


def _digest(files: list[Path]) -> str:
    """A digest of the names and contents of files; one that is missing is for the reader of the data to name."""
    contents = [f"{file.name} {sha256(file)}" for file in files if file.is_file()]
    return hashlib.sha256("\n".join(contents).encode()).hexdigest()


@contextmanager
def kept(save_dir: str | Path, inputs: Mapping[str, str], goes_on: bool) -> Iterator[None]:
    """In this context a training runs; its folder says what it was begun with, once it has a checkpoint.

    ``goes_on``: whether it would go on from the folder's last checkpoint.

    Raises:
        InputError: the run in the folder was begun with other inputs; nothing is changed.
    """
    run = RunFolder(save_dir)
    if goes_on and run.last.exists() and run.inputs.exists():
        _check_same(run, inputs)
    else:  # a folder of an earlier version says nothing: it is taken as it is
        write_json(run.inputs, inputs)
    try:
        yield
    finally:
        if not run.checkpoints:
            run.inputs.unlink(missing_ok=True)


def _check_same(run: RunFolder, inputs: Mapping[str, str]) -> None:
    begun_with = read_json(run.inputs)
    if not isinstance(begun_with, dict):
        raise InputError(f"{run.inputs}: must be the record that meta-nmt-train or meta-nmt-adapt writes, but is not")
    for name in dict.fromkeys([*inputs, *begun_with]):
        before, now = begun_with.get(name), inputs.get(name)
        if before != now:
            values = f"{before}, but is {now}" if name.startswith("`") else "what they were, but differ"
            raise InputError(
                f"--save-dir {run}: its training goes on, so {name} must be {values}; give another `--save-dir`"
            )
