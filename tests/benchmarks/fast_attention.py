"""What makes attention fast, in ratios of one run: tiles, a cache, keys that heads share.

python tests/benchmarks/fast_attention.py           # five minutes, one thread
python tests/benchmarks/fast_attention.py --quick   # the same at small sizes

Each ratio is the median over pairs of timings, one right after the other, as in `attention_speed.py`, and
memory is the most that torch's allocator held at once, over what it held before.
"""

import statistics
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from attention_speed import by_turns
from torch import Tensor
from torch.nn import functional as F

from attention_core import (
    KeyValueCache,
    MultiHeadAttention,
    SinusoidalEncoding,
    TinyTransformer,
    tiled_attention,
)
from attention_core.cost import peak_bytes

HEADING = (
    "what                                                size     ms  against (ms)  ratio"
    "     MB  against (MB)"
)
SIZES, STEPS, KEYS = (256, 512, 1024, 2048, 4096), (64, 128, 256, 512), (1024, 8192, 32768)
QUICK = {"sizes": (32, 64), "steps": (4, 8), "keys": (64, 128)}


@dataclass
class Row:
    """One line: milliseconds and megabytes of a thing, and of what it is held against."""

    what: str
    size: int
    time: float
    against: float
    ratio: float
    peak: float
    their_peak: float

    def __str__(self) -> str:
        return (
            f"{self.what:50} {self.size:5}  {self.time:5.{self._digits}f}  {self.against:12.2f}"
            f"  {self.ratio:5.2f}  {self.peak:5.1f}  {self.their_peak:12.1f}"
        )

    @property
    def _digits(self) -> int:
        return 2 if self.time < 100 else 0


def naive(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention as the formula says it: all scores, all weights, then the average."""
    return (query @ key.mT / query.shape[-1] ** 0.5).softmax(-1) @ value


def rows(
    sizes: Iterable[int] = SIZES, steps: Iterable[int] = STEPS, keys: Iterable[int] = KEYS, pairs: int = 5
) -> Iterator[Row]:
    """Measure everything, small before large."""
    torch.manual_seed(0)
    with torch.no_grad():
        for n in sizes:
            heads = [torch.randn(1, 4, n, 64) for _ in range(3)]
            tiles = lambda heads=heads: tiled_attention(*heads)  # noqa: E731
            yield row("tiles against all weights", n, tiles, lambda h=heads: naive(*h), pairs)
            fused = lambda heads=heads: F.scaled_dot_product_attention(*heads)  # noqa: E731
            yield row("tiles against torch's fused kernel", n, tiles, fused, pairs)
        model = TinyTransformer(
            64, dim=128, num_heads=4, num_layers=4, positions=SinusoidalEncoding(128), causal=True
        ).eval()
        prompt = torch.randint(64, (1, 8))
        for n in steps:
            calls = (lambda c=cached, n=n: model.generate(prompt, n, cached=c) for cached in (True, False))
            yield row("tokens with a cache against without", n, *calls, min(pairs, 3))
        for n in keys:
            yield row("a step, 16 heads share 1 of keys, against 16 own", n, step(n, 1), step(n, 16), pairs)
            yield row("the same without the projections", n, attend(n, 1), attend(n, 16), pairs)
            yield row(
                "1 of keys, by a view against by a copy", n, attend(n, 1), attend(n, 1, copy=True), pairs
            )


def step(n: int, groups: int) -> Callable:
    """A word more, for a layer of 16 heads that remembers n."""
    layer, cache = MultiHeadAttention(1024, 16, num_key_value_heads=groups).eval(), KeyValueCache()
    cache.append(*(torch.randn(1, groups, n, 64) for _ in range(2)))  # there is room for as many again
    word = torch.randn(1, 1, 1024)
    return lambda: layer(word, cache=cache, need_weights=False)


def attend(n: int, groups: int, copy: bool = False) -> Callable:
    """What the layer does between its projections: 16 queries, and n keys of each group."""
    layer = MultiHeadAttention(1024, 16, num_key_value_heads=groups).eval()
    query, (key, value) = torch.randn(1, 16, 1, 64), (torch.randn(1, groups, n, 64) for _ in range(2))
    if not copy:
        return lambda: layer.attend(query, key, value, need_weights=False)

    def copied():
        repeated = (x.repeat_interleave(16 // groups, 1) for x in (key, value))
        return F.scaled_dot_product_attention(query, *repeated)

    return copied


def row(what: str, size: int, ours: Callable, theirs: Callable, pairs: int) -> Row:
    """Both by turns."""
    times = by_turns(ours, theirs, pairs)
    milliseconds = [1e3 * statistics.median(seconds) for seconds in times]
    ratio = statistics.median(a / b for a, b in zip(*times, strict=True))
    return Row(what, size, *milliseconds, ratio, *(peak_bytes(call) / 1e6 for call in (ours, theirs)))


def targets(done: list[Row]) -> Iterator[str]:
    """What the plan asks of the largest sizes, and whether it is met."""
    for what, most, of in (
        ("tiles against all weights", 0.6, "time"),
        ("tiles against all weights", 1 / 20, "memory"),
        ("tokens with a cache against without", 1 / 6, "time"),
        ("the same without the projections", 1 / 6, "time"),
    ):
        last = [row for row in done if row.what == what][-1]
        found = last.ratio if of == "time" else last.peak / last.their_peak
        verdict = "met   " if found <= most else "MISSED"
        yield f"{verdict} {what}, {last.size}: {of} × {found:.3f}, at most {most:.3f}"


def main() -> None:
    """Print the table, and the targets."""
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, one thread, float32; ratios below 1: the first is faster")
    print(HEADING)
    done = []
    for measured in rows(**QUICK, pairs=2) if "--quick" in sys.argv[1:] else rows():
        print(measured, flush=True)
        done.append(measured)
    print("\n".join(targets(done)))


if __name__ == "__main__":
    main()
