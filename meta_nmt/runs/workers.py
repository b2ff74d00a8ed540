"""Worker processes of a training run: started by torchrun, or by the run itself on a machine without GPUs.

fairseq's own launcher starts a worker for each GPU of a machine and understands Slurm; it still does that. But it looks
at torchrun's variables only where the flags ask for several workers, and it starts no workers without a GPU.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from argparse import Namespace
from collections.abc import Callable
from typing import Any

import torch
from fairseq.distributed import utils as distributed_utils

from data_prep.base import interrupts
from data_prep.base.errors import InputError

logger = logging.getLogger(__name__)
FAIRSEQ_CALL_MAIN = distributed_utils.call_main
WAITS_S = 20  # of torch's half an hour for the others, before a warning
TORCHRUN = ("MASTER_ADDR", "MASTER_PORT", "WORLD_SIZE", "RANK", "LOCAL_RANK")


def launched() -> bool:
    """Whether torchrun started this process, among others."""
    return all(name in os.environ for name in TORCHRUN) and _variable("WORLD_SIZE") > 1


def is_first(flags: Namespace) -> bool:
    """Whether this process is the only one of its run so far, or the first of those that torchrun or srun started.

    As fairseq does, it takes Slurm's number of this process only with ``--distributed-port``: else Slurm, or a job
    around this one, has started processes that have nothing to do with each other.
    """
    if launched():
        return _variable("RANK") == 0
    if flags.distributed_init_method is not None:
        return bool(flags.distributed_rank == 0)
    return flags.distributed_port <= 0 or _variable("SLURM_PROCID", "0") == 0


def _variable(name: str, default: str | None = None) -> int:
    """The number in a variable of the environment; InputError where it is none."""
    text = os.environ.get(name, default)
    if text is None or not text.isdecimal():
        raise InputError(f"the variable {name} of the environment must be a number, but is {text!r}: unset it")
    return int(text)


def count() -> int:
    """The number of workers of the run; 1 before they are connected."""
    return torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1


def unwrapped(model: Any) -> Any:
    """The model inside of the wrapper that adds up gradients: there its parameters have their own names."""
    while hasattr(model, "module"):
        model = model.module
    return model


def total(number: int, device: torch.device) -> int:
    """The sum of a number over all workers, which must all call this together."""
    if count() == 1:
        return number
    summed = torch.tensor(number, device=device)
    torch.distributed.all_reduce(summed, group=distributed_utils.get_data_parallel_group())
    return int(summed)


def broadcast(obj: Any, src_rank: int, group: Any, dist_device: torch.device) -> Any:
    """Send an object from worker ``src_rank`` to the others; it takes the place of ``_broadcast_object_slow``.

    fairseq's function loads a checkpoint's configuration under torch's protection, as if a stranger had sent it, and
    fails. Worker 0 has loaded it under that protection already, and workers trust each other.
    """
    objects = [obj]
    torch.distributed.broadcast_object_list(objects, src_rank, group, dist_device)
    return objects[0]


def _said_while_waiting(main: Callable[..., None], workers: int) -> Callable[..., None]:
    """``main``, after a warning where it has not begun for WAITS_S seconds: the others may never come."""
    text = (
        f"RANK and WORLD_SIZE of the environment say that torchrun started {workers} workers of this run: waiting for "
        "the others. To train with this one alone, unset WORLD_SIZE"
    )
    warning = threading.Timer(WAITS_S, logger.warning, [text])
    warning.daemon = True
    warning.start()

    def begun(cfg: Any, **kwargs: Any) -> None:
        warning.cancel()
        main(cfg, **kwargs)

    return begun


def call_main(cfg: Any, main: Callable[..., None], **kwargs: Any) -> None:
    """Run ``main(cfg, **kwargs)`` in each worker; it takes the place of fairseq's ``call_main``."""
    workers = cfg.distributed_training
    if launched() and workers.distributed_init_method is None:
        workers.distributed_init_method = "env://"
        workers.distributed_world_size = _variable("WORLD_SIZE")
        workers.distributed_rank = _variable("RANK")
        workers.device_id = _variable("LOCAL_RANK")
        workers.distributed_no_spawn = True
        if workers.distributed_rank == 0:
            main = _said_while_waiting(main, workers.distributed_world_size)
    if not (cfg.common.cpu or not torch.cuda.is_available()) or workers.distributed_world_size == 1:
        FAIRSEQ_CALL_MAIN(cfg, main, **kwargs)
        return
    workers.distributed_backend = "gloo"
    if workers.distributed_init_method is not None:
        workers.distributed_no_spawn = True
        FAIRSEQ_CALL_MAIN(cfg, main, **kwargs)
        return
    workers.distributed_init_method = f"tcp://localhost:{_free_port()}"
    workers.distributed_rank = None  # each worker finds its own rank
    with interrupts.held_back():
        processes = torch.multiprocessing.spawn(
            _work, args=(main, cfg, {**kwargs, "start_rank": 0}), nprocs=workers.distributed_world_size, join=False
        )
    while not processes.join():
        pass


def _work(rank: int, main: Callable[..., None], cfg: Any, kwargs: dict[str, Any]) -> None:
    interrupts.die_silently()  # Ctrl-C, and the end of the process that started this one
    distributed_utils.distributed_main(rank, main, cfg, kwargs)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port: int = probe.getsockname()[1]
        return port
