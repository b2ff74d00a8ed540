"""Bad input: one line that names the culprit, exit status 2, nothing half-written."""

import json
import os
import pickle
import resource
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from arguments import arguments

from data_prep.base.errors import InputError
from meta_nmt.cli import adapt, export, generate, train, translate
from meta_nmt.translation import average
from meta_nmt.translation.meta_model import find_data


def train_flags(data, save, more="", *values):
    return arguments(
        "{} --save-dir {} --source-langs aa,bb --valid-langs cc --arch ulr_transformer_tiny --encoder-layers 1 "
        "--decoder-layers 1 --support-tokens 60 --query-tokens 60 --max-update 2 --num-workers 0 " + more,
        *(data, save, *values),
    )


@pytest.fixture(scope="module")
def checkpoint(data, tmp_path_factory):
    save = tmp_path_factory.mktemp("meta")
    assert train.main(train_flags(data, save)) == 0
    return save / "checkpoint_best.pt"


def refused(capfd, command, argv, *words):
    """The command ends with status 2 and one line that has all the words."""
    try:
        status = command.main(argv)
    except SystemExit as stop:
        status = stop.code
    lines = [line for line in capfd.readouterr().err.splitlines() if "| INFO |" not in line]
    assert status == 2, f"exit status {status}: {lines}"
    assert len(lines) == 1 and ": error: " in lines[0], f"must be one line: {lines}"
    for word in words:
        assert word in lines[0], f"{word!r} must be named in: {lines[0]}"


@pytest.mark.parametrize("flag, value", [("--ulr-top-k", "5"), ("--ulr-temperature", "0.1")])
def test_a_checkpoint_is_not_read_through_another_mixture(data, checkpoint, tmp_path, capfd, flag, value):
    start = train_flags(data, tmp_path / "new", f"--finetune-from-model {{}} {flag} {value}", checkpoint)
    refused(capfd, train, start, flag, value, "checkpoint_best.pt")
    assert not (tmp_path / "new").exists(), "no empty folder is left"
    refused(capfd, train, train_flags(data, checkpoint.parent, f"{flag} {value}"), flag, value, "checkpoint_last.pt")


@pytest.mark.parametrize(
    "flags, words",
    [
        ("--inner-steps -1", ["--inner-steps", "at least 1", "-1"]),
        ("--inner-lr 0", ["--inner-lr", "above 0"]),
        ("--max-source-positions -1", ["--max-source-positions", "-1"]),
        ("--sampling-temperature 1e-300", ["--sampling-temperature", "at least 0.1"]),
        ("--lr-scheduler cosine --t-mult 0 --warmup-updates 1", ["--lr-scheduler cosine", "flags that they can take"]),
        ("--inner-lr inf --valid-lr inf", ["--inner-lr", "--valid-lr", "finite", "inf"]),
        ("--query-noise -1", ["--query-noise", "at least 0", "-1"]),
        ("--query-noise inf", ["--query-noise", "finite", "inf"]),
        ("--inner-steps -1 --support-weight 2", ["--inner-steps", "--support-weight"]),
        ("--meta-learner maml --support-weight 0.5", ["--support-weight", "does nothing", "maml", "0.5"]),
        ("--meta-learner meta_sgd --inner-optimizer adam", ["--inner-optimizer", "meta_sgd", "adam"]),
        ("--meta-learner lstm --inner-optimizer sgd", ["--inner-optimizer", "lstm", "sgd"]),
        ("--meta-learner meta_sgd --valid-lr 0.1", ["--valid-lr", "does nothing", "meta_sgd"]),
        ("--meta-learner joint --inner-lr 1 --head-params x", ["--inner-lr", "--head-params"]),
        ("--checkpoint-inner-steps --lstm-hidden 5", ["--checkpoint-inner-steps", "--lstm-hidden", "fomaml"]),
        ("--lstm-hidden 0 --trajectory-visits 0", ["--lstm-hidden", "--trajectory-visits", "does nothing", "0"]),
        ("--meta-learner lstm --lstm-hidden 0", ["--lstm-hidden", "at least 1", "0"]),
        ("--meta-learner lstm --inner-lr 2", ["--inner-lr", "between 0 and 1", "2"]),
        ("--meta-learner anil --head-params (", ["--head-params", "regular expression", "("]),
        ("--meta-learner anil --head-params none", ["--head-params", "matches none", "none"]),
        ("--meta-learner anil --adapt-params emb", ["--head-params", "matches none"]),
        ("--meta-learner mamal", ["--meta-learner", "joint", "mamal"]),
        ("--adapt-params nothing_like_it", ["--adapt-params", "nothing_like_it"]),
        ("--support-tokens 1000000", ["--support-tokens", "corpus size", "language aa"]),
        ("--source-langs aa,xx", ["unknown language code 'xx'"]),
        ("--source-langs aa,dd", ["--source-langs", "dd", "target"]),
        ("--source-langs aa,cc", ["--source-langs", "cc", "meta-validation"]),
        ("--source-langs aa,aa", ["--source-langs", "aa"]),
        ("--valid-langs ''", ["--valid-langs"]),
        ("--restore-file /nowhere/joint.pt", ["/nowhere/joint.pt"]),
        ("--no-such-flag", ["--no-such-flag"]),
        ("--max-update many", ["--max-update", "many"]),
        ("--fp16", ["--fp16"]),
    ],
)
def test_train_refuses(data, tmp_path, capfd, flags, words):
    refused(capfd, train, train_flags(data, tmp_path / "save", flags), *words)
    assert not list(tmp_path.glob("save/*.pt")), "nothing may be written"


def test_a_folder_that_is_no_data_folder(tmp_path, capfd):
    refused(capfd, train, train_flags(tmp_path, tmp_path / "save"), "data.json")


def test_missing_language_file(own_data, tmp_path, capfd):
    (own_data / "bin/train.bb-en.bb.bin").unlink()
    refused(capfd, train, train_flags(own_data, tmp_path / "save"), "train.bb-en.bb.bin", "must exist")


@pytest.mark.parametrize(
    "name, keep",
    [
        ("bin/train.bb-en.bb.bin", 100),
        ("bin/train.bb-en.bb.idx", 40),
        ("bin/train.bb-en.bb.idx", 0),
        ("lang/bb/vectors.npy", 50),
        ("lang/bb/dict.txt", 0),
        ("universal/keys.npy", 200),
    ],
)
def test_truncated_file(own_data, tmp_path, capfd, name, keep):
    path = own_data / name
    path.write_bytes(path.read_bytes()[:keep])
    refused(capfd, train, train_flags(own_data, tmp_path / "save"), name)


def test_vectors_that_do_not_fit_the_dictionary(own_data, tmp_path, capfd):
    path = own_data / "lang/bb/vectors.npy"
    np.save(path, np.load(path)[:-1])
    refused(
        capfd,
        train,
        train_flags(own_data, tmp_path / "save"),
        "lang/bb/vectors.npy",
        "one row per dictionary entry",
    )


def test_read_only_output_folder(data, tmp_path, capfd):
    (tmp_path / "file").write_text("in the way")
    refused(capfd, train, train_flags(data, tmp_path / "file" / "save"), "--save-dir", "file/save")


def test_full_output_folder(data, tmp_path, capfd):
    """A limit on file size stands in for a full disk: both are an OSError in the middle of a write."""
    save = tmp_path / "save"
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limit[1]))
    try:
        refused(capfd, train, train_flags(data, save))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert not list(save.glob("*.pt")), "no checkpoint may be half-written"


def adapt_flags(data, checkpoint, save, more=""):
    line = "{} --checkpoint {} --source-lang dd --train-subset train-300-s1 --save-dir {} --max-update 2 "
    return arguments(line + more, data, checkpoint, save)


def generate_flags(data, checkpoint, results, more="--source-lang dd"):
    return arguments("{} --path {} --results {} " + more, data, checkpoint, results)


@pytest.mark.parametrize(
    "flags, words",
    [
        ("--strategy nothing_like_it", ["--adapt-params", "nothing_like_it"]),
        ("--prior-weight -1", ["--prior-weight", "-1"]),
        ("--source-lang xx", ["unknown language code 'xx'"]),
        ("--train-subset train-9-s9", ["train-9-s9.dd-en.dd.idx", "must exist"]),
        ("--from-scratch", ["--checkpoint", "--from-scratch"]),
    ],
)
def test_adapt_refuses(data, checkpoint, tmp_path, capfd, flags, words):
    refused(capfd, adapt, adapt_flags(data, checkpoint, tmp_path / "save", flags), *words)


@pytest.mark.parametrize(
    "flags, words",
    [
        ("", ["--learned-rule", "meta_sgd", "lstm", "fomaml"]),
        ("--lr 1", ["--lr", "--learned-rule"]),
        ("--strategy=all", ["--strategy", "--learned-rule"]),
        ("--distributed-world-size 2", ["--distributed-world-size", "1", "2"]),
    ],
)
def test_adapt_refuses_a_learned_rule_that_is_none(data, checkpoint, tmp_path, capfd, flags, words):
    refused(capfd, adapt, adapt_flags(data, checkpoint, tmp_path / "save", f"--learned-rule {flags}"), *words)


def test_train_does_not_go_on_with_the_optimiser_of_other_parameters(data, checkpoint, tmp_path, capfd):
    flags = train_flags(data, tmp_path / "save", "--meta-learner meta_sgd --restore-file {}", checkpoint)
    refused(capfd, train, flags, str(checkpoint), "meta_sgd", "--reset-optimizer")
    flags = train_flags(data, Path(checkpoint).parent, "--meta-learner meta_sgd")
    refused(capfd, train, flags, "checkpoint_last.pt", "meta_sgd", "--finetune-from-model")


@pytest.mark.parametrize("damage", ["truncated", "text", "missing"])
def test_corrupt_checkpoint(data, checkpoint, tmp_path, capfd, damage):
    broken = tmp_path / "broken.pt"
    if damage == "truncated":
        broken.write_bytes(checkpoint.read_bytes()[:5000])
    if damage == "text":
        broken.write_text("not a checkpoint")
    refused(capfd, adapt, adapt_flags(data, broken, tmp_path / "save"), "broken.pt")
    refused(capfd, generate, generate_flags(data, broken, tmp_path / "r"), "broken.pt")
    refused(capfd, translate, arguments("{} --path {} --source-lang dd", data, broken), "broken.pt")


def test_a_dictionary_that_does_not_match_the_checkpoint(data, adapted, tmp_path, capfd):
    capfd.readouterr()
    argv = generate_flags(data, adapted, tmp_path / "r", "--source-lang cc --gen-subset valid")
    refused(capfd, generate, argv, "adapted to other vectors")
    argv = generate_flags(data, adapted, tmp_path / "r", "--source-lang dd --gen-subset test --beam 1")
    assert generate.main(argv) == 0, "its own dictionary matches"


class Malicious:
    """Runs a command when it is unpickled."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self):
        return os.system, (f"touch {self.proof}",)


def test_a_malicious_checkpoint_is_refused_and_does_not_run(data, checkpoint, tmp_path, capfd):
    proof, evil = tmp_path / "proof", tmp_path / "evil.pt"
    state = torch.load(checkpoint, weights_only=True)
    state["extra_state"]["payload"] = Malicious(proof)
    torch.save(state, evil)
    with zipfile.ZipFile(evil) as archive:  # the payload is really there, and would run if it were unpickled
        pickled = next(archive.read(n) for n in archive.namelist() if n.endswith("data.pkl"))
    assert b"touch" in pickled
    refused(capfd, adapt, adapt_flags(data, evil, tmp_path / "save"), "evil.pt")
    refused(capfd, train, train_flags(data, tmp_path / "t", "--restore-file {}", evil), "evil.pt")
    refused(capfd, generate, generate_flags(data, evil, tmp_path / "r"), "evil.pt")
    assert not proof.exists(), "the checkpoint's code ran"
    pickle.loads(pickle.dumps(Malicious(proof)))
    assert proof.exists(), "the payload itself works, so the test can fail"


def test_no_command_looks_up_what_a_checkpoint_refers_to(data, checkpoint, tmp_path, capfd, monkeypatch):
    """Resolved, the value of the variable would stand in the model card."""
    monkeypatch.setenv("SOME_TOKEN", "hidden")
    state = torch.load(checkpoint, weights_only=True)
    state["cfg"]["task"]["meta_learner"] = "${oc.env:SOME_TOKEN}"
    evil = tmp_path / "evil.pt"
    torch.save(state, evil)
    for command, argv in (
        (adapt, adapt_flags(data, evil, tmp_path / "save")),
        (train, train_flags(data, tmp_path / "t", "--restore-file {}", evil)),
        (train, train_flags(data, tmp_path / "t", "--finetune-from-model {}", evil)),
        (generate, generate_flags(data, evil, tmp_path / "r")),
        (translate, arguments("{} --path {} --source-lang dd", data, evil)),
        (export, arguments("{} --path {} --source-lang dd --out {}/m", data, evil, tmp_path)),
        (export, arguments("{} --path {} --to meta --out {}/n", data, evil, tmp_path)),
        (average, arguments("--inputs {} {} --output {}/a.pt", evil, evil, tmp_path)),
    ):
        refused(capfd, command, argv, "evil.pt", "no references")
    assert not list(tmp_path.rglob("MODEL_CARD.md"))


def test_a_stranger_s_meta_folder_is_checked_before_it_is_read(data, checkpoint, tmp_path):
    given = tmp_path / "given"
    shutil.copytree(data, given)
    shutil.copyfile(checkpoint, given / "meta.pt")
    assert find_data(given / "meta.pt") == given
    (given / "universal/tokens.txt").unlink(missing_ok=True)
    (given / "universal/tokens.txt").symlink_to("/etc/hostname")
    with pytest.raises(InputError, match="tokens.txt: must lie in .* but is a link that leads out of it"):
        find_data(given / "meta.pt")
    record = json.loads((given / "data.json").read_text()) | {"target_lang": "../../en"}
    (given / "data.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match="data.json: unknown language code '../../en'"):
        find_data(given / "meta.pt")


def test_invalid_utf8_on_standard_input(data, checkpoint):
    argv = arguments("-m meta_nmt.cli.translate {} --path {} --source-lang dd", data, checkpoint)
    done = subprocess.run([sys.executable, *argv], input=b"ddwaa\n\xff\xfe\n", capture_output=True)
    assert done.returncode == 2, done.stderr
    assert b"standard input: line 2 must be UTF-8" in done.stderr, done.stderr


def test_r_drop_is_of_the_smoothed_loss_alone(data, checkpoint, tmp_path, capfd):
    for flags in ("--criterion cross_entropy --r-drop 5", "--ignore-prefix-size 1 --r-drop 5"):
        refused(capfd, adapt, adapt_flags(data, checkpoint, tmp_path / "save", flags), "--r-drop", "--criterion")
    refused(capfd, adapt, adapt_flags(data, checkpoint, tmp_path / "save", "--r-drop=-1"), "--r-drop", "-1")
    assert not (tmp_path / "save").exists()
    flags = adapt_flags(data, checkpoint, tmp_path / "save", "--criterion cross_entropy")
    assert adapt.parse_args(flags).r_drop == 0, "the default is no mistake of the user's"
    assert adapt.parse_args(adapt_flags(data, checkpoint, tmp_path / "save")).r_drop == 5
