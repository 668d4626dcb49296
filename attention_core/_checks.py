"""Bad input is refused here, in words and with its numbers, before torch sees it."""

import math
from numbers import Integral

import torch
from torch import Tensor


def check_whole(name: str, number: int, least: int = 1, most: int | None = None) -> int:
    """The number as an `int`; ValueError unless it is whole, numpy's too, and from `least` to `most`.

    True and False are no numbers here: who passes one has mistaken one argument for another.
    """
    if is_whole(number) and least <= number and (most is None or number <= most):
        return int(number)
    span = f", {least} or more" if most is None else f" from {least} to {most}"
    raise ValueError(f"{name} must be a whole number{span}, got {number!r}")


def is_whole(number) -> bool:
    """Whether it is an integer of Python's or numpy's, and no boolean."""
    # int comes first: to ask Integral takes ten times as long, and every layer asks
    return isinstance(number, int | Integral) and not isinstance(number, bool)


def check_tokens(name: str, tokens: Tensor, vocabulary: int) -> None:
    """Raise ValueError unless `tokens` is `(batch, n)` of whole numbers from 0 to vocabulary − 1."""
    if not isinstance(tokens, Tensor) or tokens.is_floating_point() or tokens.dtype == torch.bool:
        got = tokens.dtype if isinstance(tokens, Tensor) else type(tokens).__name__
        raise ValueError(f"{name} must be whole numbers, got {got}")
    if tokens.ndim != 2:
        raise ValueError(f"{name} must have shape (batch, n), got {shape(tokens)}")
    if torch.compiler.is_compiling():
        return  # what the numbers are is not known yet
    if tokens.numel() and not 0 <= int(tokens.min()) <= int(tokens.max()) < vocabulary:
        raise ValueError(
            f"{name} must be from 0 to {vocabulary - 1}, got {int(tokens.min())} to {int(tokens.max())}"
        )


def check_qkv(query: Tensor, key: Tensor, value: Tensor) -> None:
    """Raise ValueError unless these are `(..., n_q, d_k)`, `(..., n_k, d_k)` and `(..., n_k, d_v)`."""
    for name, x in (("query", query), ("key", key), ("value", value)):
        if not isinstance(x, Tensor):
            raise ValueError(f"{name} must be a torch tensor, got {type(x).__name__}")
        if x.ndim < 2:
            raise ValueError(f"{name} must have shape (..., positions, features), got {shape(x)}")
        if not x.is_floating_point():
            raise ValueError(f"{name} must be floating point, got {x.dtype}")
        if x.dtype != query.dtype and not torch.is_autocast_enabled(query.device.type):
            raise ValueError(f"query is {query.dtype} but {name} is {x.dtype}")
    if query.shape[-1] != key.shape[-1]:
        raise ValueError(f"query has {query.shape[-1]} features but key has {key.shape[-1]}")
    if query.shape[-1] == 0:
        raise ValueError("query and key have 0 features: there is nothing to compare")
    if key.shape[-2] != value.shape[-2]:
        raise ValueError(f"key has {key.shape[-2]} positions but value has {value.shape[-2]}")
    if query.shape[:-2] == key.shape[:-2] == value.shape[:-2]:
        return  # broadcast_shapes would take longer than all the rest of these checks
    try:
        torch.broadcast_shapes(query.shape[:-2], key.shape[:-2], value.shape[:-2])
    except RuntimeError:
        raise ValueError(
            "leading dimensions do not fit together: "
            f"query {shape(query)}, key {shape(key)}, value {shape(value)}"
        ) from None


def check_allowed(allowed: Tensor, n_q: int, n_k: int, batch: tuple[int, ...] | None = None) -> None:
    """Raise ValueError unless `allowed` is boolean and fits `(*batch, n_q, n_k)`, any batch if None."""
    if not isinstance(allowed, Tensor) or allowed.dtype != torch.bool:
        got = allowed.dtype if isinstance(allowed, Tensor) else type(allowed).__name__
        raise ValueError(f"allowed must be a boolean tensor (True means may look), got {got}")
    _check_fits("allowed", allowed, n_q, n_k, batch)


def check_bias(bias: Tensor, scores: Tensor, dtype: torch.dtype) -> None:
    """Raise ValueError unless `bias` is of the query's dtype and can be added to `scores` as they are."""
    if not isinstance(bias, Tensor) or bias.dtype != dtype:
        got = bias.dtype if isinstance(bias, Tensor) else type(bias).__name__
        raise ValueError(f"bias must be a tensor of {dtype}, as the query is, got {got}")
    _check_fits("bias", bias, *scores.shape[-2:], batch=scores.shape[:-2])


def check_scale(scale: float | None, d_k: int) -> float:
    """The scale, 1/√d_k unless given; ValueError unless it is finite."""
    scale = 1 / math.sqrt(d_k) if scale is None else scale
    if not math.isfinite(scale):
        raise ValueError(f"scale must be a finite number, got {scale}")
    return scale


def check_hooks(positions, *hooks: str) -> None:
    """Raise ValueError unless `positions` is None, or a scheme that has these methods."""
    is_scheme = not isinstance(positions, type) and all(callable(getattr(positions, x, None)) for x in hooks)
    if positions is not None and not is_scheme:
        raise ValueError(
            "positions must be a scheme of attention_core.positional_encoding, such as "
            f"RotaryEncoding(head_dim), got {positions!r}"
        )


def _check_fits(name: str, x: Tensor, n_q: int, n_k: int, batch: tuple[int, ...] | None) -> None:
    rows, columns = (1, 1, *x.shape)[-2:]
    if rows not in (1, n_q) or columns not in (1, n_k):
        raise ValueError(f"{name} has shape {shape(x)}, which does not fit {n_q} queries × {n_k} keys")
    leading = x.shape[:-2]
    if batch is not None and (
        len(leading) > len(batch)
        or any(n not in (1, full) for n, full in zip(leading[::-1], batch[::-1], strict=False))
    ):
        raise ValueError(f"{name} has shape {shape(x)}, which does not fit weights {(*batch, n_q, n_k)}")


def shape(x: Tensor) -> tuple[int, ...]:
    """The shape as a plain tuple, which reads better in a message than torch.Size."""
    return tuple(x.shape)
