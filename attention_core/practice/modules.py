"""Taking a learner's module apart: is it there, are its projections, and are they all that it learns?"""

import copy
import math

import torch
from torch import nn

from attention_core._calling import Failed, call
from attention_core._saying import a
from attention_core.practice.exercise import Stop, random, unmade
from attention_core.practice.source import line_to_look_at, untouched

_MADE_WITH = {1: "It was made with dim = {}.", 2: "It was made with dim = {} and num_heads = {}."}
_MISSING = "{layer} is missing; make it in __init__, as an nn.Linear"
_NO_LINEAR = "{layer} is {thing}; make it in __init__, as an nn.Linear"
_SHAPE = "{layer} turns {n_in} features into {n_out}; it should turn {dim} into {dim}"
_ALL_THERE_IS = "Its {n} projections of {dim} × {dim} are all there is to learn."


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
            say = "{layer} is the same layer as {other}; each needs parameters of its own"
            names_of = {"layer": names[i], "other": names[twin]}
            raise Stop("wrong", say, bug="shared-projection", where=_line(answer, names[i]), **names_of)
    _check_nothing_else(module, layers)
    _check_they_learn(answer, module, names)
    with torch.no_grad():
        for i, parameter in enumerate(module.parameters()):
            # torch's own start is so small that all weights are nearly alike, and mistakes with them
            parameter.copy_(random(*parameter.shape, seed=900 + i) * 0.7 / math.sqrt(layers[0].in_features))
    return module.float().eval()


def begun(answer, sizes: tuple[int, ...]) -> nn.Module:
    """The learner's module, made of `sizes` if a class was given, else a copy. Raises: Stop if unfinished."""
    kind = answer if isinstance(answer, type) else type(answer)
    if not issubclass(kind, nn.Module):
        say = "give the class, which inherits from nn.Module; this is {thing}"
        raise Stop("wrong", say, bug="not-a-module", thing=a(answer))
    if kind.forward is nn.Module.forward or untouched(kind.forward):
        raise Stop("not started", "not started yet: forward is still to be written.")
    return _made(answer, sizes) if isinstance(answer, type) else _copied(answer)


def _copied(module: nn.Module) -> nn.Module:
    """A copy, also of one that keeps what it has computed: torch copies no tensor with a history."""
    kept: dict[int, torch.Tensor] = {}
    for part in module.modules():
        _note_computed(vars(part), kept)
    return copy.deepcopy(module, kept)


def _note_computed(thing, kept: dict[int, torch.Tensor]) -> None:
    """The tensors with a history in a thing, and in lists and dictionaries that it holds, without theirs."""
    if isinstance(thing, torch.Tensor) and not thing.is_leaf:
        kept[id(thing)] = thing.detach().clone()
    elif isinstance(thing, list | tuple | dict):
        for one in thing.values() if isinstance(thing, dict) else thing:
            _note_computed(one, kept)


def _made(answer: type, sizes: tuple[int, ...]) -> nn.Module:
    try:
        with torch.random.fork_rng(devices=[]):
            return call(answer, *sizes).answer
    except Failed as failed:
        raise unmade(failed, _MADE_WITH[len(sizes)].format(*sizes)) from failed


def _check_projection(answer, name: str, layer, dim: int | None, bias: bool) -> None:
    where = _line(answer, name)
    if layer is ...:
        raise Stop("not started", "not finished yet: {layer} is still to be made", where=where, layer=name)
    if not isinstance(layer, nn.Linear):
        say = _MISSING if layer is None else _NO_LINEAR
        raise Stop("wrong", say, bug="no-projection-layer", where=where, layer=name, thing=a(layer))
    dim = layer.in_features if dim is None else dim
    if (layer.in_features, layer.out_features) != (dim, dim):
        sizes = {"n_in": layer.in_features, "n_out": layer.out_features, "dim": dim}
        raise Stop("wrong", _SHAPE, bug="projection-shape", where=where, layer=name, **sizes)
    if layer.bias is not None and not bias:
        say = "{layer} adds a bias; here a projection is a matrix only: bias=False"
        raise Stop("wrong", say, bug="wrong-parameters", where=where, layer=name)


def _check_nothing_else(module: nn.Module, layers: list[nn.Linear]) -> None:
    ours = {id(p) for layer in layers for p in layer.parameters()}
    more = [name for name, p in module.named_parameters() if id(p) not in ours]
    if more:
        say, names = "it learns more than attention does: {names}", ", ".join(more[:3])
        all_there_is = _ALL_THERE_IS.format(n=len(layers), dim=layers[0].in_features)
        raise Stop("wrong", say, bug="wrong-parameters", details=(all_there_is,), names=names)


def _check_they_learn(answer, module: nn.Module, names: tuple[str, ...]) -> None:
    """What the optimiser is not given, or what starts so that its gradient stays 0, never learns."""
    known = {id(p) for p in module.parameters()}
    for name in names:
        weight = getattr(module, name).weight
        if id(weight) not in known:
            say = "{layer} is not known to nn.Module, so it is not trained: assign it to self.{layer}"
            raise Stop("wrong", say, bug="not-registered", where=_line(answer, name), layer=name)
    if isinstance(answer, type) and not any(getattr(module, name).weight.any() for name in names):
        say = "all projections start at 0: queries and keys then have a gradient of 0, and stay there"
        raise Stop("wrong", say, bug="starts-at-zero", where=line_to_look_at(answer, r"zeros?_?\(|fill"))


def _line(answer, name: str) -> tuple[int, str] | None:
    return line_to_look_at(answer, rf"self\.{name}\s*=")
