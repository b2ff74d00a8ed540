"""How much of the machine a step uses: its floating-point operations a second over those of its own matrix products.

The matrix products of a step are recorded with their shapes: forward and backward, those of attention included. Then
each shape is run alone a few times. The machine's rate is sum of operations / sum of (number x best time) over shapes.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.measure import Row, compare, in_turns
from benchmarks.settings import Settings
from benchmarks.transformer import Bench

aten = torch.ops.aten
Shape = tuple[int, int, int, int]  # batch, m, k, n


class Products(TorchDispatchMode):
    """Counts the matrix products that run inside this context, by shape.

    torch's FlopCounterMode knows no fused attention of the CPU, and no shapes. What it does count, this class counts
    the same. Fused attention counts as its products: two forward, and five backward, where the scores are computed
    again.
    """

    def __init__(self) -> None:
        super().__init__()
        self.shapes: Counter[Shape] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        packet, name = func.overloadpacket, func.overloadpacket.__name__
        if packet in (aten.mm, aten.addmm):
            a, b = args[-2:]
            self.shapes[1, a.shape[0], a.shape[1], b.shape[1]] += 1
        elif packet in (aten.bmm, aten.baddbmm):
            a, b = args[-2:]
            self.shapes[a.shape[0], a.shape[1], a.shape[2], b.shape[2]] += 1
        elif name.startswith("_scaled_dot_product") and not name.endswith("_math"):
            self._attention(name, args)
        return func(*args, **(kwargs or {}))

    def _attention(self, name: str, args: Any) -> None:
        backward = "backward" in name
        q, k, v = args[1:4] if backward else args[:3]
        batch, length, source = q.shape[0] * q.shape[1], q.shape[2], k.shape[2]
        scores, mixed = (batch, length, q.shape[3], source), (batch, length, source, v.shape[3])
        self.shapes[scores] += 1  # forward, and again in backward
        if not backward:
            self.shapes[mixed] += 1
            return
        self.shapes[batch, length, v.shape[3], source] += 1  # gradient of the weights
        self.shapes[batch, source, length, v.shape[3]] += 1  # gradient of v
        self.shapes[batch, length, source, q.shape[3]] += 1  # gradient of q
        self.shapes[batch, source, length, q.shape[3]] += 1  # gradient of k

    @property
    def flops(self) -> int:
        """The floating-point operations of all products."""
        return sum(number * flops_of(shape) for shape, number in self.shapes.items())


def flops_of(shape: Shape) -> int:
    """The floating-point operations of a matrix product: a multiplication and an addition for each of b m k n."""
    b, m, k, n = shape
    return 2 * b * m * k * n


def products_of(step: Callable[[], object]) -> Products:
    """The matrix products of a step, which is run once."""
    with Products() as products:
        step()
    return products


def best_seconds(products: Products, device: str = "cpu", dtype: torch.dtype = torch.float32, runs: int = 5) -> float:
    """The seconds of all products, each shape at its best time in a few runs."""
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    total = 0.0
    for (b, m, k, n), number in products.shapes.items():
        left, right = (torch.randn(b, *size, device=device, dtype=dtype) for size in ((m, k), (k, n)))
        if b == 1:
            left, right = left[0], right[0]
        best = float("inf")
        for _ in range(runs + 1):
            start = time.perf_counter()
            torch.matmul(left, right)
            wait()
            best = min(best, time.perf_counter() - start)
        total += number * best
    return total


def fraction_row(bench: Bench, name: str, step: Callable[[], None], rounds: int, dtype: torch.dtype) -> Row:
    """The row of a step's GFLOP/s over those of its matrix products alone, measured in turns."""
    wait = torch.cuda.synchronize if bench.device == "cuda" else lambda: None
    step()  # now the optimiser has its state
    products = products_of(step)
    alone, seconds = [], []
    for _ in range(rounds):
        seconds += in_turns({"step": step}, 1, wait)["step"]
        alone.append(best_seconds(products, bench.device, dtype))
    giga = products.flops / 1e9
    what = f"{bench.arch}: {giga:.0f} GFLOP a step in {len(products.shapes)} shapes, {bench.tasks} task(s) of "
    what += f"{bench.tokens} tokens a batch; peer: its products alone"
    return compare(name, "GFLOP/s", [giga / s for s in seconds], [giga / s for s in alone], what)


def rows(settings: Settings) -> Iterator[Row]:
    """The rows of a step of fomaml and of a step of stock fairseq."""
    bench = Bench("small", tokens=1000) if settings.quick else Bench("metanmt")
    ours, peer = bench.meta_step(bench.ours(), "fomaml"), bench.plain_step(bench.peer())
    yield fraction_row(bench, "fomaml_fraction_of_machine", ours, settings.rounds, torch.float32)
    yield fraction_row(bench, "fairseq_fraction_of_machine", peer, settings.rounds, torch.float32)
