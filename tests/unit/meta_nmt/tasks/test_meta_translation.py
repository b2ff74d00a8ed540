"""The task's meta-step on a real (tiny) Transformer, against a second implementation written plainly here."""

import copy
from dataclasses import replace

import fairseq.utils
import pytest
import torch
from tiny_task import INNER_LR, build, sample_of

from data_prep.base.errors import InputError
from meta_nmt.data import episodes
from meta_nmt.runs import workers


def gradients(model):
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def with_language(model, episode):
    """A copy of the model that holds the episode's language as plain module state."""
    network = copy.deepcopy(model)
    embedding = network.encoder.embed_tokens
    embedding.queries = episode["queries"]
    embedding.residual = torch.nn.Parameter(torch.zeros(len(episode["queries"]), 16, dtype=torch.float64))
    return network


def plain_fomaml(model, criterion, sample, moves, support_weight=0.0):
    """FOMAML with deep copies, torch.optim and backward(): sum over tasks of each task's gradient, by name."""
    total = {}
    for episode in sample["episodes"]:
        network = with_language(model, episode)
        named = dict(network.named_parameters())
        optimizer = torch.optim.SGD([p for n, p in named.items() if moves(n)], INNER_LR)
        for batch in episode["support"]:
            network.zero_grad()
            loss, size, _ = criterion(network, batch)
            (loss / size).backward()
            for name, p in named.items():
                if support_weight and p.grad is not None and name != "encoder.embed_tokens.residual":
                    share = support_weight / len(episode["support"])
                    total[name] = total.get(name, 0) + share * p.grad.clone()
            optimizer.step()
        network.zero_grad()
        loss, size, _ = criterion(network, episode["query"][0])
        (loss / size).backward()
        for name, p in named.items():
            if p.grad is not None and name != "encoder.embed_tokens.residual":
                total[name] = total.get(name, 0) + (1 - support_weight) * p.grad.clone()
    return total


@pytest.mark.parametrize(
    "group, moves",
    [
        ("emb", lambda n: n in ("encoder.embed_tokens.residual", "encoder.embed_tokens.transform")),
        ("emb_enc", lambda n: n.startswith("encoder.") and n != "encoder.embed_tokens.values"),
        ("all", lambda n: n != "encoder.embed_tokens.values"),
    ],
)
@pytest.mark.parametrize("steps, weight", [(1, 0.0), (3, 0.0), (2, 0.4)])
def test_meta_gradient_equals_a_plain_implementation(data, group, moves, steps, weight):
    flags = ["--inner-optimizer", "sgd", "--inner-steps", str(steps), "--adapt-params", group]
    task, model, criterion = build(data, *flags, "--support-weight", str(weight))
    sample = sample_of(task)
    _, sample_size, _ = task.train_step(sample, model, criterion, None, 0)
    expected = plain_fomaml(model, criterion, sample, moves, weight)
    assert sample_size == 2, "the trainer divides by the number of tasks"
    assert sum(g.abs().sum() for g in expected.values()) > 0, "the test must compare something"
    for name, p in model.named_parameters():
        if name == "encoder.embed_tokens.residual":
            assert p.grad is None, "an episode's residual rows are thrown away"
        else:
            torch.testing.assert_close(p.grad, expected[name], rtol=1e-9, atol=1e-12, msg=name)


def test_joint_equals_plain_gradients(data):
    task, model, criterion = build(data, "--meta-learner", "joint")
    sample = sample_of(task, 1)
    task.train_step(sample, model, criterion, None, 0)
    network = with_language(model, sample["episodes"][0])
    for batch in [*sample["episodes"][0]["support"], *sample["episodes"][0]["query"]]:
        loss, size, _ = criterion(network, batch)
        (loss / size / 2).backward()
    for name, p in model.named_parameters():
        if p.grad is not None:
            torch.testing.assert_close(p.grad, dict(network.named_parameters())[name].grad, rtol=1e-9, atol=1e-12)


def test_theta_is_bit_identical_around_an_episode_that_raises(data):
    task, model, criterion = build(data)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    sample, calls = sample_of(task), []

    class FailsOnSecondQuery(type(criterion)):
        def forward(self, *args, **kwargs):
            calls.append(1)
            if len(calls) == 4:  # support, query, support, query
                raise RuntimeError("no memory left")
            return super().forward(*args, **kwargs)

    criterion.__class__ = FailsOnSecondQuery
    with pytest.raises(RuntimeError, match="no memory left"):
        task.train_step(sample, model, criterion, None, 0)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), f"{name} changed"


def test_a_dummy_batch_leaves_no_gradient(data):
    task, model, criterion = build(data)
    task.train_step(sample_of(task), model, criterion, None, 0, ignore_grad=True)
    assert all(p.grad is None for p in model.parameters())
    assert task.train_tokens == 0


def test_special_symbols_and_universal_values_get_a_meta_gradient(data):
    task, model, criterion = build(data)
    task.train_step(sample_of(task), model, criterion, None, 0)
    embedding = model.encoder.embed_tokens
    assert embedding.special.grad[2].abs().sum() > 0, "the row of the end symbol must be trained"
    assert embedding.values.grad.abs().sum() > 0, "the universal values must be trained"
    assert embedding.special.grad[1].abs().sum() == 0, "padding stays zero"


def test_validation_adapts_without_touching_the_model(data):
    task, model, criterion = build(data, "--valid-steps", "5", "--eval-bleu", "--valid-lr", "0.01")
    model.float()
    task.load_dataset("valid")
    dataset = task.dataset("valid")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.random.get_rng_state()
    losses = [task.valid_step(dataset.collater([dataset[0]]), model, criterion)[2] for _ in range(2)]
    assert losses[0]["loss"] == losses[1]["loss"], "the same adaptation each time"
    assert losses[0]["_bleu_ref_len"] > 0, "BLEU was counted"
    assert torch.equal(random, torch.random.get_rng_state()), "training's random numbers are left alone"
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), f"{name} changed"
    task.cfg.valid_steps = 0
    task.load_dataset("valid")
    zero = task.valid_step(dataset.collater([task.dataset("valid")[0]]), model, criterion)[2]
    assert losses[0]["loss"] < zero["loss"], "adaptation must lower the dev loss"


def objective(task, model, criterion, sample):
    """Sum over tasks of the query loss after the inner loop."""
    return float(task.train_step(sample, model, criterion, None, 0, ignore_grad=True)[0])


def in_double(function):
    return lambda x, dim, onnx_trace=False: function(x, dim)


@pytest.mark.parametrize(
    "learner, flags",
    [
        ("maml", ["--inner-optimizer", "sgd", "--inner-steps", "2"]),
        ("maml", ["--inner-optimizer", "sgd", "--inner-steps", "2", "--checkpoint-inner-steps"]),
        ("anil", ["--inner-optimizer", "sgd", "--inner-steps", "2"]),
        ("meta_sgd", ["--inner-steps", "2"]),
    ],
)
def test_second_order_gradient_of_a_transformer_equals_finite_differences(monkeypatch, data, learner, flags):
    """Along a random direction in all parameters, those of the meta-learner included."""
    for name in ("softmax", "log_softmax"):  # fairseq's own are of single precision
        monkeypatch.setattr(fairseq.utils, name, in_double(getattr(torch, name)))
    # tanh, because the gradient of a network of ReLUs is not continuous
    task, model, criterion = build(data, "--meta-learner", learner, *flags, "--activation-fn", "tanh")
    sample = sample_of(task)
    task.train_step(sample, model, criterion, None, 0)
    parameters = [p for p in model.parameters() if p.grad is not None]
    torch.manual_seed(1)
    direction = [torch.randn_like(p) for p in parameters]
    slope = sum(float((p.grad * d).sum()) for p, d in zip(parameters, direction, strict=True))
    step, ends = 1e-5, []
    for sign in (1, -2):
        torch._foreach_add_([p.data for p in parameters], direction, alpha=sign * step)
        ends.append(objective(task, model, criterion, sample))
    expected = (ends[0] - ends[1]) / (2 * step)
    assert abs(slope - expected) < 1e-5 * abs(expected), f"slope {slope}, finite differences {expected}"


def test_the_learners_own_parameters_are_the_models_and_not_in_theta(data):
    task, model, criterion = build(data, "--meta-learner", "meta_sgd", "--adapt-params", "emb")
    own = {name for name, _ in model.named_parameters() if name.startswith("meta_learner.")}
    assert own == {f"meta_learner.alpha.encoder/embed_tokens/{name}" for name in ("residual", "transform")}
    sample = sample_of(task)
    assert not any(name.startswith("meta_learner.") for name in task._theta(model, sample["episodes"][0]))
    task.train_step(sample, model, criterion, None, 0)
    for name in own:
        assert model.get_parameter(name).grad.abs().sum() > 0, f"{name} must be trained"
    assert build(data)[1].state_dict().keys() == model.state_dict().keys() - own, "fomaml has none"


def test_validation_takes_the_learned_rule(data):
    """A rate of 0 everywhere leaves the model as it is; Adam would not."""
    losses = []
    for rate in (0.0, INNER_LR):
        task, model, criterion = build(data, "--meta-learner", "meta_sgd", "--valid-steps", "3", "--eval-bleu")
        model.float()
        task.load_dataset("valid")
        with torch.no_grad():
            for rates in task.meta_learner.parameters():
                rates.fill_(rate)
        log = task.valid_step(task.dataset("valid").collater([task.dataset("valid")[0]]), model, criterion)[2]
        losses.append(log["loss"])
        task.cfg.valid_steps = 0
        task.load_dataset("valid")
        zero = task.valid_step(task.dataset("valid").collater([task.dataset("valid")[0]]), model, criterion)[2]
        assert (losses[-1] == zero["loss"]) == (rate == 0), "the rates decide what adaptation does"
    assert losses[1] < losses[0], "adaptation must lower the dev loss"


def test_a_checkpoint_loads_with_and_without_the_learners_parameters(data):
    """A joint one starts Meta-SGD from its own rates, Meta-SGD's loads anywhere, and its rates into Meta-SGD."""
    joint, rated = (build(data, "--meta-learner", name)[1] for name in ("joint", "meta_sgd"))
    key = "meta_learner.alpha.encoder/layers/0/fc1/weight"
    with torch.no_grad():
        rated.get_parameter(key).fill_(0.7)
    other = build(data, "--meta-learner", "meta_sgd")[1]
    start = other.get_parameter(key).detach().clone()
    other.load_state_dict(copy.deepcopy(joint.state_dict()))
    assert torch.equal(other.get_parameter(key), start), "its own starting value stays"
    assert torch.equal(other.encoder.embed_tokens.values, joint.encoder.embed_tokens.values)
    other.load_state_dict(copy.deepcopy(rated.state_dict()))
    assert (other.get_parameter(key) == 0.7).all(), "the saved rates are loaded"
    joint.load_state_dict(copy.deepcopy(rated.state_dict()))
    assert torch.equal(joint.encoder.embed_tokens.values, rated.encoder.embed_tokens.values)
    less = build(data, "--meta-learner", "meta_sgd", "--adapt-params", "emb")[1]
    less.load_state_dict(copy.deepcopy(rated.state_dict()))
    assert all((p == start[0, 0]).all() for p in less.meta_learner.parameters()), "rates of other parameters"


def test_trajectories_go_on_from_episode_to_episode(data):
    """Against deep copies that each language keeps, with a residual row for each of its tokens: their distance from the
    model goes on, at a rate that falls over the trajectory."""
    visits = 10
    flags = ["--meta-learner", "cts", "--inner-optimizer", "sgd", "--trajectory-visits", str(visits)]
    task, model, criterion = build(data, *flags, "--trajectory-tokens", "120", "--query-noise", "0.5")
    sample = sample_of(task, 8)
    kept, expected, longest = {}, {}, 0
    for episode in sample["episodes"]:
        language, rows = episode["language"], episode["rows"]
        vocabulary = len(task.packs[language].queries)
        new = ({}, torch.zeros(vocabulary, 16, dtype=torch.float64), 0)
        moved, residual, steps = kept.get((language, episode["trajectory"]), new)
        network = with_language(model, episode)
        named = dict(network.named_parameters())
        with torch.no_grad():
            for name, delta in moved.items():
                named[name].add_(delta)
            named["encoder.embed_tokens.residual"].copy_(residual[rows])
        loss, size, _ = criterion(network, episode["support"][0])
        (loss / size).backward()
        rate = INNER_LR * (1 - steps / visits)
        with torch.no_grad():
            for name, p in named.items():
                if name.startswith("encoder.") and not name.endswith("values") and p.grad is not None:
                    p.sub_(rate * p.grad)
                    if name.endswith("residual"):
                        residual[rows] = p.detach()
                    else:
                        moved[name] = moved.get(name, 0) - rate * p.grad
        kept[language, episode["trajectory"]] = moved, residual, steps + 1
        longest = max(longest, steps + 1)
        network.zero_grad()
        loss, size, _ = criterion(network, episode["query"][0])
        (loss / size).backward()
        for name, p in named.items():
            if p.grad is not None and not name.endswith("residual"):
                expected[name] = expected.get(name, 0) + p.grad.clone()
    assert longest > 2, "the test needs a trajectory of several visits"
    task.train_step(sample, model, criterion, None, 0)
    for name, p in model.named_parameters():
        if p.grad is not None:
            torch.testing.assert_close(p.grad, expected[name], rtol=1e-6, atol=1e-9, msg=name)


def test_a_learner_without_a_query_loss_says_so_and_logs_that_of_its_support(data, caplog):
    """Today's log line would otherwise say loss=0, as if there were nothing left to learn."""
    task, model, criterion = build(data)
    learner = task.meta_learner.episode
    task.meta_learner.episode = lambda episode: learner(replace(episode, query=episode.support))
    with caplog.at_level("WARNING"):
        for _ in range(2):
            loss, used, log = task.train_step(sample_of(task), model, criterion, None, 0)
    told = [record.message for record in caplog.records if "reports no query loss" in record.message]
    assert len(told) == 1 and "fomaml" in told[0], "it is said, once"
    assert used == 2 and float(log["loss"]) > 0 and log["sample_size"] > 0, "and the log has a loss all the same"


@pytest.mark.parametrize("tasks", [1, 3, 4])
def test_dropout_of_a_task_does_not_depend_on_the_tasks_before_it(data, tasks):
    task, model, criterion = build(data, "--dropout", "0.3")
    sample = sample_of(task, tasks)
    last = {"episodes": sample["episodes"][-1:]}
    task.train_step(sample, model, criterion, None, 7)
    together = gradients(model)
    model.zero_grad()
    if tasks > 1:
        task.train_step({"episodes": sample["episodes"][:-1]}, model, criterion, None, 7)
    torch.manual_seed(99)
    task.train_step(last, model, criterion, None, 7)
    for name, value in gradients(model).items():
        torch.testing.assert_close(value, together[name], rtol=1e-9, atol=1e-12, msg=name)


@pytest.mark.parametrize("workers", [1, 2, 3, 4])
@pytest.mark.parametrize("tasks", [1, 3, 4])
def test_a_step_has_the_same_tasks_on_any_number_of_workers(data, workers, tasks):
    """Shuffled as the trainer does it, resumed in the middle of an epoch."""
    task, _, _ = build(data, "--meta-batch-size", str(tasks), "--updates-per-epoch", "6")
    task.load_dataset("train")
    dataset = task.dataset("train")
    dataset.num_shards = workers
    steps = None
    for shard in range(workers):
        epoch = task.get_batch_iterator(dataset, num_shards=workers, shard_id=shard, seed=1, max_sentences=1)
        epoch.load_state_dict({"epoch": 1, "iterations_in_epoch": 2, "version": 2})
        batches = epoch.ordered_batches(1, False, True)[2:]
        assert len(epoch) == 6, "as many steps an epoch as asked for"
        steps = batches if steps is None else [a + b for a, b in zip(steps, batches, strict=True)]
    reference = build(data, "--meta-batch-size", str(tasks), "--updates-per-epoch", "6")[0]
    one = reference.get_batch_iterator(reference.dataset("train"), seed=1, max_sentences=1)
    assert [sorted(step) for step in steps] == [sorted(b) for b in one.ordered_batches(1, False, True)[2:]]
    assert isinstance(dataset, episodes.EpisodeDataset)


@pytest.mark.parametrize("own", [False, True])
def test_multi_nmt_trains_the_rows_in_play(data, own):
    """The first step of multi_nmt is that of joint training, as its rows start at zero; they get a gradient too."""
    task, model, criterion = build(data, "--meta-learner", "multi_nmt", *(["--own-rows"] if own else []))
    sample = sample_of(task, tasks_per_step=1)
    task.train_step(sample, model, criterion, None, 0)
    (episode,) = sample["episodes"]
    language, sizes = episode["language"], {code: len(task.packs[code].queries) for code in ("aa", "bb")}
    name = "meta_learner.rows." + (f"{language}/" if own else "") + "encoder/embed_tokens/residual"
    rows = {name: p.grad for name, p in model.named_parameters() if "meta_learner.rows" in name}
    assert len(rows) == (2 if own else 1) and [n for n, grad in rows.items() if grad is not None] == [name]
    assert rows[name].shape == (sizes[language] if own else max(sizes.values()), 16)
    touched = rows[name].abs().sum(dim=1).nonzero().flatten()
    assert len(touched) and {*touched.tolist()} <= {*episode["rows"].tolist()}
    joint_task, joint, criterion = build(data, "--meta-learner", "joint")
    joint_task.train_step(sample_of(joint_task, tasks_per_step=1), joint, criterion, None, 0)
    for name, value in gradients(joint).items():
        torch.testing.assert_close(dict(model.named_parameters())[name].grad, value, msg=name)


@pytest.mark.parametrize("learner", ["cts", "lslr", "multi_nmt"])
def test_learners_of_one_worker_refuse_several(data, monkeypatch, learner):
    monkeypatch.setattr(workers, "count", lambda: 2)
    with pytest.raises(InputError, match=f"`--distributed-world-size` must be 1 for `--meta-learner {learner}`, but"):
        build(data, "--meta-learner", learner)
