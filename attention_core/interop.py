"""To and from `torch.nn.MultiheadAttention`: its parameters, and its masks, in which True means *forbidden*.

With `theirs = layer_to_torch(layer)`, what `layer(x, allowed=allowed)` answers is what `theirs(x, x, x,
attn_mask=to_attn_mask(allowed, layer.num_heads), average_attn_weights=False)` answers.
"""

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from attention_core._checks import check_whole, shape

if TYPE_CHECKING:  # attention.py imports this module, not the other way round
    from attention_core.attention import MultiHeadAttention


def layer_from_torch(kind: "type[MultiHeadAttention]", module: nn.MultiheadAttention) -> "MultiHeadAttention":
    """A layer with a copy of the parameters of `torch.nn.MultiheadAttention`, without its dropout.

    It is `MultiHeadAttention.from_torch(module)`. What is frozen stays frozen. A module with
    `batch_first=False`, torch's default, is warned of: its input is `(n, batch, dim)`, ours never is.

    Args: kind: the class of the layer, `MultiHeadAttention` or one that inherits from it.
    Raises: ValueError for what our layer does not have: kdim, vdim, add_bias_kv, add_zero_attn; or for
    another kind of module.
    """
    if not isinstance(module, nn.MultiheadAttention):
        raise ValueError(f"from_torch takes a torch.nn.MultiheadAttention, got {type(module).__name__}")
    if module.in_proj_weight is None or module.bias_k is not None or module.add_zero_attn:
        raise ValueError("kdim, vdim, add_bias_kv and add_zero_attn have no counterpart here")
    if not module.batch_first:
        warnings.warn(
            "this module takes (n, batch, dim), as batch_first is False; the layer made of it takes "
            "(batch, n, dim): give it x.transpose(0, 1)",
            stacklevel=2,
        )
    bias = module.in_proj_bias is not None
    layer = kind(module.embed_dim, module.num_heads, bias=bias).to(module.in_proj_weight)
    for ours, theirs in _twins(layer, module):
        ours.requires_grad_(theirs.requires_grad)
        with torch.no_grad():
            ours.copy_(theirs)
    return layer


def layer_to_torch(layer: "MultiHeadAttention") -> nn.MultiheadAttention:
    """`torch.nn.MultiheadAttention`, batch first, with a copy of the layer's parameters.

    It is `layer.to_torch()`. Torch keeps the three input projections in one matrix, which is frozen here
    if all three are.

    Raises: ValueError if the layer has `positions`, or fewer heads of keys than of queries, which torch's has
    not, or something else in the place of a projection.
    """
    if layer.positions is not None:
        raise ValueError("torch.nn.MultiheadAttention has no positions")
    if layer.num_key_value_heads != layer.num_heads:
        raise ValueError(
            "torch.nn.MultiheadAttention has no heads that share keys: this layer has "
            f"num_key_value_heads={layer.num_key_value_heads} for num_heads={layer.num_heads}"
        )
    projections = (layer.to_query, layer.to_key, layer.to_value, layer.to_output)
    if not all(isinstance(projection, nn.Linear) for projection in projections):
        raise ValueError("torch.nn.MultiheadAttention needs four nn.Linear projections")
    bias = layer.to_query.bias is not None
    module = nn.MultiheadAttention(layer.dim, layer.num_heads, bias=bias, batch_first=True)
    module.to(layer.to_query.weight)
    learned = set()  # torch's parameters of which ours, or a part of ours, learn
    for ours, theirs in _twins(layer, module):
        if ours.requires_grad:
            learned.add(theirs.untyped_storage().data_ptr())
        with torch.no_grad():
            theirs.copy_(ours)
    for parameter in module.parameters():
        parameter.requires_grad_(parameter.untyped_storage().data_ptr() in learned)
    return module


def to_attn_mask(allowed: Tensor, num_heads: int = 1) -> Tensor:
    """`allowed` as `torch.nn.MultiheadAttention` wants its `attn_mask`: True means *forbidden*.

    Args: allowed: `(n_q, n_k)`, or `(batch, n_q, n_k)`, or per head `(batch, num_heads, n_q, n_k)`.
    Returns: boolean `(n_q, n_k)` or `(batch · num_heads, n_q, n_k)`.
    Raises: ValueError for another dtype or number of dimensions.
    """
    _check_boolean("allowed", allowed)
    num_heads = check_whole("num_heads", num_heads)
    if allowed.ndim == 2:
        return ~allowed
    if allowed.ndim == 3:
        return ~allowed.repeat_interleave(num_heads, dim=0)
    if allowed.ndim == 4 and allowed.shape[1] == num_heads:
        return ~allowed.flatten(0, 1)
    raise ValueError(
        "allowed must be (n_q, n_k), (batch, n_q, n_k) or (batch, num_heads, n_q, n_k) "
        f"with num_heads={num_heads}, got {shape(allowed)}"
    )


def from_attn_mask(attn_mask: Tensor, num_heads: int = 1) -> Tensor:
    """A boolean `attn_mask` of `torch.nn.MultiheadAttention` as `allowed`: the way back.

    Args: attn_mask: boolean, True means forbidden, `(n_q, n_k)` or `(batch · num_heads, n_q, n_k)`.
    Returns: `(n_q, n_k)`, or `(batch, num_heads, n_q, n_k)`.
    Raises: ValueError for another dtype or shape.
    """
    _check_boolean("attn_mask", attn_mask)
    num_heads = check_whole("num_heads", num_heads)
    if attn_mask.ndim == 2:
        return ~attn_mask
    if attn_mask.ndim == 3 and attn_mask.shape[0] % num_heads == 0:
        return ~attn_mask.unflatten(0, (-1, num_heads))
    raise ValueError(
        f"attn_mask must be (n_q, n_k) or (batch · {num_heads}, n_q, n_k), got {shape(attn_mask)}"
    )


def to_key_padding_mask(allowed: Tensor) -> Tensor:
    """A `padding_mask` as `torch.nn.MultiheadAttention`'s `key_padding_mask`: True means *ignore*.

    Args: allowed: boolean `(batch, 1, n_k)`. Returns: boolean `(batch, n_k)`.
    Raises: ValueError for another dtype, or if queries differ in what they may look at.
    """
    _check_boolean("allowed", allowed)
    if allowed.ndim != 3 or allowed.shape[1] != 1:
        raise ValueError(f"allowed must be (batch, 1, n_k), the same for every query, got {shape(allowed)}")
    return ~allowed[:, 0]


def from_key_padding_mask(key_padding_mask: Tensor) -> Tensor:
    """`torch.nn.MultiheadAttention`'s boolean `key_padding_mask` as `allowed`: the way back.

    Args: key_padding_mask: boolean `(batch, n_k)`, True means ignore. Returns: `(batch, 1, n_k)`.
    Raises: ValueError for another dtype or number of dimensions.
    """
    _check_boolean("key_padding_mask", key_padding_mask)
    if key_padding_mask.ndim != 2:
        raise ValueError(f"key_padding_mask must be (batch, n_k), got {shape(key_padding_mask)}")
    return ~key_padding_mask[:, None]


def _twins(layer: "MultiHeadAttention", module: nn.MultiheadAttention) -> Iterator[tuple[Tensor, Tensor]]:
    """Our parameters beside torch's, which keeps the three input projections in one matrix."""
    packed = (layer.to_query, layer.to_key, layer.to_value)
    yield from zip((p.weight for p in packed), module.in_proj_weight.chunk(3), strict=True)
    yield layer.to_output.weight, module.out_proj.weight
    if module.in_proj_bias is not None:
        yield from zip((p.bias for p in packed), module.in_proj_bias.chunk(3), strict=True)
        yield layer.to_output.bias, module.out_proj.bias


def _check_boolean(name: str, mask: Tensor) -> None:
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
        got = mask.dtype if isinstance(mask, Tensor) else type(mask).__name__
        raise ValueError(f"{name} must be a boolean tensor, got {got}")
