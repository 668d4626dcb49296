"""The maps of a whole model, in whatever form people have them: taken as they are, and seen all at once."""

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_max_pool2d

from attention_core._calling import Failed, call
from attention_core._saying import SENTENCES, a
from attention_core.live import brought, still
from attention_core.live.remarks import Unusable, instead

MOST_HEADS = 1024  # of all layers: of more none could be chosen
_WRITE = {5: ": pick one sequence, {name}[:, 0]", 3: ": of one layer, write [{name}]"}  # by dimensions
_BOTH = "again: return (maps, norms), as norms were given"
_SCORES = {**SENTENCES, "no number": "it gives {got}, no number; for nothing to show give None"}
TILE, SIDE = 48, 396  # pixels: the largest side of a small map, and of all of them


class Layers:
    """Attention weights of all layers and heads: `(n_q, n_k)` each, made numbers when they are asked for.

    Args:
        maps: `(layers, heads, n_q, n_k)`, or a list or tuple of layers `(heads, n_q, n_k)` or `(1, heads,
            n_q, n_k)`: tensors of any floating dtype and device, arrays, nested lists; the output of a model
            of transformers, or its `attentions`; a cache of TransformerLens, or another dict of layers.
            They are kept, not copied.
        name: what they are called in what is refused.

    To be read: `shape`, `(layers, heads, n_q, n_k)`.

    Raises: ValueError for what cannot be shown, with what to write instead.
    """

    def __init__(self, maps: Any, name: str = "maps"):
        self._name = name
        self._layers = _layers(name, maps)
        if not self._layers:
            raise ValueError(f"{name} hold no layer")
        shapes = [tuple(layer.shape) for layer in self._layers]
        for i, shape in enumerate(shapes):
            if shape != shapes[0]:
                raise ValueError(
                    f"{name} are of different shapes, {shapes[0]} in layer 0 and {shape} in layer {i}: "
                    f"show those that are alike, {name}[:{i}]"
                )
        self.shape = (len(shapes), *shapes[0])
        if 0 in self.shape:
            raise ValueError(f"{name} hold nothing: (layers, heads, n_q, n_k) is {self.shape}")
        if self.shape[0] * self.shape[1] > MOST_HEADS:
            most = MOST_HEADS // self.shape[1]
            raise ValueError(
                f"{name} are {self.shape[0]} × {self.shape[1]} heads, and the most is {MOST_HEADS}: "
                + (f"show some of the layers, {name}[:{most}]" if most else "show some of the heads")
            )
        self.of(0, 0)  # numbers

    def of(self, layer: int, head: int) -> Tensor:
        """The map of one head, `(n_q, n_k)`, float32, a copy."""
        return torch.from_numpy(brought.numbers(f"{self._name}[{layer}][{head}]", self._layers[layer][head]))

    def tiles(self) -> np.ndarray:
        """All of them in one picture, `(3, height, width)` from 0 to 1, a row a layer and a column a head.

        Each is coloured by its own largest weight; where there are more weights than pixels, a pixel is the
        largest of those it stands for.
        """
        layers, heads, *_ = self.shape
        side = max(1, min(TILE, SIDE // max(layers, heads)))
        rows = []
        for layer in range(layers):
            of_layer = torch.stack([self.of(layer, head) for head in range(heads)]).nan_to_num(0, 0, 0)
            small = adaptive_max_pool2d(of_layer[None], (side, side))[0]  # (heads, side, side)
            small = small / small.amax((1, 2), keepdim=True).clamp(min=torch.finfo(torch.float32).tiny)
            rows.append(small.clamp(0, 1).transpose(0, 1).reshape(side, heads * side))
        shades = (torch.cat(rows) * 255).round().long().numpy()
        colours = np.frombuffer(still.palette(), np.uint8).reshape(256, 4)[:, :3]
        return (colours[shades].transpose(2, 0, 1) / 255).astype(np.float32)


class Taken(NamedTuple):
    """What was given, checked."""

    weights: Layers
    norms: Layers | None
    queries: tuple[str, ...]
    keys: tuple[str, ...]


def taken(maps, tokens, keys, norms) -> Taken:
    weights = Layers(maps)
    *_, n_q, n_k = weights.shape
    queries = brought.texts("tokens", range(n_q) if tokens is None else tokens, n_q, "rows")
    if keys is None and n_q != n_k and tokens is not None:
        raise ValueError(f"weights have {n_q} rows and {n_k} columns: the columns' labels are keys=…")
    shared = keys is None and n_q == n_k
    columns = queries if shared else brought.texts(
        "keys", range(n_k) if keys is None else keys, n_k, "columns"
    )  # fmt: skip
    if norms is not None:
        norms = Layers(norms, "norms")
        if norms.shape != weights.shape:
            raise ValueError(f"norms are {norms.shape}, but maps are {weights.shape}")
    return Taken(weights, norms, queries, columns)


def asked(have: Taken, again, struck: int) -> Taken:
    """The same of the model without a token. Raises: Unusable."""
    try:
        with torch.no_grad():
            answer = call(again, without(struck, len(have.keys)), quiet=False).answer
        maps, norms = _both(answer, have) if have.norms else (answer, None)
        anew = taken(maps, have.queries, have.keys, norms)
    except (Failed, ValueError, TypeError) as problem:
        raise Unusable("again: {why}", why=instead(problem)) from problem
    if (got := anew.weights.shape) != (wanted := have.weights.shape):
        raise Unusable("again: its maps are {got}, and those given {wanted}", got=got, wanted=wanted)
    return anew


def _both(answer, have: Taken) -> tuple:
    """Maps and norms. Raises: Unusable, for maps alone, also where they are two layers."""
    two = isinstance(answer, tuple | list) and len(answer) == 2
    try:
        alone = not two or Layers(answer).shape == have.weights.shape
    except (ValueError, TypeError):  # as two things, each of several layers, are no layers
        alone = False
    if alone:
        raise Unusable(_BOTH)
    return tuple(answer)


def scored(have: Taken, score) -> Tensor:
    """Of every head, `(layers, heads)`; NaN where it has nothing to show, None. Raises: Unusable."""
    layers, heads, *_ = have.weights.shape
    scores = torch.zeros(layers, heads)

    def every() -> None:
        for i in range(layers):
            for j in range(heads):
                scores[i, j] = _number(score(have.weights.of(i, j), [*have.queries]))

    try:
        call(every, quiet=False)
    except Failed as problem:
        raise Unusable("score: {why}", why=instead(problem, _SCORES)) from problem
    return scores


def _number(made) -> float:
    try:
        return math.nan if made is None else float(made)
    except (TypeError, ValueError, RuntimeError):
        raise Failed("no number", got=made) from None


def order(scores: Tensor | None) -> list[int]:
    """Numbers of heads, the best first; those whose score is no number are left out."""
    if scores is None:
        return []
    flat = scores.flatten()
    return [i for i in flat.argsort(descending=True, stable=True).tolist() if flat[i] == flat[i]]


def shared_out(x: Tensor, totals: Tensor) -> Tensor:
    """Rows that sum to these totals again; a row of nothing stays."""
    return x / x.sum(-1, keepdim=True).clamp(min=torch.finfo(x.dtype).tiny) * totals


def without(struck: int, n: int) -> Tensor:
    """`(n,)`, boolean: all may be seen but that one."""
    allowed = torch.ones(n, dtype=torch.bool)
    allowed[struck] = False
    return allowed


def _layers(name: str, maps: Any) -> list:
    """A list of what is `(heads, n_q, n_k)`, each still as it was brought."""
    maps = _inside(name, maps)
    if not isinstance(maps, brought.LISTS):
        maps = _array(name, maps)
        if maps.ndim == 5 and 1 in maps.shape[:2]:
            maps = maps[0] if maps.shape[0] == 1 else maps[:, 0]
        if maps.ndim != 4:
            raise ValueError(
                f"{name} must be (layers, heads, n_q, n_k), got {tuple(maps.shape)}"
                + _WRITE.get(maps.ndim, "").format(name=name)
            )
        return [*maps]
    if any(layer is None for layer in maps):
        brought.refuse_none(name, maps)
    if maps and isinstance(maps[0], brought.LISTS) and len(maps[0]) and brought.dimensions(maps[0][0]) == 4:
        raise ValueError(
            f"{name} are {len(maps)} × {len(maps[0])} layers, as of a model that writes word by word: "
            f"show one step, {name}[0]"
        )
    return [_layer(f"{name}[{i}]", layer) for i, layer in enumerate(maps)]


def _layer(name: str, layer: Any) -> Any:
    layer = _array(name, layer)
    if layer.ndim == 4 and layer.shape[0] == 1:
        layer = layer[0]
    if layer.ndim == 4:
        raise ValueError(
            f"{name} has shape {tuple(layer.shape)}, {layer.shape[0]} sequences: "
            f"show one, [layer[0] for layer in {name.partition('[')[0]}]"
        )
    if layer.ndim != 3:
        raise ValueError(f"{name} must be (heads, n_q, n_k), got {tuple(layer.shape)}")
    return layer


def _array(name: str, x: Any) -> Any:
    """What can be cut without a copy: a tensor as it is, all else as an array."""
    if isinstance(x, torch.Tensor):
        return x.detach()
    return brought.array_of(name, x)


def _inside(name: str, maps: Any) -> Any:
    """The maps of what holds them: of a model's output, or of a dict."""
    kinds = [
        kind
        for kind in ("attentions", "encoder_attentions", "decoder_attentions", "cross_attentions")
        if getattr(maps, kind, None) is not None
    ]
    if "attentions" in kinds:
        return maps.attentions
    if kinds:
        raise ValueError(f"{name} are {a(maps)} with several kinds of maps: show one, {name}.{kinds[0]}")
    if hasattr(maps, "attentions") or hasattr(maps, "encoder_attentions"):
        raise ValueError(f"{name} are {a(maps)} without maps: {brought.EAGER}")
    if isinstance(maps, Mapping) or (hasattr(maps, "items") and hasattr(maps, "keys")):
        return _of_dict(name, maps)
    return maps


def _of_dict(name: str, maps: Any) -> list:
    """Layers of a dict, by the numbers in their names: where some are called patterns, those."""
    square = [key for key in maps if brought.dimensions(maps[key]) in (3, 4)]
    for word in ("pattern", "attention", "weight", "attn", ""):
        keys = [key for key in square if word in str(key) and "score" not in str(key)]
        if keys:
            break
    else:
        held = ", ".join([repr(key) for key in maps][:6])
        raise ValueError(f"{name} are {a(maps)} in which no layer is (heads, n_q, n_k): it holds {held}")
    return [maps[key] for key in sorted(keys, key=_numbers)]


def _numbers(key: Any) -> tuple:
    return tuple(int(part) if part.isdigit() else part for part in re.split(r"(\d+)", str(key)))
