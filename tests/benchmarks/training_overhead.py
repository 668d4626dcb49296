"""What watching costs: the same training with a TrainingView and without, by turns, in a real kernel.

python tests/benchmarks/training_overhead.py              # 30 pairs of 300 steps, some minutes
python tests/benchmarks/training_overhead.py 20 1000      # 20 pairs of 1000 steps

The kernel is a real one, so that the messages to the page are made, signed and sent. An overhead compares
the medians of both kinds of runs: on the clock, and of the processor (all threads of the kernel), which
other programs on the machine disturb less. Fewer than some 20 pairs say little.
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
    (watched, alone) = (
        [statistics.median(times) for times in zip(*taken[watch])] for watch in (True, False)
    )
    clock, processor = (100 * (w / a - 1) for w, a in zip(watched, alone))
    print(f"{make.__name__:10} {steps:6} {1000 * alone[0] / steps:13.2f} {clock:13.1f} % {processor:16.1f} %")
"""
HEADING = "task        steps   ms of a step   on the clock   of the processor"


def main(pairs: int = 30, steps: int = 300) -> None:
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
