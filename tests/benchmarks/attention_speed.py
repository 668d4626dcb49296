"""Our MultiHeadAttention against torch.nn.MultiheadAttention: the same weights, in the same run, by turns.

python tests/benchmarks/attention_speed.py              # n from 16 to 2048: ten minutes, one thread
python tests/benchmarks/attention_speed.py 16 64 256    # other lengths

Times are processor time of one thread. A ratio below 1 means that ours is faster: it is the median over
pairs of timings, one of each layer, one right after the other. Forward alone is measured without gradients,
as in inference. Memory is the most that torch's allocator held at once during one call, over what it held
before.
"""

import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import product

import torch

from attention_core import MultiHeadAttention
from attention_core.cost import peak_bytes

SIZES = (16, 32, 64, 128, 256, 512, 1024, 2048)
DIM, HEADS, BATCH = 512, 8, 4  # dim and heads of the base model in Vaswani et al. 2017
PAIRS = 21
FEWEST, LONGEST = 5, 40  # pairs, and seconds of one row after which it stops with what it has
LEAST = 0.01  # seconds of one timing: shorter calls are repeated within it
HEADING = "    n  weights  what              ours (ms)  torch (ms)  ratio   ours (MB)  torch (MB)"


@dataclass
class Row:
    """One line of the table: milliseconds of a call, and megabytes at its peak, of each layer."""

    n: int
    weights: bool
    backward: bool
    ours: float
    theirs: float
    ratio: float
    our_peak: float
    their_peak: float

    def __str__(self) -> str:
        return (
            f"{self.n:5}  {'yes' if self.weights else 'no':7}  {_what(self.backward):16}"
            f"  {self.ours:9.3f}  {self.theirs:10.3f}  {self.ratio:5.2f}"
            f"  {self.our_peak:10.2f}  {self.their_peak:10.2f}"
        )


def rows(
    sizes: Iterable[int] = SIZES,
    *,
    dim: int = DIM,
    num_heads: int = HEADS,
    batch: int = BATCH,
    pairs: int = PAIRS,
) -> Iterator[Row]:
    """Measure every length without and with weights, forward alone and with the backward pass."""
    torch.manual_seed(0)
    ours = MultiHeadAttention(dim, num_heads)
    theirs = ours.to_torch()
    for n, weights, backward in product(sizes, (False, True), (False, True)):
        x = torch.randn(batch, n, dim)
        calls = (
            _call(ours, lambda layer, x=x, w=weights: layer(x, need_weights=w), backward),
            _call(
                theirs,
                lambda layer, x=x, w=weights: layer(x, x, x, need_weights=w, average_attn_weights=False),
                backward,
            ),
        )
        times = by_turns(*calls, pairs)
        milliseconds = [1e3 * statistics.median(seconds) for seconds in times]
        ratio = statistics.median(a / b for a, b in zip(*times, strict=True))
        yield Row(n, weights, backward, *milliseconds, ratio, *(peak_bytes(call) / 1e6 for call in calls))


def means(done: list[Row]) -> Iterator[str]:
    """The geometric mean and the worst of the ratios, by what was measured: what the targets are about."""
    for weights, backward in product((False, True), (False, True)):
        if ratios := [row.ratio for row in done if (row.weights, row.backward) == (weights, backward)]:
            yield _mean(f"{'with' if weights else 'without'} weights, {_what(backward)}", ratios)
    if ratios := [row.ratio for row in done if not row.weights]:
        yield _mean("without weights, all rows", ratios)


def _mean(what: str, ratios: list[float]) -> str:
    return f"{what}: geometric mean {statistics.geometric_mean(ratios):.2f}, worst {max(ratios):.2f}"


def _what(backward: bool) -> str:
    return "forward+backward" if backward else "forward"


def _call(layer: torch.nn.Module, forward: Callable, backward: bool) -> Callable:
    """One step as it is taken in training, or one answer as it is given in inference."""

    def train() -> None:
        forward(layer)[0].sum().backward()
        layer.zero_grad(set_to_none=True)

    def infer() -> None:
        with torch.no_grad():
            forward(layer)

    layer.train(backward)
    return train if backward else infer


def by_turns(first: Callable, second: Callable, pairs: int) -> tuple[list[float], list[float]]:
    """Seconds of a call of each, in pairs, so that a slow moment of the machine hits both."""
    for call in (first, second):
        call()
    often = max(1, round(LEAST / max(_seconds(first, 1), 1e-9)))
    times: list[tuple[float, float]] = []
    start = time.perf_counter()
    while len(times) < pairs and (len(times) < FEWEST or time.perf_counter() - start < LONGEST):
        if len(times) % 2 == 0:
            times.append((_seconds(first, often), _seconds(second, often)))
        else:  # what comes second finds the caches as the other left them, so each does in turn
            times.append((_seconds(second, often), _seconds(first, often))[::-1])
    return [a for a, _ in times], [b for _, b in times]


def _seconds(call: Callable, often: int) -> float:
    start = time.process_time()  # not the wall's clock: a busy machine takes the processor away
    for _ in range(often):
        call()
    return (time.process_time() - start) / often


def main() -> None:
    """Print the table, and its means."""
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, one thread, float32, dim {DIM}, {HEADS} heads, batch {BATCH}")
    print(HEADING)
    done = []
    for row in rows([int(n) for n in sys.argv[1:]] or SIZES):
        print(row, flush=True)
        done.append(row)
    print("\n".join(means(done)))


if __name__ == "__main__":
    main()
