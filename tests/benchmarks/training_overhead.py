"""What watching costs: the same training with a TrainingView and without, by turns, in a real kernel.

python tests/benchmarks/training_overhead.py              # 15 pairs of 300 steps, a minute
python tests/benchmarks/training_overhead.py 5 1000       # 5 pairs of 1000 steps

The kernel is a real one, so that the messages to the page are made, signed and sent. An overhead is the
median, over the pairs, of what it took with the view over what it took without: on the clock, and of
the processor (all threads of the kernel), which other programs on the machine disturb less.
"""

import sys

from jupyter_client.manager import start_new_kernel

TRAINING = """
import statistics, time, torch
from torch.nn import functional as F
from attention_core import RotaryEncoding, SinusoidalEncoding, TinyTransformer
from attention_core.live import TrainingView
from attention_core.tasks import Repeat, Reverse, accuracy
torch.set_num_threads(1)

def reverse():
    task = Reverse(8)
    return task, TinyTransformer(task.vocabulary, num_heads=2, positions=SinusoidalEncoding(32))

def induction():
    task = Repeat()
    positions = RotaryEncoding(32)
    return task, TinyTransformer(task.vocabulary, num_heads=1, num_layers=2, positions=positions, causal=True)

def train(make, steps, watch):
    torch.manual_seed(0)
    task, model = make()
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    batches = task.batches(steps)
    view = TrainingView(model, next(iter(batches))[0][:1])
    began = time.perf_counter(), time.process_time()
    for step, (x, y) in view.watch(batches) if watch else enumerate(batches):
        logits, _ = model(x, need_weights=False)
        loss = F.cross_entropy(logits.flatten(0, 1), y.flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        numbers = {"loss": loss.item(), "accuracy": accuracy(logits, y)}
        if watch:
            view.report(**numbers)
    return time.perf_counter() - began[0], time.process_time() - began[1]

def measure(make, pairs, steps):
    train(make, 20, True)
    taken = {True: [], False: []}
    for pair in range(pairs):
        for watch in (True, False) if pair % 2 else (False, True):  # neither is always the warmer one
            taken[watch].append(train(make, steps, watch))
    step = 1000 * statistics.median(wall for wall, _ in taken[False]) / steps
    overheads = []
    for which in range(2):
        ratios = [watched[which] / alone[which] for watched, alone in zip(taken[True], taken[False])]
        low, middle, high = (100 * (ratio - 1) for ratio in statistics.quantiles(ratios, n=4))
        overheads.append(f"{middle:5.1f} % ({low:.1f} to {high:.1f})")
    print(f"{make.__name__:10} {steps:6} {step:13.2f}   {overheads[0]:22} {overheads[1]:22}")
"""
HEADING = "task        steps   ms of a step   on the clock (quartiles)   of the processor (quartiles)"


def main(pairs: int = 15, steps: int = 300) -> None:
    """Print one line for each of the lesson's two kinds of model."""
    manager, client = start_new_kernel()
    try:
        client.execute_interactive(TRAINING, timeout=120)
        print(HEADING, flush=True)
        for make in ("reverse", "induction"):
            client.execute_interactive(f"measure({make}, {pairs}, {steps})", timeout=3600)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
