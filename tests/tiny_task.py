"""The task on a data folder, with a tiny model in float64 and without dropout: for tests of its meta-step."""

import torch
from arguments import arguments
from fairseq import tasks
from fairseq.dataclass.utils import convert_namespace_to_omegaconf

from meta_nmt.cli.train import parse_args

INNER_LR = 0.1


def build(data, *flags):
    """Task, model in float64 without dropout, criterion."""
    argv = arguments(
        "{} --source-langs aa,bb --valid-langs cc --support-tokens 60 --query-tokens 60 --dropout 0 "
        "--arch ulr_transformer_tiny --encoder-layers 1 --decoder-layers 1 --encoder-embed-dim 16 "
        "--decoder-embed-dim 16 --encoder-attention-heads 2 --decoder-attention-heads 2",
        data,
    )
    argv += flags
    if not {"joint", "multi_nmt"} & {*flags}:  # they have no inner loop
        argv += arguments("--inner-lr {}", INNER_LR)
    cfg = convert_namespace_to_omegaconf(parse_args(argv))
    torch.manual_seed(0)
    task = tasks.setup_task(cfg.task)
    model = task.build_model(cfg.model).double()
    task.load_dataset("train")
    return task, model, task.build_criterion(cfg.criterion)


def sample_of(task, tasks_per_step=2):
    dataset = task.dataset("train")
    sample = dataset.collater([dataset[i] for i in range(tasks_per_step)])
    for episode in sample["episodes"]:
        episode["queries"] = episode["queries"].double()
    return sample
