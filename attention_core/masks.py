"""Who may look at whom. One convention everywhere: `allowed` is boolean, True means "may look"."""

import torch
from torch import Tensor

from attention_core._checks import shape


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
    _check_size("width", width)
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
    _check_size("n_k", n_k)
    if lengths.min() < 0 or lengths.max() > n_k:
        raise ValueError(f"lengths must be between 0 and n_k={n_k}, got {lengths.tolist()}")
    return (torch.arange(n_k, device=lengths.device) < lengths[:, None])[:, None, :]


def to_attn_mask(allowed: Tensor, num_heads: int = 1) -> Tensor:
    """`allowed` as `torch.nn.MultiheadAttention` wants its `attn_mask`: True means *forbidden*.

    Args: allowed: `(n_q, n_k)`, or `(batch, n_q, n_k)`, or per head `(batch, num_heads, n_q, n_k)`.
    Returns: boolean `(n_q, n_k)` or `(batch · num_heads, n_q, n_k)`.
    Raises: ValueError for another dtype or number of dimensions.
    """
    _check_boolean("allowed", allowed)
    _check_size("num_heads", num_heads, 1)
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
    _check_size("num_heads", num_heads, 1)
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


def _distance(n_q: int, n_k: int | None) -> Tensor:
    """Key position minus query position, `(n_q, n_k)`, both counted from the end."""
    n_k = n_q if n_k is None else n_k
    _check_size("n_q", n_q)
    _check_size("n_k", n_k)
    return torch.arange(n_k) - torch.arange(n_k - n_q, n_k)[:, None]


def _check_size(name: str, size: int, least: int = 0) -> None:
    if not isinstance(size, int) or isinstance(size, bool) or size < least:
        raise ValueError(f"{name} must be a whole number, {least} or more, got {size!r}")


def _check_boolean(name: str, mask: Tensor) -> None:
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
        got = mask.dtype if isinstance(mask, Tensor) else type(mask).__name__
        raise ValueError(f"{name} must be a boolean tensor, got {got}")
