"""What meta-learning and ULR cost: a meta-step of each learner against stock fairseq training on the same batches.

    python -m benchmarks.meta_step [--json FILE] [--arch metanmt] [--tokens 2000] [--repeats 5]

benchmarks/transformer.py says what a step is on both sides. Speed is measured in turns in one process. For memory each
system makes two steps in a process of its own. Counted is the memory that they add, at the peak, to that of the built
model: gradients, the optimiser's moments, fast weights, activations; not parameters and libraries.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterator

import torch

from benchmarks.measure import Row, apart, compare, in_turns, line_of, peak_of, speeds, unmeasured
from benchmarks.settings import Settings
from benchmarks.transformer import Bench, batches_of, token_count
from data_prep.base.command_line import OneLineParser, run_command
from meta_nmt.models.ulr_transformer import TOP_K

SYSTEMS = {  # name -> meta-learner, inner steps; everything else as it is by default
    "fomaml": ("fomaml", 1),
    "joint": ("joint", 1),
    "fomaml_5_steps": ("fomaml", 5),
    "maml": ("maml", 1),
    "lstm": ("lstm", 1),
}


def lexical_step(bench: Bench, top_k: int = TOP_K) -> Callable[[], None]:
    """A function that runs ULR alone, forward and backward, on each batch of a step, with the rows of its episode."""
    embedding, episodes = bench.ours(top_k).encoder.embed_tokens, bench.renumbered()
    rows = [torch.nn.Parameter(torch.zeros(len(e["queries"]), embedding.embedding_dim)) for e in episodes]

    def step() -> None:
        for episode, residual in zip(episodes, rows, strict=True):
            embedding.queries, embedding.residual = episode["queries"], residual
            for batch in batches_of([episode]):
                embedding(batch["net_input"]["src_tokens"]).sum().backward()
            embedding.zero_grad()

    return step


def step_memory(system: str, arch: str, tokens: int, threads: int) -> dict[str, float]:
    """The MiB of two steps of a system, or (`SYSTEM/peer`) of the peer on the batches of that system.

    To be called in a process of its own.
    """
    torch.set_num_threads(threads)
    name, _, side = system.partition("/")
    learner, inner_steps = SYSTEMS[name]
    bench = Bench(arch, tokens=tokens)
    model = bench.peer() if side else bench.ours()
    step = bench.plain_step(model, inner_steps) if side else bench.meta_step(model, learner, inner_steps)
    return peak_of(lambda: [step(), step()])


def speed_rows(
    bench: Bench, rounds: int, prefix: str = "", systems: dict[str, tuple[str, int]] = SYSTEMS, ulr: bool = True
) -> Iterator[Row]:
    """The rows of tokens a second of each system and, with ``ulr``, of ULR's share of a step."""
    models = {"ours": bench.ours(), "peer": bench.peer()}
    steps: dict[str, Callable[[], object]] = {}
    for name, (learner, inner_steps) in systems.items():
        model = bench.ours() if learner == "lstm" else models["ours"]  # the LSTM adds parameters to the model
        steps[name] = bench.meta_step(model, learner, inner_steps)
        steps.setdefault(f"peer {inner_steps}", bench.plain_step(models["peer"], inner_steps))
    if ulr:
        steps["ulr"] = lexical_step(bench)
        steps["fomaml_whole_softmax"] = bench.meta_step(bench.ours(0), "fomaml")
        steps["ulr_whole_softmax"] = lexical_step(bench, 0)
    wait = torch.cuda.synchronize if bench.device == "cuda" else lambda: None
    seconds = in_turns(steps, rounds, wait)
    what = f"{bench.arch}, {bench.tasks} task(s), batches of {bench.tokens} tokens, {rounds} rounds"
    for name, (_, inner_steps) in systems.items():
        tokens = token_count(bench.episodes(inner_steps))
        peer = seconds[f"peer {inner_steps}"]
        yield speeds(f"{prefix}{name}_vs_fairseq_tokens_per_s", "tokens/s", tokens, seconds[name], peer, what)
    if ulr:
        yield compare(f"{prefix}ulr_share_of_step", "s", seconds["ulr"], seconds["fomaml"],
                      f"ULR alone over the whole fomaml step, lower is better; {what}")  # fmt: skip
        tokens = token_count(bench.episodes())
        whole = f"--ulr-top-k 0, the papers' softmax over all universal tokens; {what}"
        yield speeds(f"{prefix}fomaml_whole_softmax_vs_fairseq_tokens_per_s", "tokens/s", tokens,
                     seconds["fomaml_whole_softmax"], seconds["peer 1"], whole)  # fmt: skip
        yield compare(f"{prefix}ulr_whole_softmax_share_of_step", "s", seconds["ulr_whole_softmax"],
                      seconds["fomaml_whole_softmax"], whole)  # fmt: skip


def memory_rows(bench: Bench, rounds: int, threads: int) -> Iterator[Row]:
    """The rows of each system's peak memory over the peer's; lower is better."""
    peers: dict[int, list[dict[str, float]]] = {}
    for name, (_, inner_steps) in SYSTEMS.items():
        row = f"{name}_vs_fairseq_peak_memory"
        try:
            our_peaks = []
            peer_is_new = inner_steps not in peers
            peer_peaks = peers.setdefault(inner_steps, [])
            for _ in range(rounds):
                our_peaks.append(apart(step_memory, name, bench.arch, bench.tokens, threads))
                if peer_is_new:
                    peer_peaks.append(apart(step_memory, f"{name}/peer", bench.arch, bench.tokens, threads))
        except (RuntimeError, OSError) as error:
            yield unmeasured(row, "MiB", error)
            continue
        whole = [statistics.median(side["whole"] for side in sides) for sides in (our_peaks, peer_peaks)]
        what = (f"{bench.arch}: added by two steps to the built model; lower is better; "
                f"whole processes {whole[0]:.0f} and {whole[1]:.0f} MiB; {rounds} process(es) each")  # fmt: skip
        yield compare(row, "MiB", [side["added"] for side in our_peaks], [side["added"] for side in peer_peaks], what)


def rows(settings: Settings) -> Iterator[Row]:
    """The rows of speed, of ULR's share and of memory."""
    bench = Bench("small", tokens=1000) if settings.quick else Bench("metanmt")
    yield from speed_rows(bench, settings.rounds)
    yield from memory_rows(bench, 1 if settings.quick else 3, settings.threads)


def main(argv: list[str] | None = None) -> int:
    parser = OneLineParser(prog="python -m benchmarks.meta_step", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--arch", default="metanmt", choices=["tiny", "small", "metanmt", "base"])
    parser.add_argument("--tasks", type=int, default=1, help="tasks a step")
    parser.add_argument("--tokens", type=int, default=2000, help="tokens of each batch")
    parser.add_argument("--repeats", type=int, default=5, help="rounds that count")
    parser.add_argument("--learners", default=",".join(SYSTEMS), help=f"some of {','.join(SYSTEMS)}; fomaml always")
    parser.add_argument("--json", help="file for the rows")
    args = parser.parse_args(argv)
    if unknown := set(args.learners.split(",")) - {*SYSTEMS}:
        parser.error(f"`--learners` must be some of {', '.join(SYSTEMS)}, but has {', '.join(sorted(unknown))}")
    chosen = {name: SYSTEMS[name] for name in SYSTEMS if name in {"fomaml", *args.learners.split(",")}}
    records = []
    for row in speed_rows(Bench(args.arch, args.tasks, args.tokens), args.repeats, systems=chosen):
        print(line_of(row))
        records.append(row.record())
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump(records, file, indent=1)
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main, prog="python -m benchmarks.meta_step"))
