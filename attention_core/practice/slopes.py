"""Whether something can be learnt through an answer whose numbers are right: its gradients, beside ours."""

import functools
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from attention_core._calling import Failed, call
from attention_core.agreement import LONGEST, agree


@dataclass(frozen=True)
class Slope:
    """The gradient of an input or a parameter, by its name, through the answer and as it should be."""

    name: str
    got: Tensor
    wanted: Tensor

    @property
    def right(self) -> bool:
        largest = float(self.wanted.abs().max()) if self.wanted.numel() else 0.0
        return not largest or agree(self.got, self.wanted, *LONGEST, size=4 * max(1.0, largest))

    @property
    def nothing(self) -> bool:
        return not self.got.any()

    @property
    def off(self) -> float:
        return float((self.got.double() - self.wanted.double()).abs().max())


def slopes(function: Callable, first: tuple, reference: Callable, inputs: tuple) -> Iterator[Slope]:
    """Those of the float inputs, and of the parameters where `first` begins with a module.

    Raises: Failed if the call fails, or torch cannot go back through it: it writes over what it would need.
    """
    module = first[0] if first and isinstance(first[0], nn.Module) else nn.Module()
    names = list(inspect.signature(reference).parameters)[len(first) :]
    given = [x.clone().requires_grad_() if is_float(x) else x for x in inputs]
    leaves = {name: x for name, x in zip(names, given, strict=False) if is_float(x)}
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad:  # frozen
            yield Slope(name, torch.zeros_like(parameter), torch.ones_like(parameter))
            return
        leaves[name] = parameter
    ours = functools.partial(reference, *first)
    with torch.enable_grad():
        both = [_gradients(f, given, list(leaves.values())) for f in (function, ours)]
    yield from map(Slope, leaves, *both)


def is_float(x) -> bool:
    return isinstance(x, Tensor) and x.is_floating_point()


def _gradients(function: Callable, given: list, leaves: list[Tensor]) -> list[Tensor]:
    """Of a sum in which every number of the answer counts, each another time; 0 where none flows back."""
    answer = call(function, *given).answer
    answer = answer if isinstance(answer, tuple | list) else (answer,)
    total = sum((x.double() * torch.arange(1, 1 + x.numel()).view(x.shape).cos()).sum() for x in answer)
    if not total.requires_grad:
        return [torch.zeros_like(x) for x in leaves]
    try:
        found = torch.autograd.grad(total, leaves, allow_unused=True)
    except RuntimeError as error:
        raise Failed("no way back", error=error) from error
    return [torch.zeros_like(x) if slope is None else slope for x, slope in zip(leaves, found, strict=True)]
