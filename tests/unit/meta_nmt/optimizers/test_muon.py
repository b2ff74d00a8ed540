"""Muon and Adam as one optimiser: who steps what, the rate of both, and a run that goes on from a checkpoint."""

import copy

import torch

from meta_nmt.optimizers.muon import HIDDEN, MuonAndAdam, mark_hidden_matrices

SETTINGS = {"lr": 0.01, "momentum": 0.95, "lr_scale": 1.0, "betas": (0.9, 0.98), "eps": 1e-8, "weight_decay": 0.0}


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed_tokens = torch.nn.Embedding(7, 6)
        self.layers = torch.nn.ModuleList([torch.nn.Linear(6, 6)])
        self.encoder = torch.nn.Module()
        self.encoder.layers = torch.nn.ModuleList([torch.nn.Linear(6, 12), torch.nn.LayerNorm(12)])

    def forward(self, ids):
        return self.encoder.layers[1](self.encoder.layers[0](self.embed_tokens(ids))).pow(2).mean() + sum(
            p.sum() for p in self.layers.parameters()
        )


def optimiser_of(model, **changed):
    mark_hidden_matrices(model)
    return MuonAndAdam(model.parameters(), **SETTINGS | changed)


def steps(model, optimiser, number):
    for _ in range(number):
        optimiser.zero_grad()
        model(torch.arange(7)).backward()
        optimiser.step()


def test_matrices_of_layers_get_orthogonal_steps_and_all_else_adams():
    torch.manual_seed(0)
    model = Model()
    before = copy.deepcopy(model)
    optimiser = optimiser_of(model)
    marked = {name for name, p in model.named_parameters() if getattr(p, HIDDEN, False)}
    assert marked == {"encoder.layers.0.weight"}
    steps(model, optimiser, 1)
    moved = model.encoder.layers[0].weight - before.encoder.layers[0].weight
    values = torch.linalg.svdvals(moved.detach())
    assert values.min() > 0.5 * values.max(), "Newton-Schulz makes the step nearly orthogonal"
    adam = torch.optim.AdamW(before.embed_tokens.parameters(), lr=0.01, betas=(0.9, 0.98), weight_decay=0.0)
    before(torch.arange(7)).backward()
    adam.step()
    assert torch.equal(model.embed_tokens.weight, before.embed_tokens.weight)


def test_a_rate_that_is_set_is_that_of_both():
    torch.manual_seed(0)
    model = Model()
    optimiser = optimiser_of(model)
    for group in optimiser.param_groups:
        group["lr"] = 0.0
    before = copy.deepcopy(model.state_dict())
    steps(model, optimiser, 2)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_resumed_run_goes_on_as_if_it_had_not_stopped():
    torch.manual_seed(0)
    model = Model()
    optimiser = optimiser_of(model)
    steps(model, optimiser, 3)
    other = copy.deepcopy(model)
    resumed = optimiser_of(other)
    resumed.load_state_dict(copy.deepcopy(optimiser.state_dict()))
    for group in resumed.param_groups:
        assert group["lr"] == 0.01
    steps(model, optimiser, 2)
    steps(other, resumed, 2)
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in model.state_dict().items())
