"""Who may look at whom. One convention everywhere: `allowed` is boolean, True means "may look".

The converters to and from torch's opposite one are those of `attention_core.interop`.
"""

import torch
from torch import Tensor

from attention_core._checks import check_whole, shape
from attention_core.interop import from_attn_mask, from_key_padding_mask, to_attn_mask, to_key_padding_mask

__all__ = [
    "causal_mask",
    "from_attn_mask",
    "from_key_padding_mask",
    "padding_mask",
    "to_attn_mask",
    "to_key_padding_mask",
    "window_mask",
]


def causal_mask(n_q: int, n_k: int | None = None) -> Tensor:
    """Each query may look at its own position and at earlier ones.

    With `n_q < n_k` (cached decoding) the queries are the last `n_q` of `n_k` positions; with
    `n_q > n_k` the first `n_q − n_k` queries come before every key and may look nowhere.

    Args: n_q: queries. n_k: keys; as many as queries unless given.
    Returns: boolean `(n_q, n_k)`. Raises: ValueError for a negative or fractional size.
    Source: Vaswani et al. 2017, section 3.2.3.
    """
    return _distance(n_q, n_k) <= 0


def window_mask(n_q: int, n_k: int | None = None, *, width: int = 1) -> Tensor:
    """Each query may look at most `width` positions to either side of its own.

    Args: n_q: queries. n_k: keys; as many as queries unless given. width: in positions, 0 or more.
    Returns: boolean `(n_q, n_k)`, aligned at the end as `causal_mask` is. For a causal window take
    `window_mask(n, width=w) & causal_mask(n)`. Raises: ValueError for a negative or fractional size.
    Source: Beltagy et al. 2020, "Longformer", section 3.1 (there both sides together are the window).
    """
    width = check_whole("width", width, 0)
    return _distance(n_q, n_k).abs() <= width


def padding_mask(lengths: Tensor | list[int], n_k: int | None = None) -> Tensor:
    """Every query may look at the words of its sequence, and not at the padding behind them.

    Args: lengths: whole numbers, one a sequence. n_k: padded length; the longest unless given.
    Returns: boolean `(batch, 1, n_k)`, which fits weights `(batch, n_q, n_k)`.
    Raises: ValueError for lengths that are negative, fractional, or longer than `n_k`.
    """
    lengths = torch.as_tensor(lengths)
    if lengths.ndim != 1 or not len(lengths) or lengths.is_floating_point() or lengths.dtype == torch.bool:
        raise ValueError(f"lengths must be a list of whole numbers, got {shape(lengths)} of {lengths.dtype}")
    if n_k is None:
        n_k = int(lengths.max())
    n_k = check_whole("n_k", n_k, 0)
    if lengths.min() < 0 or lengths.max() > n_k:
        raise ValueError(f"lengths must be between 0 and n_k={n_k}, got {lengths.tolist()}")
    return (torch.arange(n_k, device=lengths.device) < lengths[:, None])[:, None, :]


def _distance(n_q: int, n_k: int | None) -> Tensor:
    """Key position minus query position, `(n_q, n_k)`, both counted from the end."""
    n_k = n_q if n_k is None else n_k
    n_q, n_k = check_whole("n_q", n_q, 0), check_whole("n_k", n_k, 0)
    return torch.arange(n_k) - torch.arange(n_k - n_q, n_k)[:, None]
