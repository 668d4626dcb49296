"""Weights of several layers as one map: attention rollout."""

from collections.abc import Sequence

import torch
from torch import Tensor

from attention_core._checks import shape
from attention_core.attention import HALF

_NOT_ONE = 1e-2  # how far a row of weights may be from a sum of 1: half precision, and nothing else


def rollout(weights: Sequence[Tensor] | Tensor) -> Tensor:
    """How much of each word of the input is in each word of the last layer, if weights were all that mixes.

    In a layer each word keeps itself, half, and takes the other half by its weights: (A + I) / 2, where A
    is the average of the heads. Layers follow one another, so their matrices are multiplied, later ones
    on the left. A word that may look nowhere keeps itself whole.

    Args: weights: the layers, first one first, each `(heads, n, n)` or `(1, heads, n, n)`: of one picture
    or sentence; a list, or one tensor.

    Returns: `(n, n)`; each row sums to 1.

    Raises: ValueError for no layer, layers that do not fit together, more than one picture, and for what
    are no weights: rows that do not sum to 1, or to 0 where a word may look nowhere.

    Source: Abnar and Zuidema 2020, "Quantifying Attention Flow in Transformers", section 3.
    """
    layers = [checked_layer(i, layer) for i, layer in enumerate(weights)]
    if not layers:
        raise ValueError("there are no layers: weights is empty")
    sizes = [layer.shape[-1] for layer in layers]
    if len(set(sizes)) > 1:
        raise ValueError(f"all layers must have equally many words, but they have {sizes}")
    kept = layers[0].dtype
    exact = torch.float32 if kept in HALF else kept
    identity = torch.eye(layers[0].shape[-1], dtype=exact, device=layers[0].device)
    through = identity
    for layer in layers:
        mixed = (layer.to(exact).mean(dim=0) + identity) / 2  # (n, n)
        mixed = mixed / mixed.sum(dim=-1, keepdim=True)
        through = mixed @ through  # what this layer takes from the words that the layers before have made
    return through.to(kept)


def checked_layer(i: int, layer: Tensor) -> Tensor:
    """A layer's weights as `(heads, n, n)`.

    Raises: ValueError for another shape, more than one picture, and for what are no weights.
    """
    if not isinstance(layer, Tensor) or not layer.is_floating_point():
        got = layer.dtype if isinstance(layer, Tensor) else type(layer).__name__
        raise ValueError(f"layer {i} must be a floating point tensor, got {got}")
    if layer.ndim == 4 and len(layer) != 1:
        raise ValueError(
            f"layer {i} has shape {shape(layer)}: rollout is of one picture, weights[layer][0] is the first"
        )
    one = layer[0] if layer.ndim == 4 else layer
    if one.ndim != 3 or one.shape[-1] != one.shape[-2] or 0 in one.shape:
        raise ValueError(f"layer {i} must have shape (heads, n, n), got {shape(layer)}")
    sums = one.detach().float().sum(dim=-1)  # (heads, n)
    fits = ((sums - 1).abs() <= _NOT_ONE) | (sums == 0)
    if not fits.all() or (one < 0).any():
        off = sums[~fits][0] if not fits.all() else one.min()
        said = "a row that sums to" if not fits.all() else "a weight of"
        raise ValueError(
            f"layer {i} has {said} {off:.3g}: these are no weights, none of which is below "
            "0, and whose rows sum to 1"
        )
    return one
