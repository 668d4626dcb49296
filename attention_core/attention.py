"""Attention itself: one function, and the modules with learned projections around it."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from attention_core._checks import (
    check_allowed,
    check_bias,
    check_hooks,
    check_qkv,
    check_scale,
    check_whole,
    shape,
)
from attention_core.interop import layer_from_torch, layer_to_torch

if TYPE_CHECKING:  # fast.py imports this module, not the other way round
    from attention_core.fast import KeyValueCache

HALF = (torch.float16, torch.bfloat16)
_MANY = 2**16  # scores: a second tensor of n² takes as long to be made room for as to be computed


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

    What comes in half precision is computed in float32 and leaves as it came. Under autocast all three
    may be of any dtype, and the answer is of autocast's, as of torch's own function.

    Args:
        query: `(..., n_q, d_k)`, floating point.
        key: `(..., n_k, d_k)`, of the query's dtype.
        value: `(..., n_k, d_v)`, of the query's dtype.
        allowed: boolean, broadcastable to `(..., n_q, n_k)`; True means "may look". A query that
            may look nowhere gets weights 0 and output 0.
        scale: what the dot products are multiplied by; 1/√d_k unless given.
        bias: added to the scaled dot products, of the query's dtype; broadcastable to `(..., n_q, n_k)`.

    Returns:
        `(output, weights)` of shapes `(..., n_q, d_v)` and `(..., n_q, n_k)`. Leading dimensions
        broadcast. Each row of weights sums to 1, or to 0 where the query may look nowhere.

    Raises:
        ValueError: if shapes or dtypes do not fit; the message holds the numbers.

    Source: Vaswani et al. 2017, "Attention Is All You Need", section 3.2.1, equation 1.
    """
    check_qkv(query, key, value)
    if torch.is_autocast_enabled(query.device.type):
        attend = scaled_dot_product_attention
        return under_autocast(attend, query, key, value, allowed, scale=scale, bias=bias)
    kept, n_q, n_k, scale = query.dtype, query.shape[-2], key.shape[-2], check_scale(scale, query.shape[-1])
    if kept in HALF:  # a score above 65 504 is no float16, and of 8 bits softmax makes errors of a tenth
        query, key, value = query.float(), key.float(), value.float()

    scores = (query * scale) @ key.transpose(-2, -1)  # (..., n_q, n_k); scaling q is n·d, not n²
    if bias is not None:
        check_bias(bias, scores, kept)
        scores = scores + bias
    if allowed is not None:
        check_allowed(allowed, n_q, n_k, scores.shape[:-2])
        scores = scores.masked_fill(~allowed, -math.inf)  # e^−∞ = 0: no share of the row's sum
    if bias is None and allowed is None:
        weights = _softmax(scores)
    else:
        nowhere = (scores == -math.inf).all(dim=-1, keepdim=True)  # (..., n_q, 1)
        # 0/0 is kept out of the softmax, so that its gradient is 0 there too, not NaN
        weights = _softmax(scores.masked_fill(nowhere, 0)).masked_fill(nowhere, 0)
    output = weights @ value
    return output.to(kept), weights.to(kept)  # (..., n_q, d_v), (..., n_q, n_k)


def _softmax(scores: Tensor) -> Tensor:
    """Over the keys. Many scores are written over, some rows at a time, unless a gradient may need them."""
    few = scores.numel() <= _MANY or not scores.is_contiguous()
    if few or torch.is_grad_enabled() or torch.compiler.is_compiling():
        return scores.softmax(dim=-1)
    for rows in scores.view(-1, scores.shape[-1]).split(max(1, _MANY // scores.shape[-1])):
        rows.copy_(rows.softmax(dim=-1))
    return scores


def under_autocast(attend: Callable, *given: Tensor | None, **options):
    """The same, with what autocast would make of the inputs. It leaves float64 alone, and so is it here."""
    device = given[0].device.type
    dtype = torch.get_autocast_dtype(device)

    def cast(x):
        kept = not isinstance(x, Tensor) or not x.is_floating_point() or x.dtype == torch.float64
        return x if kept else x.to(dtype)

    with torch.autocast(device, enabled=False):
        return attend(*map(cast, given), **{name: cast(x) for name, x in options.items()})


class AttentionLayer(nn.Module):
    """The one `forward` of `SelfAttention` and `MultiHeadAttention`, in steps.

    Each step can be overridden on its own, by a subclass, or in one layer by a function (torch would file
    a module away elsewhere). In the order in which `forward` calls them, with the shapes of several heads;
    one head has no `heads` dimension:

        project(query, key, value)  (batch, n, dim) three times → q, k, v, of the same shapes
        split(x)                    each of them → (batch, heads, n, d_k)
        attend(q, k, v, allowed, bias, need_weights)  → (batch, heads, n_q, d_k), and the weights
        merge(x)                    → (batch, n_q, dim)
        output(x)                   → (batch, n_q, dim)

    Between `split` and `attend` stand the positions, if the layer has any, and then the `cache`.
    """

    def forward(
        self,
        query: Tensor,
        key: Tensor | None = None,
        value: Tensor | None = None,
        allowed: Tensor | None = None,
        *,
        need_weights: bool = True,
        cache: "KeyValueCache | None" = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend from `query` to `key` and `value`, which default to `query` and to `key`.

        Args:
            query: `(batch, n_q, dim)`, or with any other leading dimensions, or none.
            key, value: `(batch, n_k, dim)`.
            allowed: boolean, True means "may look"; the class says of which shapes. A query that may
                look nowhere gets weights 0.
            need_weights: False takes torch's fused path and returns None for the weights. Its memory
                grows with n rather than n², but for what is n² itself: an `allowed` of n × n, and the
                bias of ALiBi or of relative positions.
            cache: a `fast.KeyValueCache`, or what has its `append` and its length. The given words follow
                those that it remembers, which are looked at, too, and it remembers them from now on: n_k
                counts both, and however a text is cut, the parts get what all of it gets at once. Nothing
                hides what is to come but `allowed`: `causal_mask(n_q, n_k)` for words that came together.

        Returns:
            `(output, weights)`: `(batch, n_q, dim)`, and `(batch, n_q, n_k)` of one head, `(batch,
            num_heads, n_q, n_k)` of several, each head's own, never averaged.

        Raises:
            ValueError: if a last dimension is not `dim`, or shapes or dtypes do not fit; then nothing is
            remembered.
        """
        key = query if key is None else key
        value = key if value is None else value
        _check_inputs(self, query, key, value)
        past = 0 if cache is None else len(cache)
        if allowed is not None:
            allowed = self._fitting(allowed, query, key, past + key.shape[-2])
        q, k, v = (self.split(x) for x in self.project(query, key, value))  # (batch, heads, n, d_k) each
        q, k = self._turn(q, k, past)
        if cache is not None:
            k, v = cache.append(k, v)  # (batch, heads, n_k, d_k), those of before first
        bias = self._bias(q, k)
        # by place, so that an `attend` of one's own can take what it has no use for as *_
        x, weights = self.attend(q, k, v, allowed, bias, need_weights)  # (batch, heads, n_q, d_k)
        return self.output(self.merge(x)), weights if need_weights else None

    def project(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What each word asks for, what it offers, and what it passes on: `(batch, n, dim)` each."""
        return self.to_query(query), self.to_key(key), self.to_value(value)

    def split(self, x: Tensor) -> Tensor:
        """A query, key or value of each head; one head takes all of it."""
        return x

    def attend(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        allowed: Tensor | None = None,
        bias: Tensor | None = None,
        need_weights: bool = True,
    ) -> tuple[Tensor, Tensor | None]:
        """Average the values: `scaled_dot_product_attention`, or without weights torch's fused kernel.

        Args: `allowed` and `bias` fit the weights, `(batch, heads, n_q, n_k)`.
        """
        if need_weights:
            return scaled_dot_product_attention(q, k, v, allowed, bias=bias)
        return _fused(q, k, v, allowed, bias), None

    def merge(self, x: Tensor) -> Tensor:
        """The heads' answers as one again; one head's is that already."""
        return x

    def output(self, x: Tensor) -> Tensor:
        """What leaves the layer; one head's answer leaves it as it is."""
        return x

    def _turn(self, q: Tensor, k: Tensor, past: int) -> tuple[Tensor, Tensor]:
        """Queries and keys at their positions, behind so many that are past."""
        return q, k

    def _bias(self, q: Tensor, k: Tensor) -> Tensor | None:
        """What positions add to the scores."""
        return None

    def _fitting(self, allowed: Tensor, query: Tensor, key: Tensor, n_k: int) -> Tensor:
        """`allowed` as `attend` takes it, checked against the weights to come."""
        batch = torch.broadcast_shapes(query.shape[:-2], key.shape[:-2])
        check_allowed(allowed, query.shape[-2], n_k, batch)
        return allowed


class SelfAttention(AttentionLayer):
    """One head: three learned projections of the words, then scaled dot-product attention.

    With one argument every position looks at its own sequence. With `key` (and `value`) it looks
    at another one: cross-attention, where n_q and n_k may differ.

    Args:
        dim: features of a word, of its query, its key and its value (d_k = d_v = dim).
        bias: whether the three projections add a learned vector.

    `allowed` is broadcastable to `(..., n_q, n_k)`. Of the steps of `AttentionLayer` only `project` and
    `attend` do anything here.

    Raises:
        ValueError: for a `dim` below 1.

    Source: Vaswani et al. 2017, section 3.2.1; the projections are section 3.2.2's with one head.
    """

    def __init__(self, dim: int, *, bias: bool = False):
        super().__init__()
        self.dim = dim = check_whole("dim", dim)
        self.to_query = nn.Linear(dim, dim, bias=bias)
        self.to_key = nn.Linear(dim, dim, bias=bias)
        self.to_value = nn.Linear(dim, dim, bias=bias)


def split_heads(x: Tensor, num_heads: int) -> Tensor:
    """Cut the features of each word into slices, one a head: `(..., n, dim)` → `(..., heads, n, d_k)`.

    Head h gets features h·d_k up to (h+1)·d_k, where d_k = dim / num_heads. A `view` straight into the
    last shape has the right shape too, but cuts across words; the transpose keeps a word together.

    Raises: ValueError if `dim` is not divisible by `num_heads`.
    """
    if x.ndim < 2:
        raise ValueError(f"x must have shape (..., positions, features), got {shape(x)}")
    return x.unflatten(-1, (_dividing(x.shape[-1], num_heads), -1)).transpose(-3, -2)


def merge_heads(x: Tensor) -> Tensor:
    """Lay the heads' slices side by side again: `(..., heads, n, d_k)` → `(..., n, heads · d_k)`.

    Undoes `split_heads`. Raises: ValueError if there is no head dimension.
    """
    if x.ndim < 3:
        raise ValueError(f"x must have shape (..., heads, positions, features), got {shape(x)}")
    return x.transpose(-3, -2).flatten(-2)


class MultiHeadAttention(AttentionLayer):
    """Several heads attend side by side, each in its own slice of the projections.

    output = merge(attention(split(query W_Q), split(key W_K), split(value W_V))) W_O

    With one argument every position looks at its own sequence; with `key` (and `value`) at another.
    The parameters do not depend on `num_heads`: 4·dim² weights and, with `bias`, 4·dim biases. Fewer they are
    where heads share keys and values.

    Args:
        dim: features of a word, before and after; divisible by `num_heads`.
        num_heads: each works in d_k = dim / num_heads features.
        bias: whether the four projections add a learned vector.
        positions: a scheme of `attention_core.positional_encoding`. Its `rotate` turns the heads'
            queries and keys, its `bias` is added to the scores; its `embed` is not called here, as
            it belongs to the words, before the first layer. Queries are aligned to the end of the
            keys, as in `causal_mask`: decoding passes the last words as the query and all words as the
            key, or the last words alone and a `cache`, whose length is then the `offset` of `rotate`.
        num_key_value_heads: so many heads of keys and values for all of the queries' heads; it divides
            `num_heads`, which it is unless given. Grouped-query attention: the first num_heads /
            num_key_value_heads heads of the queries share the first head of keys, and so on, and nothing
            is copied for it. With 1, multi-query attention, there is one for all. It is what a cache must
            hold, and what a step of decoding must read.

    The number of dimensions of `allowed` says what it is, never its sizes: 2 are `(n_q, n_k)`, the same
    for all; as many as the query's are `(batch, n_q, n_k)`, the same for all heads; one more are `(batch,
    num_heads, n_q, n_k)`. Any size may be 1.

    The steps are `project`, `split`, `attend`, `merge` and `output`: `AttentionLayer` says how one of them
    can be overridden. The `allowed` that `attend` is given can be broadcast to the weights.

    Raises:
        ValueError: for sizes below 1, a `dim` that `num_heads` does not divide, `num_heads` that
            `num_key_value_heads` does not divide, or `positions` that are no scheme.

    Source: Vaswani et al. 2017, "Attention Is All You Need", section 3.2.2; groups: Ainslie et al. 2023,
    "GQA", section 2.2, and Shazeer 2019, "Fast Transformer Decoding", section 3.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        *,
        bias: bool = True,
        positions=None,
        num_key_value_heads: int | None = None,
    ):
        super().__init__()
        self.dim = dim = check_whole("dim", dim)
        self.num_heads = _dividing(dim, num_heads)
        of_keys = self.num_heads if num_key_value_heads is None else num_key_value_heads
        self.num_key_value_heads = _dividing(self.num_heads, of_keys, "num_heads", "num_key_value_heads")
        check_hooks(positions, "rotate", "bias")
        self.positions = positions  # a module's own parameters are trained with this layer's
        shared = self.num_key_value_heads * (dim // self.num_heads)
        self.to_query = nn.Linear(dim, dim, bias=bias)
        self.to_key = nn.Linear(dim, shared, bias=bias)
        self.to_value = nn.Linear(dim, shared, bias=bias)
        self.to_output = nn.Linear(dim, dim, bias=bias)

    def split(self, x: Tensor) -> Tensor:
        """`split_heads`: `(batch, n, dim)` → `(batch, num_heads, n, d_k)`, or the fewer heads of keys."""
        shared = self.num_key_value_heads < self.num_heads and x.shape[-1] < self.dim
        return split_heads(x, self.num_key_value_heads if shared else self.num_heads)

    def attend(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        allowed: Tensor | None = None,
        bias: Tensor | None = None,
        need_weights: bool = True,
    ) -> tuple[Tensor, Tensor | None]:
        """As in `AttentionLayer`; k and v may have fewer heads than q, which then share them in groups.

        The queries of a group become rows of one head, so that each key is read once for all of them.
        """
        if self.num_key_value_heads == self.num_heads:
            return super().attend(q, k, v, allowed, bias, need_weights)
        (heads, n_q), groups = q.shape[-3:-1], k.shape[-3]
        if not need_weights and n_q > 1:  # with a mask, rows of one head would need it once for each of them
            return _fused(q, k, v, allowed, bias, grouped=True), None
        members = heads // groups
        allowed, bias = (_by_group(x, groups, members, n_q) for x in (allowed, bias))
        q = q.unflatten(-3, (groups, members)).flatten(-3, -2)  # (batch, groups, members · n_q, d_k)
        x, weights = super().attend(q, k, v, allowed, bias, need_weights)
        x = x.unflatten(-2, (members, n_q)).flatten(-4, -3)  # (batch, heads, n_q, d_k)
        return x, None if weights is None else weights.unflatten(-2, (members, n_q)).flatten(-4, -3)

    def merge(self, x: Tensor) -> Tensor:
        """`merge_heads`: `(batch, num_heads, n, d_k)` → `(batch, n, dim)`."""
        return merge_heads(x)

    def output(self, x: Tensor) -> Tensor:
        """Mix the heads' answers: `(batch, n, dim)` → the same shape."""
        return self.to_output(x)

    def _turn(self, q: Tensor, k: Tensor, past: int) -> tuple[Tensor, Tensor]:
        if self.positions is None:
            return q, k
        # without a past as ever, so that a scheme of one's own may have no offset
        return self.positions.rotate(q, k, offset=past) if past else self.positions.rotate(q, k)

    def _bias(self, q: Tensor, k: Tensor) -> Tensor | None:
        bias = None
        if self.positions is not None:
            bias = self.positions.bias(q.shape[-2], k.shape[-2], query=q)
        return None if bias is None else bias.to(q.dtype)

    def _fitting(self, allowed: Tensor, query: Tensor, key: Tensor, n_k: int) -> Tensor:
        """With a dimension for the heads, unless it is the same for all."""
        n_q = query.shape[-2]
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

    from_torch = classmethod(layer_from_torch)
    to_torch = layer_to_torch


def _by_group(x: Tensor | None, groups: int, members: int, n_q: int) -> Tensor | None:
    """What is `(..., heads, n_q, n_k)`, or broadcast to it, as `(..., groups, members · n_q, n_k)`."""
    if x is None or x.ndim < 2:
        return x
    if x.ndim > 2 and x.shape[-3] > 1:
        x = x.expand(*x.shape[:-2], n_q, x.shape[-1])
        return x.unflatten(-3, (groups, members)).flatten(-3, -2)
    if x.shape[-2] == 1:
        return x  # the same for all of them
    return x.unsqueeze(-3).expand(*x.shape[:-2], members, n_q, x.shape[-1]).flatten(-3, -2)


def _fused(
    q: Tensor, k: Tensor, v: Tensor, allowed: Tensor | None, bias: Tensor | None, grouped: bool = False
) -> Tensor:
    """The output alone, by torch's fused kernel, which never holds all n_q · n_k scores at once.

    grouped: k and v have fewer heads than q, in the dimension before the last two.
    """
    mask = allowed
    if bias is not None:
        mask = bias if allowed is None else bias.masked_fill(~allowed, -math.inf)
    if mask is not None and mask.ndim < 2:
        mask = torch.atleast_2d(mask)  # one row for all queries
    end = -3 if grouped else -2  # of the dimensions that all three have in common
    if q.ndim == 4 and q.shape[:end] == k.shape[:end] == v.shape[:end]:
        if mask is not None and mask.ndim == 3:
            mask = mask[None]  # with three dimensions the kernel is not taken
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=grouped)
    # the kernel knows one batch and one heads dimension and does not broadcast: torch would hold n² scores
    batch = torch.broadcast_shapes(q.shape[:end], k.shape[:end], v.shape[:end])
    leading = (*batch, *q.shape[end:-2])
    q, k, v = (_with_heads(x, (*batch, *x.shape[end:-2])) for x in (q, k, v))
    if mask is not None and mask.ndim > 2:
        mask = _with_heads(mask, leading)
    output = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=grouped)
    return output.reshape(*leading, *output.shape[-2:])


def _with_heads(x: Tensor, leading: tuple[int, ...]) -> Tensor:
    """`(..., n, d)`, broadcast to the leading dimensions, as `(batch, heads, n, d)`."""
    batch, heads = math.prod(leading[:-1]), math.prod(leading[-1:])  # 1 of what there is none of
    return x.expand(*leading, *x.shape[-2:]).reshape(batch, heads, *x.shape[-2:])


def _check_inputs(layer: nn.Module, query: Tensor, key: Tensor, value: Tensor) -> None:
    for name, x in (("query", query), ("key", key), ("value", value)):
        if isinstance(x, Tensor) and x.ndim and x.shape[-1] != layer.dim:
            raise ValueError(f"{name} has {x.shape[-1]} features but this layer has dim={layer.dim}")
    check_qkv(query, key, value)
    of = next(layer.to_query.parameters(), query)  # what was put in its place may have none
    if query.dtype != (dtype := of.dtype) and not torch.is_autocast_enabled(query.device.type):
        raise ValueError(f"query is {query.dtype} but this layer is {dtype}")


def _dividing(whole: int, part: int, of: str = "dim", name: str = "num_heads") -> int:
    """`part`, once it is known to divide the `whole`."""
    part = check_whole(name, part)
    if whole % part:
        raise ValueError(f"{of}={whole} is not divisible by {name}={part}")
    return part
