"""Taking a learner's module apart: is it there, are its projections, and are they all that it learns?"""

import copy
import math

import torch
from torch import nn

from attention_core._calling import a
from attention_core.practice.exercise import Stop, random, stopped
from attention_core.practice.source import line_to_look_at, untouched


def built(answer, names: tuple[str, ...], *sizes: int, bias: bool = True) -> nn.Module:
    """The learner's module with fresh parameters, made of `sizes` if a class was given, else a copy.

    Args: names: of its projections, each an `nn.Linear(dim, dim)`. sizes: dim first. bias: whether a
    projection may have one.
    Raises: Stop, when it is unfinished, raises, lacks a projection, or learns anything else.
    """
    module = begun(answer, sizes)
    for name in names:
        _check_projection(
            answer, name, getattr(module, name, None), sizes[0] if isinstance(answer, type) else None, bias
        )
    layers = [getattr(module, name) for name in names]
    for i, layer in enumerate(layers):
        twin = next((j for j in range(i) if layers[j].weight is layer.weight), None)
        if twin is not None:
            say = f"{names[i]} is the same layer as {names[twin]}; each needs parameters of its own"
            raise Stop("wrong", say, bug="shared-projection", where=_line(answer, names[i]))
    _check_nothing_else(module, layers)
    with torch.no_grad():
        for i, parameter in enumerate(module.parameters()):
            # torch's own start is so small that all weights are nearly alike, and mistakes with them
            parameter.copy_(random(*parameter.shape, seed=900 + i) * 0.7 / math.sqrt(layers[0].in_features))
    return module.eval()


def begun(answer, sizes: tuple[int, ...]) -> nn.Module:
    """The learner's module, made of `sizes` if a class was given, else a copy. Raises: Stop if unfinished."""
    kind = answer if isinstance(answer, type) else type(answer)
    if not issubclass(kind, nn.Module):
        raise Stop(
            "wrong", f"give the class, which inherits from nn.Module; this is {a(answer)}", bug="not-a-module"
        )
    if kind.forward is nn.Module.forward or untouched(kind.forward):
        raise Stop("not started", "not started yet: forward is still to be written.")
    return _made(answer, sizes) if isinstance(answer, type) else copy.deepcopy(answer)


def _made(answer: type, sizes: tuple[int, ...]) -> nn.Module:
    try:
        with torch.random.fork_rng(devices=[]):
            return answer(*sizes)
    except Exception as error:
        names = ("dim", "num_heads")[: len(sizes)]
        given = " and ".join(f"{name} = {size}" for name, size in zip(names, sizes, strict=True))
        fields = stopped(error, f"It was made with {given}.")
        raise Stop(fields.pop("status"), fields.pop("headline"), **fields) from error


def _check_projection(answer, name: str, layer, dim: int | None, bias: bool) -> None:
    where = _line(answer, name)
    if layer is ...:
        raise Stop("not started", f"not finished yet: {name} is still to be made", where=where)
    if not isinstance(layer, nn.Linear):
        has = "is missing" if layer is None else f"is {a(layer)}"
        raise Stop(
            "wrong",
            f"{name} {has}; make it in __init__, as an nn.Linear",
            bug="no-projection-layer",
            where=where,
        )
    dim = layer.in_features if dim is None else dim
    if (layer.in_features, layer.out_features) != (dim, dim):
        made = f"{layer.in_features} features into {layer.out_features}"
        say = f"{name} turns {made}; it should turn {dim} into {dim}"
        raise Stop("wrong", say, bug="projection-shape", where=where)
    if layer.bias is not None and not bias:
        say = f"{name} adds a bias; here a projection is a matrix only: bias=False"
        raise Stop("wrong", say, bug="wrong-parameters", where=where)


def _check_nothing_else(module: nn.Module, layers: list[nn.Linear]) -> None:
    ours = {id(p) for layer in layers for p in layer.parameters()}
    more = [name for name, p in module.named_parameters() if id(p) not in ours]
    if more:
        dim = layers[0].in_features
        say = f"it learns more than attention does: {', '.join(more[:3])}"
        raise Stop(
            "wrong",
            say,
            bug="wrong-parameters",
            details=(f"Its {len(layers)} projections of {dim} × {dim} are all there is to learn.",),
        )


def _line(answer, name: str) -> tuple[int, str] | None:
    return line_to_look_at(answer, rf"self\.{name}\s*=")
