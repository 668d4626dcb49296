"""Attention itself: one function, and the modules with learned projections around it."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from attention_core._checks import check_allowed, check_bias, check_qkv, shape


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    allowed: Tensor | None = None,
    *,
    scale: float | None = None,
    bias: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Average the values, weighted by how well each key answers each query.

    output = softmax(query keyᵀ · scale + bias) value

    Args:
        query: `(..., n_q, d_k)`, floating point.
        key: `(..., n_k, d_k)`, of the query's dtype.
        value: `(..., n_k, d_v)`, of the query's dtype.
        allowed: boolean, broadcastable to `(..., n_q, n_k)`; True means "may look". A query that
            may look nowhere gets weights 0 and output 0.
        scale: what the dot products are multiplied by; 1/√d_k unless given.
        bias: added to the scaled dot products; broadcastable to `(..., n_q, n_k)`.

    Returns:
        `(output, weights)` of shapes `(..., n_q, d_v)` and `(..., n_q, n_k)`. Leading dimensions
        broadcast. Each row of weights sums to 1, or to 0 where the query may look nowhere.

    Raises:
        ValueError: if shapes or dtypes do not fit; the message holds the numbers.

    Source: Vaswani et al. 2017, "Attention Is All You Need", section 3.2.1, equation 1.
    """
    check_qkv(query, key, value)
    n_q, n_k, d_k = query.shape[-2], key.shape[-2], query.shape[-1]
    if scale is None:
        scale = 1 / math.sqrt(d_k)
    elif not math.isfinite(scale):
        raise ValueError(f"scale must be a finite number, got {scale}")

    scores = (query * scale) @ key.transpose(-2, -1)  # (..., n_q, n_k); scaling q is n·d, not n²
    if bias is not None:
        check_bias(bias, scores)
        scores = scores + bias
    if allowed is not None:
        check_allowed(allowed, n_q, n_k, scores.shape[:-2])
        scores = scores.masked_fill(~allowed, -math.inf)  # e^−∞ = 0: no share of the row's sum
    if bias is None and allowed is None:
        weights = scores.softmax(dim=-1)
    else:
        nowhere = (scores == -math.inf).all(dim=-1, keepdim=True)  # (..., n_q, 1)
        # 0/0 is kept out of the softmax, so that its gradient is 0 there too, not NaN
        weights = scores.masked_fill(nowhere, 0).softmax(dim=-1).masked_fill(nowhere, 0)
    return weights @ value, weights  # (..., n_q, d_v), (..., n_q, n_k)


class SelfAttention(nn.Module):
    """One head: three learned projections of the words, then scaled dot-product attention.

    With one argument every position looks at its own sequence. With `key` (and `value`) it looks
    at another one: cross-attention, where n_q and n_k may differ.

    Source: Vaswani et al. 2017, section 3.2.1; the projections are section 3.2.2's with one head.
    """

    def __init__(self, dim: int):
        """Args: dim: features of a word, of its query, its key and its value (d_k = d_v = dim)."""
        super().__init__()
        if not isinstance(dim, int) or isinstance(dim, bool) or dim < 1:
            raise ValueError(f"dim must be a whole number, 1 or more, got {dim!r}")
        self.dim = dim
        self.to_query = nn.Linear(dim, dim, bias=False)
        self.to_key = nn.Linear(dim, dim, bias=False)
        self.to_value = nn.Linear(dim, dim, bias=False)

    def forward(
        self,
        query: Tensor,
        key: Tensor | None = None,
        value: Tensor | None = None,
        allowed: Tensor | None = None,
        *,
        need_weights: bool = True,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend from `query` to `key` and `value`, which default to `query` and to `key`.

        Args:
            query: `(..., n_q, dim)`.
            key, value: `(..., n_k, dim)`.
            allowed: boolean, broadcastable to `(..., n_q, n_k)`; True means "may look".
            need_weights: False takes torch's fused path and returns None for the weights.

        Returns:
            `(output, weights)`: `(..., n_q, dim)` and `(..., n_q, n_k)`.

        Raises:
            ValueError: if a last dimension is not `dim`, or shapes or dtypes do not fit.
        """
        key = query if key is None else key
        value = key if value is None else value
        _check_inputs(self, query, key, value)
        q, k, v = self.to_query(query), self.to_key(key), self.to_value(value)
        if need_weights:
            return scaled_dot_product_attention(q, k, v, allowed)
        if allowed is not None:
            batch = torch.broadcast_shapes(q.shape[:-2], k.shape[:-2])
            check_allowed(allowed, q.shape[-2], k.shape[-2], batch)
        return F.scaled_dot_product_attention(q, k, v, attn_mask=allowed), None


def split_heads(x: Tensor, num_heads: int) -> Tensor:
    """Cut the features of each word into slices, one a head: `(..., n, dim)` → `(..., heads, n, d_k)`.

    Head h gets features h·d_k up to (h+1)·d_k, where d_k = dim / num_heads. A `view` straight into the
    last shape has the right shape too, but cuts across words; the transpose keeps a word together.

    Raises: ValueError if `dim` is not divisible by `num_heads`.
    """
    if x.ndim < 2:
        raise ValueError(f"x must have shape (..., positions, features), got {shape(x)}")
    _check_divisible(x.shape[-1], num_heads)
    return x.unflatten(-1, (num_heads, -1)).transpose(-3, -2)


def merge_heads(x: Tensor) -> Tensor:
    """Lay the heads' slices side by side again: `(..., heads, n, d_k)` → `(..., n, heads · d_k)`.

    Undoes `split_heads`. Raises: ValueError if there is no head dimension.
    """
    if x.ndim < 3:
        raise ValueError(f"x must have shape (..., heads, positions, features), got {shape(x)}")
    return x.transpose(-3, -2).flatten(-2)


class MultiHeadAttention(nn.Module):
    """Several heads attend side by side, each in its own slice of the projections.

    output = merge(attention(split(query W_Q), split(key W_K), split(value W_V))) W_O

    With one argument every position looks at its own sequence; with `key` (and `value`) at another.
    The parameters do not depend on `num_heads`: 4·dim² weights and, with `bias`, 4·dim biases.

    Args:
        dim: features of a word, before and after; divisible by `num_heads`.
        num_heads: each works in d_k = dim / num_heads features.
        bias: whether the four projections add a learned vector.
        positions: a scheme of `attention_core.positional_encoding`. Its `rotate` turns the heads'
            queries and keys, its `bias` is added to the scores; its `embed` is not called here, as
            it belongs to the words, before the first layer. Queries are aligned to the end of the
            keys, as in `causal_mask`: decoding with a cache passes the last words as the query and
            all words as the key. What the hooks do to a score depends on distances alone, so that
            `forward` needs no offset.

    Raises:
        ValueError: for sizes below 1, or a `dim` that `num_heads` does not divide.

    Source: Vaswani et al. 2017, "Attention Is All You Need", section 3.2.2.
    """

    def __init__(self, dim: int, num_heads: int, *, bias: bool = True, positions=None):
        super().__init__()
        if not isinstance(dim, int) or isinstance(dim, bool) or dim < 1:
            raise ValueError(f"dim must be a whole number, 1 or more, got {dim!r}")
        _check_divisible(dim, num_heads)
        self.dim = dim
        self.num_heads = num_heads
        self.positions = positions  # a module's own parameters are trained with this layer's
        self.to_query = nn.Linear(dim, dim, bias=bias)
        self.to_key = nn.Linear(dim, dim, bias=bias)
        self.to_value = nn.Linear(dim, dim, bias=bias)
        self.to_output = nn.Linear(dim, dim, bias=bias)

    def forward(
        self,
        query: Tensor,
        key: Tensor | None = None,
        value: Tensor | None = None,
        allowed: Tensor | None = None,
        *,
        need_weights: bool = True,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend from `query` to `key` and `value`, which default to `query` and to `key`.

        Args:
            query: `(batch, n_q, dim)`, or with any other leading dimensions, or none.
            key, value: `(batch, n_k, dim)`.
            allowed: boolean, True means "may look". Its number of dimensions says what it is, never
                its sizes: 2 are `(n_q, n_k)`, the same for all; as many as the query's are
                `(batch, n_q, n_k)`, the same for all heads; one more are `(batch, num_heads, n_q, n_k)`.
                Any size may be 1. A query that may look nowhere gets weights 0.
            need_weights: False takes torch's fused path, whose memory grows with n rather than n²,
                and returns None for the weights.

        Returns:
            `(output, weights)`: `(batch, n_q, dim)` and `(batch, num_heads, n_q, n_k)`, each head's
            own, never averaged.

        Raises:
            ValueError: if a last dimension is not `dim`, or shapes or dtypes do not fit.
        """
        key = query if key is None else key
        value = key if value is None else value
        _check_inputs(self, query, key, value)
        if allowed is not None:
            allowed = self._by_head(allowed, query, key)
        q = split_heads(self.to_query(query), self.num_heads)  # (batch, heads, n_q, d_k)
        k = split_heads(self.to_key(key), self.num_heads)  # (batch, heads, n_k, d_k)
        v = split_heads(self.to_value(value), self.num_heads)  # (batch, heads, n_k, d_k)
        bias = None
        if self.positions is not None:
            q, k = self.positions.rotate(q, k)
            bias = self.positions.bias(q.shape[-2], k.shape[-2], query=q)
            bias = None if bias is None else bias.to(q.dtype)
        if need_weights:
            heads, weights = scaled_dot_product_attention(q, k, v, allowed, bias=bias)
        else:
            heads, weights = _fused(q, k, v, allowed, bias), None
        return self.to_output(merge_heads(heads)), weights

    def _by_head(self, allowed: Tensor, query: Tensor, key: Tensor) -> Tensor:
        """`allowed` with a dimension for the heads, checked against the weights to come."""
        n_q, n_k = query.shape[-2], key.shape[-2]
        check_allowed(allowed, n_q, n_k)
        batch = torch.broadcast_shapes(query.shape[:-2], key.shape[:-2])
        weights = (*batch, self.num_heads, n_q, n_k)
        given = shape(allowed)
        if allowed.ndim == len(weights) - 1:
            allowed = allowed.unsqueeze(-3)  # (batch, 1, n_q, n_k): for every head the same
        sizes = zip(reversed(allowed.shape), reversed(weights), strict=False)
        if allowed.ndim not in (2, len(weights)) or any(size not in (1, full) for size, full in sizes):
            per_sequence = f"{(*batch, n_q, n_k)}, " if batch else ""
            raise ValueError(
                f"allowed has shape {given} but must be {(n_q, n_k)}, {per_sequence}or per head {weights}"
            )
        return allowed

    @classmethod
    def from_torch(cls, module: nn.MultiheadAttention) -> "MultiHeadAttention":
        """A layer with a copy of the parameters of `torch.nn.MultiheadAttention`, without its dropout.

        Raises: ValueError for what this layer does not have: kdim, vdim, add_bias_kv, add_zero_attn.
        """
        if module.in_proj_weight is None or module.bias_k is not None or module.add_zero_attn:
            raise ValueError("kdim, vdim, add_bias_kv and add_zero_attn have no counterpart here")
        bias = module.in_proj_bias is not None
        layer = cls(module.embed_dim, module.num_heads, bias=bias).to(module.in_proj_weight)
        with torch.no_grad():
            for ours, theirs in layer._twins(module):
                ours.copy_(theirs)
        return layer

    def to_torch(self) -> nn.MultiheadAttention:
        """`torch.nn.MultiheadAttention`, batch first, with a copy of this layer's parameters.

        Raises: ValueError if this layer has `positions`, which torch's has not.
        """
        if self.positions is not None:
            raise ValueError("torch.nn.MultiheadAttention has no positions")
        bias = self.to_query.bias is not None
        module = nn.MultiheadAttention(self.dim, self.num_heads, bias=bias, batch_first=True)
        module.to(self.to_query.weight)
        with torch.no_grad():
            for ours, theirs in self._twins(module):
                theirs.copy_(ours)
        return module

    def _twins(self, module: nn.MultiheadAttention) -> Iterator[tuple[Tensor, Tensor]]:
        """Our parameters beside torch's, which keeps the three input projections in one matrix."""
        packed = (self.to_query, self.to_key, self.to_value)
        yield from zip((p.weight for p in packed), module.in_proj_weight.chunk(3), strict=True)
        yield self.to_output.weight, module.out_proj.weight
        if module.in_proj_bias is not None:
            yield from zip((p.bias for p in packed), module.in_proj_bias.chunk(3), strict=True)
            yield self.to_output.bias, module.out_proj.bias


def _fused(q: Tensor, k: Tensor, v: Tensor, allowed: Tensor | None, bias: Tensor | None) -> Tensor:
    """The output alone, by torch's fused kernel, which never holds all n_q · n_k scores at once."""
    mask = allowed
    if bias is not None:
        mask = bias if allowed is None else bias.masked_fill(~allowed, -math.inf)
    if q.ndim == k.ndim == v.ndim == 4:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    # the kernel knows one batch dimension; given another number, torch would hold the scores after all
    batch = torch.broadcast_shapes(q.shape[:-3], k.shape[:-3], v.shape[:-3])
    q, k, v = (_one_batch(x, batch) for x in (q, k, v))
    if mask is not None and mask.ndim > 2:
        mask = _one_batch(mask, batch)
    output = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return output.reshape(*batch, *output.shape[1:])


def _one_batch(x: Tensor, batch: tuple[int, ...]) -> Tensor:
    return x.expand(*batch, *x.shape[-3:]).reshape(-1, *x.shape[-3:])


def _check_inputs(layer: nn.Module, query: Tensor, key: Tensor, value: Tensor) -> None:
    for name, x in (("query", query), ("key", key), ("value", value)):
        if isinstance(x, Tensor) and x.ndim and x.shape[-1] != layer.dim:
            raise ValueError(f"{name} has {x.shape[-1]} features but this layer has dim={layer.dim}")
    check_qkv(query, key, value)
    dtype = layer.to_query.weight.dtype
    if query.dtype != dtype and not torch.is_autocast_enabled(query.device.type):
        raise ValueError(f"query is {query.dtype} but this layer is {dtype}")


def _check_divisible(dim: int, num_heads: int) -> None:
    if not isinstance(num_heads, int) or isinstance(num_heads, bool) or num_heads < 1:
        raise ValueError(f"num_heads must be a whole number, 1 or more, got {num_heads!r}")
    if dim % num_heads:
        raise ValueError(f"dim={dim} is not divisible by num_heads={num_heads}")
