"""What a checkpoint of a stranger may hold: everything else is one line, before fairseq sees it."""

import io
import zipfile
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from data_prep.base.errors import InputError
from meta_nmt import plugin  # noqa: F401  fairseq knows our tasks and architectures
from meta_nmt.models.checkpoints import check_architecture, read_checkpoint
from meta_nmt.runs import checkpoint_contents

WIDTH, FFN = 8, 16
EMBEDDING = "encoder.embed_tokens."
PROOF = "open({!r}, 'w')"


def small_state() -> dict:
    """A checkpoint with as much in it as its reading looks at."""
    weights = {f"{EMBEDDING}{name}": torch.ones(3, WIDTH) for name in ("keys", "residual", "values")}
    for side in ("encoder", "decoder"):
        weights |= {f"{side}.layers.{layer}.fc1.weight": torch.ones(FFN, WIDTH) for layer in range(2)}
    sizes = {
        f"{side}_{name}": value
        for side in ("encoder", "decoder")
        for name, value in (("layers", 2), ("embed_dim", WIDTH), ("ffn_embed_dim", FFN), ("attention_heads", 4))
    }
    model = Namespace(arch="ulr_transformer_tiny", ulr_temperature=0.05, ulr_top_k=3, **sizes)
    task = {"_name": "meta_translation", "data": "data", "meta_learner": "fomaml"}
    return {
        "args": None,
        "cfg": {"model": model, "task": task, "common": {"seed": 7, "user_dir": None}},
        "model": weights,
        "optimizer_history": [{"num_updates": 1, "optimizer_name": "", "lr_scheduler_state": {}}],
        "extra_state": {"train_iterator": {"epoch": 1}, "best": 3.0},
    }


def written(state: object, folder: Path) -> Path:
    torch.save(state, folder / "some.pt")
    return folder / "some.pt"


def in_model_of(**fields: object):
    return lambda state: vars(state["cfg"]["model"]).update(fields)


def in_group(group: str, **fields: object):
    return lambda state: state["cfg"].setdefault(group, {}).update(fields)


def weight(value: torch.Tensor, name: str = f"{EMBEDDING}values"):
    return lambda state: state["model"].update({name: value})


def nested(levels: int) -> list:
    value: list = []
    for _ in range(levels):
        value = [value]
    return value


def laughs() -> list:
    value: list = ["x"] * 9
    for _ in range(9):
        value = [value] * 9  # the same object: small in the file, 9^9 values to who walks through it
    return value


REFUSED = {
    "a reference in the task": (in_group("task", meta_learner="${oc.env:SECRET}"), "no references"),
    "a reference in the model": (in_model_of(arch="${oc.env:SECRET}"), "no references"),
    "a reference in a name": (in_group("common", **{"${oc.env:SECRET}": 1}), "no references"),
    "a reference in a list": (in_group("optimization", lr=["${oc.env:SECRET}"]), "no references"),
    "a value that is missing": (in_group("task", data="???"), "no references"),
    "half a character": (in_group("task", data="\ud800"), "Unicode"),
    "a number of 70 digits": (in_group("common", seed=10**70), "64 bits"),
    "a long text": (in_group("task", data="x" * 200_000), "100000 characters"),
    "a tensor in the configuration": (in_group("task", data=torch.zeros(1)), "plain values"),
    "deep nesting": (in_group("task", data=nested(100)), "levels"),
    "laughs": (in_group("task", data=laughs()), "at most 20000 values"),
    "another type": (in_group("common", seed="one"), "common.seed must be of type int"),
    "a group that is a list": (lambda state: state["cfg"].update(common=[1]), "named values"),
    "an old configuration": (lambda state: state.update(args=Namespace(arch="transformer")), "`args`"),
    "no head": (in_model_of(encoder_attention_heads=0), "encoder_attention_heads"),
    "heads that do not divide": (in_model_of(decoder_attention_heads=3), "decoder_attention_heads"),
    "layers that are not there": (in_model_of(encoder_layers=10**7), "encoder_layers must be that of its weights, 2"),
    "a width that is not there": (in_model_of(decoder_embed_dim=2**30), "decoder_embed_dim"),
    "an output that is not there": (in_model_of(decoder_output_dim=2**30), "decoder_output_dim"),
    "positions": (in_model_of(max_source_positions=2**30), "max_source_positions"),
    "BASE layers": (in_model_of(base_layers=10**7), "base_layers"),
    "a temperature of nothing": (in_model_of(ulr_temperature=1e-300), "ulr_temperature"),
    "a switch that is text": (in_model_of(encoder_learned_pos="yes"), "encoder_learned_pos"),
    "a word that is no choice": (in_model_of(activation_fn="os.system"), "activation_fn"),
    "an expression for a list": (in_model_of(adaptive_softmax_cutoff=PROOF.format("proof")), "adaptive_softmax_cutoff"),
    "an architecture that is no word": (in_model_of(arch="ulr_transformer/../x"), "architecture"),
    "an architecture that runs text": (in_model_of(arch="fconv", encoder_layers=PROOF.format("proof")), "architecture"),
    "weights that are no numbers": (weight(torch.full((3, WIDTH), torch.nan)), "infinite or NaN"),
    "weights without end": (weight(torch.full((3, WIDTH), torch.inf)), "infinite or NaN"),
    "complex weights": (weight(torch.zeros(3, WIDTH, dtype=torch.complex64)), "complex"),
    "weights that are not in the file": (weight(torch.zeros(1).expand(10**6, 10**6)), "must hold the numbers"),
    "weights of no device": (weight(torch.empty(10**6, 10**6, device="meta")), "must hold the numbers"),
    "sparse weights": (weight(torch.zeros(3, WIDTH).to_sparse()), "must hold the numbers"),
    "no universal values": (lambda state: state["model"].pop(f"{EMBEDDING}values"), "values"),
    "a count that is text": (lambda state: state["extra_state"].update(best="high"), "best must be a number"),
    "a count of nobody": (lambda state: state["extra_state"].update(x={"train_tokens": None}), "train_tokens"),
    "counts that are a list": (lambda state: state.update(extra_state=[]), "some.pt"),
}


@pytest.mark.parametrize("change, words", REFUSED.values(), ids=REFUSED)
def test_what_no_checkpoint_of_ours_holds_is_one_line(tmp_path, monkeypatch, change, words):
    monkeypatch.setenv("SECRET", "hidden")
    monkeypatch.chdir(tmp_path)
    state = small_state()
    change(state)
    path = written(state, tmp_path)
    with pytest.raises(InputError) as error:
        read_checkpoint(path)
    message = str(error.value)
    assert str(path) in message and words in message and "hidden" not in message
    assert "\n" not in message and len(message) < 600
    assert not (tmp_path / "proof").exists()


def test_known_fields_are_taken_and_no_others(tmp_path):
    state = small_state()
    in_model_of(
        encoder_embed_path="/etc/passwd", encoder_xformers_att_config=PROOF.format("proof"), user_dir="evil",
        decoder_layers_to_keep="0", dropout=0, activation_fn="gelu",
    )(state)  # fmt: skip
    in_group("common", own=1)(state)
    in_group("task", own=1)(state)
    cfg = read_checkpoint(written(state, tmp_path))["cfg"]
    for name in ("encoder_embed_path", "encoder_xformers_att_config", "user_dir", "decoder_layers_to_keep"):
        assert not hasattr(cfg.model, name), name
    assert (cfg.model.dropout, cfg.model.activation_fn, cfg.model.encoder_layers) == (0, "gelu", 2)
    assert cfg.common.seed == 7 and "own" not in cfg.common and "own" not in cfg.task
    assert cfg.task.meta_learner == "fomaml"
    assert cfg.checkpoint.finetune_from_model is None, "a group that is missing has its defaults"


def test_fairseq_loads_by_it_too(tmp_path):
    from fairseq import checkpoint_utils

    state = small_state()
    in_group("task", data="${oc.env:HOME}")(state)
    with pytest.raises(InputError, match="no references"):
        checkpoint_utils.load_checkpoint_to_cpu(str(written(state, tmp_path)))
    whole = checkpoint_utils.load_checkpoint_to_cpu(str(written(small_state(), tmp_path)), {"ulr_top_k": 5})
    assert whole["cfg"].model.ulr_top_k == 5


def test_a_packed_file_is_refused_before_it_is_unpacked(tmp_path):
    path = written(small_state() | {"more": torch.zeros(10**6)}, tmp_path)
    packed = io.BytesIO()
    with zipfile.ZipFile(path) as plain, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for member in plain.infolist():
            archive.writestr(member.filename, plain.read(member))
    path.write_bytes(packed.getvalue())
    with pytest.raises(InputError, match="compressed"):
        checkpoint_contents.load(path)


def test_an_architecture_of_a_user_is_read_and_not_built(tmp_path):
    state = small_state()
    in_model_of(arch="ulr_transformer_of_mine")(state)
    path = written(state, tmp_path)
    read = read_checkpoint(path)
    assert (read["cfg"].model.arch, read["cfg"].model.encoder_layers) == ("ulr_transformer_of_mine", 2)
    with pytest.raises(InputError, match="some.pt: its architecture 'ulr_transformer_of_mine' must be known.*user-dir"):
        check_architecture(path, read)
    check_architecture(path, read_checkpoint(written(small_state(), tmp_path)))


def test_a_number_may_have_text_as_its_default() -> None:
    @dataclass
    class Group:
        device_id: int = "1"  # type: ignore[assignment]  # LOCAL_RANK, in a process that torchrun started

    assert checkpoint_contents._fields_of_group("group", Group, {"device_id": 2}) == {"device_id": 2}
    assert checkpoint_contents._fields_of_group("group", Group, {}) == {"device_id": 1}
    with pytest.raises(InputError, match="device_id must be of type int, but is 'x'"):
        checkpoint_contents._fields_of_group("group", Group, {"device_id": "x"})
