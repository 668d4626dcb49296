"""What a call costs: multiplications, bytes, milliseconds. Counted or measured, not estimated.

Each function here calls `function(*inputs, **options)`, without gradients unless it says otherwise.
"""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from itertools import accumulate

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

_FUSED = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu  # which torch itself does not count
TIMES, LONGEST = 5, 0.5  # calls that are timed; seconds after which nothing is called again


def multiplications(function: Callable, *inputs, **options) -> int:
    """How many numbers are multiplied in a call's matrix products, as torch counts while it runs.

    What is done number by number, a softmax say, is not among them, and what a fused kernel leaves out under
    a causal mask counts as done.
    """
    with torch.no_grad(), FlopCounterMode(display=False, custom_mapping={_FUSED: _fused}) as counter:
        function(*inputs, **options)
    return counter.get_total_flops() // 2  # torch counts each multiplication with the addition after it


def peak_bytes(function: Callable, *inputs, **options) -> int:
    """The most bytes that torch's CPU allocator held during a call, over what it held before.

    With gradients, if they are recorded where it is called: what they keep is a part of the cost.
    """
    with _silenced(), profile(activities=[ProfilerActivity.CPU], profile_memory=True) as run:
        function(*inputs, **options)
    events = [event for event in run.profiler.kineto_results.events() if event.name() == "[memory]"]
    events.sort(key=lambda event: event.start_ns())
    return max(accumulate((event.nbytes() for event in events), initial=0))


def milliseconds(function: Callable, *inputs, **options) -> float:
    """The quickest of some calls, in milliseconds of the processor's time.

    The first call, which finds nothing prepared, does not count. Of the others there are five, or fewer when
    half a second is over, but one at least. It differs between machines, and from run to run: say of it only
    what is far from a draw.
    """
    with torch.no_grad():
        function(*inputs, **options)
        least, end = float("inf"), time.perf_counter() + LONGEST
        for _ in range(TIMES):
            start = time.process_time()  # not the wall's clock: a busy machine takes the processor away
            function(*inputs, **options)
            least = min(least, time.process_time() - start)
            if time.perf_counter() > end:
                break
    return 1e3 * least


def _fused(query: torch.Size, key: torch.Size, value: torch.Size, *_args, **_kwargs) -> int:
    """Of the fused kernel, from the shapes of what it is given."""
    return sdpa_flop_count(query, key, value)


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    """Without the lines that torch's profiler writes to the error stream, past Python, at each start."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
