"""Tensors at odd places in memory: sums are cut otherwise there, so the last bits of right answers differ.

`SHIFT_MEMORY=3 python -m pytest` runs the whole suite, notebooks included, with every tensor that is made
moved on by three entries.
"""

import functools
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

MAKERS = (
    "arange", "empty", "empty_like", "eye", "full", "full_like", "linspace", "ones", "ones_like", "rand",
    "rand_like", "randint", "randn", "randn_like", "randperm", "tensor", "zeros", "zeros_like",
)  # fmt: skip


def shifted(x: Tensor, by: int) -> Tensor:
    """The same numbers, `by` entries further into a block of memory; gradients end here, as at any leaf."""
    with torch.no_grad():
        room = x.new_empty(x.numel() + by)
        return room[by:].view(x.shape).copy_(x).requires_grad_(x.requires_grad)


@contextmanager
def shifting(by: int) -> Iterator[None]:
    """Meanwhile every tensor that torch makes stands `by` entries further on."""
    # not a TorchFunctionMode: it would stand in every traceback, also where a learner's line is looked for
    before = {name: getattr(torch, name) for name in MAKERS}
    for name, make in before.items():
        setattr(torch, name, _shifting(make, by))
    try:
        yield
    finally:
        for name, make in before.items():
            setattr(torch, name, make)


def _shifting(make: Callable, by: int) -> Callable:
    @functools.wraps(make)
    def made(*args, **options):
        x = make(*args, **options)
        plain = isinstance(x, Tensor) and x.layout == torch.strided and x.device.type == "cpu"
        return shifted(x, by) if plain else x

    return made


def shift_everything() -> None:
    """From now on, in this process and in kernels that it starts: by $SHIFT_MEMORY entries."""
    shifting(int(os.environ["SHIFT_MEMORY"])).__enter__()
    startup = Path(tempfile.mkdtemp()) / "profile_default" / "startup"  # IPython runs what it finds there
    startup.mkdir(parents=True)
    here = str(Path(__file__).parent)
    (startup / "shift.py").write_text(
        f"import sys; sys.path.append({here!r}); import memory; memory.shift_everything(); del sys, memory\n"
    )
    os.environ["IPYTHONDIR"] = str(startup.parents[1])


@contextmanager
def threads(n: int) -> Iterator[None]:
    """torch with n threads, and afterwards with as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)
