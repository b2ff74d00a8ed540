"""A meta-step on a GPU is that of a CPU; the same checks with the CPU in its place keep these tests working."""

import copy

import pytest
import torch
from fairseq.distributed import LegacyDistributedDataParallel

from benchmarks import transformer
from benchmarks.transformer import Bench
from meta_nmt.models.ulr_transformer import TOP_K

GPU = pytest.param(
    "cuda",
    marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")],
)


@pytest.fixture(params=["cpu", GPU])
def device(request):
    return request.param


@pytest.fixture(autouse=True)
def few_universal_tokens(monkeypatch):
    monkeypatch.setattr(transformer, "UNIVERSAL_TOKENS", 500)


@pytest.fixture
def no_update(monkeypatch):
    """Steps leave their gradients where they are."""
    monkeypatch.setattr(transformer, "update", lambda *_: None)


def bench_on(device, mixed=False):
    bench = Bench("tiny", tokens=60, device=device, mixed=mixed)
    bench.cfg.dropout = bench.cfg.attention_dropout = bench.cfg.activation_dropout = 0.0
    bench.cfg.encoder_layers = bench.cfg.decoder_layers = 1
    return bench


def exact(bench, start, learner, top_k):
    """The gradients of the step on the CPU in float64, by name."""
    exact_bench = bench_on("cpu")
    exact_bench.whole = copy.deepcopy(bench.whole)
    for episode in exact_bench.episodes():
        episode["queries"] = episode["queries"].double()
    model = exact_bench.ours(top_k).double()
    model.load_state_dict(start)
    exact_bench.meta_step(model, learner)()
    return gradients(model)


def gradients(model):
    found = {name: p.grad.double().cpu() for name, p in model.named_parameters() if p.grad is not None}
    assert found, "the step left no gradient"
    return found


def error(got, wanted):
    """The relative distance of all gradients together."""
    assert got.keys() == wanted.keys()
    distance = sum(((got[name] - wanted[name]) ** 2).sum() for name in got)
    return float((distance / sum((grad**2).sum() for grad in wanted.values())).sqrt())


def step_on(device, learner, mixed=False, top_k=TOP_K):
    """The gradients of a step on the device, and the exact ones."""
    bench = bench_on(device, mixed)
    bench.episodes()
    model = bench.ours(top_k)
    start = {name: value.double().cpu() for name, value in model.state_dict().items()}
    bench.meta_step(model, learner)()
    return gradients(model), exact(bench, start, learner, top_k)


@pytest.mark.parametrize("learner", ["joint", "fomaml", "maml"])
@pytest.mark.usefixtures("no_update")
def test_meta_gradient_is_the_exact_one(device, learner):
    # all universal tokens but one: which of two nearly equal ones is among the best 32 is a matter of rounding
    got, wanted = step_on(device, learner, top_k=transformer.UNIVERSAL_TOKENS - 1)
    assert error(got, wanted) < 1e-3


@pytest.mark.usefixtures("no_update")
def test_bf16_gradient_is_near_the_exact_one(device):
    got, wanted = step_on(device, "fomaml", mixed=True)
    assert 1e-5 < error(got, wanted) < 0.1, "rounded, and no more"


def test_adaptation_moves_what_it_adapts(device):
    bench = bench_on(device, mixed=True)
    model = bench.ours()
    step = bench.adapt_step(model)
    before = copy.deepcopy(model.state_dict())
    step()
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert "encoder.embed_tokens.residual" in moved
    assert not any(name.startswith("decoder.") for name in moved), "emb_enc adapts the encoder's side alone"


@pytest.mark.usefixtures("no_update")
def test_gradients_summed_over_one_process_stay(device, tmp_path):
    """NCCL on a GPU, gloo on a CPU, through the wrapper that `--ddp-backend legacy_ddp` chooses."""
    backend = "nccl" if device == "cuda" else "gloo"
    torch.distributed.init_process_group(backend, f"file://{tmp_path}/rendezvous", rank=0, world_size=1)
    try:
        bench = bench_on(device)
        model = bench.ours()
        bench.meta_step(model, "fomaml")()
        before = gradients(model)
        wrapper = LegacyDistributedDataParallel(model, torch.distributed.group.WORLD)
        wrapper.world_size = 2  # one process sums nothing otherwise
        wrapper.all_reduce_grads()
    finally:
        torch.distributed.destroy_process_group()
    got = gradients(model)
    assert not any(got.pop(name).any() for name in got.keys() - before.keys()), "what had no gradient has zeros"
    assert error(got, {name: grad / 2 for name, grad in before.items()}) < 1e-6, (
        "the sum over the one process, as the mean of two"
    )
