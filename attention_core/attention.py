"""Attention itself: one function, and one module with learned projections around it."""

import math

from torch import Tensor, nn
from torch.nn import functional as F

from attention_core._checks import check_allowed, check_bias, check_qkv


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
        check_allowed(allowed, n_q, n_k)
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
        if not isinstance(dim, int) or dim < 1:
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
        for name, x in (("query", query), ("key", key), ("value", value)):
            if isinstance(x, Tensor) and x.ndim and x.shape[-1] != self.dim:
                raise ValueError(f"{name} has {x.shape[-1]} features but this layer has dim={self.dim}")
        check_qkv(query, key, value)
        q, k, v = self.to_query(query), self.to_key(key), self.to_value(value)
        if need_weights:
            return scaled_dot_product_attention(q, k, v, allowed)
        if allowed is not None:
            check_allowed(allowed, q.shape[-2], k.shape[-2])
        return F.scaled_dot_product_attention(q, k, v, attn_mask=allowed), None
