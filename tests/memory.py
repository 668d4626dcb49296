"""Tensors at odd places in memory: sums are cut otherwise there, so the last bits of right answers differ.

`SHIFT_MEMORY=3 python -m pytest` runs the whole suite, notebooks included, with every tensor that is made
moved on by three entries.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

MAKERS = {
    torch.arange, torch.empty, torch.empty_like, torch.eye, torch.full, torch.full_like, torch.linspace,
    torch.ones, torch.ones_like, torch.rand, torch.rand_like, torch.randint, torch.randn, torch.randn_like,
    torch.randperm, torch.tensor, torch.zeros, torch.zeros_like,
}  # fmt: skip


def shifted(x: Tensor, by: int) -> Tensor:
    """The same numbers, `by` entries further into a block of memory; gradients end here, as at any leaf."""
    with torch.no_grad():
        room = x.new_empty(x.numel() + by)
        return room[by:].view(x.shape).copy_(x).requires_grad_(x.requires_grad)


class Shifted(TorchFunctionMode):
    """Within it, every tensor that torch makes stands `by` entries further on."""

    def __init__(self, by: int):
        super().__init__()
        self.by = by

    def __torch_function__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        if func in MAKERS and made.layout == torch.strided and made.device.type == "cpu":
            return shifted(made, self.by)
        return made


def shift_everything() -> None:
    """From now on, in this process and in kernels that it starts: by $SHIFT_MEMORY entries."""
    Shifted(int(os.environ["SHIFT_MEMORY"])).__enter__()
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
