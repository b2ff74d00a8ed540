"""What a GPU does with our steps: tokens a second and memory beside fairseq's --amp, share of its rate, a profile.

    python -m benchmarks.gpu [--arch base] [--tokens 4000] [--repeats 5] [--json FILE] [--profile FILE]

Ours runs under bfloat16 autocast, the peer as `fairseq-train --amp` does (float16, scaled loss). A step has two batches
of --tokens tokens: support and query of a meta-step, or just two batches of joint training and of adaptation.
`bash benchmarks/gpu.sh` measures all architectures with this command, and more. --device cpu is for tests of it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from benchmarks.fraction import products_of
from benchmarks.measure import Row, compare, in_turns, line_of, speeds, unmeasured
from benchmarks.settings import Settings
from benchmarks.transformer import Bench, token_count
from data_prep.base.command_line import OneLineParser, run_command
from data_prep.base.files import write_json, write_text

TOKENS = 4000  # tokens of the support batch and of the query batch: 8,000 a task
ARCHITECTURES = ("small", "metanmt", "base")
PEER = "fairseq"
SYSTEMS: dict[str, Callable[[Bench], Callable[[], None]]] = {  # name -> the step of a new model
    PEER: lambda bench: bench.plain_step(bench.peer()),
    "joint": lambda bench: bench.meta_step(bench.ours(), "joint"),
    "fomaml": lambda bench: bench.meta_step(bench.ours(), "fomaml"),
    "maml": lambda bench: bench.meta_step(bench.ours(), "maml"),
    "adaptation": lambda bench: bench.adapt_step(bench.ours()),
}
PROFILED_STEPS = 3
SIDE = 8192  # of the square matrices whose product is the card's rate
MIB = 2**20


def waiting(bench: Bench) -> Callable[[], object]:
    """A function that waits for the work that a step has left running on the bench's device."""
    return torch.cuda.synchronize if bench.device == "cuda" else lambda: None


def added_mib(bench: Bench, system: str) -> float:
    """The MiB that two steps of a system add on a GPU, at their peak, to the built model and its batches."""
    step = SYSTEMS[system](bench)
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    step()
    step()
    return (torch.cuda.max_memory_allocated() - before) / MIB


def speed_rows(bench: Bench, rounds: int, prefix: str) -> Iterator[Row]:
    """The rows of tokens a second of each system; a system that cannot run is a row without figures."""
    steps, failed = {}, {}
    for name, build in SYSTEMS.items():
        try:
            steps[name] = build(bench)
            steps[name]()
        except RuntimeError as error:  # out of memory, too
            steps.pop(name, None)
            failed[name] = error
    seconds, tokens = in_turns(steps, rounds, waiting(bench)), token_count(bench.episodes())
    what = f"{bench.arch}, two batches of {bench.tokens} tokens, {rounds} rounds; peer: fairseq as --amp trains"
    for name in [name for name in SYSTEMS if name != PEER]:
        row = f"{prefix}{name}_vs_fairseq_tokens_per_s"
        if name in steps and PEER in steps:
            yield speeds(row, "tokens/s", tokens, seconds[name], seconds[PEER], what)
        else:
            yield unmeasured(row, "tokens/s", failed.get(name) or failed[PEER])


def memory_rows(bench: Bench, prefix: str) -> Iterator[Row]:
    """The rows of the memory that two steps add to the built model, lower is better."""
    peer: float | None = None
    for name in SYSTEMS:
        row = f"{prefix}{name}_vs_fairseq_peak_memory"
        try:
            added = added_mib(bench, name)
        except RuntimeError as error:
            yield unmeasured(row, "MiB", error)
            continue
        if name == PEER:
            peer = added
        elif peer:
            yield compare(row, "MiB", [added], [peer], f"{bench.arch}: added by two steps to the built model")


def card_flops(bench: Bench, side: int = SIDE) -> float:
    """The operations a second of a product of two square bfloat16 matrices, the best of some runs."""
    left, right = (torch.randn(side, side, device=bench.device, dtype=torch.bfloat16) for _ in range(2))
    seconds = in_turns({"product": lambda: left @ right}, 5, waiting(bench))["product"]
    return 2 * side**3 / min(seconds)


def share_row(bench: Bench, rounds: int, prefix: str, side: int = SIDE) -> Row:
    """The row of a fomaml step's GFLOP/s over the card's rate of matrix products."""
    step = SYSTEMS["fomaml"](bench)
    step()  # now the optimiser has its state
    giga, card = products_of(step).flops / 1e9, card_flops(bench, side) / 1e9
    seconds = in_turns({"step": step}, rounds, waiting(bench))["step"]
    what = f"{bench.arch}: {giga:.0f} GFLOP a step; peer: a product of {side} x {side} matrices in bfloat16"
    return compare(f"{prefix}fomaml_share_of_card", "GFLOP/s", [giga / s for s in seconds], [card] * rounds, what)


def profile_row(bench: Bench, prefix: str, file: Path | None) -> Row:
    """The row of the time that a GPU works in a fomaml step over the whole step; the table of its operators in a file.

    On a CPU, which waits for nothing, it is the time of the operators.
    """
    step, wait = SYSTEMS["fomaml"](bench), waiting(bench)
    step()
    wait()
    start = time.perf_counter()
    for _ in range(PROFILED_STEPS):
        step()
    wait()
    seconds = time.perf_counter() - start
    cuda = bench.device == "cuda"
    with profile(activities=[ProfilerActivity.CPU, *[ProfilerActivity.CUDA] * cuda]) as profiled:
        for _ in range(PROFILED_STEPS):
            step()
        wait()
    averages = profiled.key_averages()
    column = "self_device_time_total" if cuda else "self_cpu_time_total"
    if file:
        write_text(file, f"{bench.arch}, {PROFILED_STEPS} fomaml steps\n" + averages.table(column, row_limit=40) + "\n")
    # a GPU's kernels alone: operators and annotations name the kernels that they start, and would count them twice
    own = [e for e in averages if not cuda or (e.device_type is DeviceType.CUDA and not e.is_user_annotation)]
    busy, calls = sum(getattr(event, column) for event in own) / 1e3, sum(event.count for event in own)
    what = f"{bench.arch}: {calls / PROFILED_STEPS:.0f} {'kernels' if cuda else 'operators'} a step; peer: the step"
    return compare(f"{prefix}fomaml_busy", "ms", [busy / PROFILED_STEPS], [seconds * 1e3 / PROFILED_STEPS], what)


def bench_rows(bench: Bench, rounds: int, file: Path | None = None, side: int = SIDE) -> Iterator[Row]:
    """All rows of one architecture. ``file``: for the profile's table; ``side``: of the card's matrices.

    On a CPU there are none of memory: a process keeps what it had before, so that a small step adds nothing.
    """
    prefix = f"gpu_{bench.arch}_"
    parts: dict[str, Callable[[], Iterator[Row]]] = {
        "speed": lambda: speed_rows(bench, rounds, prefix),
        "memory": lambda: memory_rows(bench, prefix),
        "share": lambda: iter([share_row(bench, rounds, prefix, side)]),
        "profile": lambda: iter([profile_row(bench, prefix, file)]),
    }
    if bench.device != "cuda":
        del parts["memory"]
    for name, part in parts.items():
        try:
            yield from part()
        except Exception as error:  # the other parts are measured still
            yield unmeasured(prefix + name, "", error)


def rows(settings: Settings) -> Iterator[Row]:
    """The rows of all architectures, or of the small one."""
    for arch in ARCHITECTURES[:1] if settings.quick else ARCHITECTURES:
        if torch.cuda.is_available():
            yield from bench_rows(Bench(arch, tokens=TOKENS, device="cuda", mixed=True), settings.rounds)
        else:
            yield unmeasured(f"gpu_{arch}", "tokens/s", "no GPU here")


def run(argv: Sequence[str] | None = None) -> int:
    parser = OneLineParser(
        prog="python -m benchmarks.gpu",
        description=(__doc__ or "").split("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--arch", default="base", choices=("tiny", *ARCHITECTURES))
    parser.add_argument("--tokens", type=int, default=TOKENS, help="tokens of each batch")
    parser.add_argument("--repeats", type=int, default=5, help="rounds that count")
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--side", type=int, default=SIDE, help="of the matrices whose product is the card's rate")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there, after each")
    parser.add_argument("--profile", type=Path, metavar="FILE", help="write the table of the profile there")
    args = parser.parse_args(argv)
    if args.device == "cuda" and not torch.cuda.is_available():
        parser.error("`--device` must be cpu here: torch finds no GPU")
    bench = Bench(args.arch, tokens=args.tokens, device=args.device, mixed=True)
    records = []
    for row in bench_rows(bench, args.repeats, args.profile, args.side):
        print(line_of(row), flush=True)
        records.append(row.record())
        if args.json:
            write_json(args.json, records)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    return run_command(run, argv, prog="python -m benchmarks.gpu")


if __name__ == "__main__":
    raise SystemExit(main())
