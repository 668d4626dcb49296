"""Attention made fast: exact, in tiles; a memory for decoding; and a cheaper function, which is another."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from attention_core._checks import check_allowed, check_qkv, check_scale, check_whole, shape
from attention_core.attention import HALF, under_autocast
from attention_core.masks import causal_mask

_CHUNK = 64  # queries that causal linear attention answers at once


def tiled_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    allowed: Tensor | None = None,
    *,
    block: int = 256,
    scale: float | None = None,
) -> Tensor:
    """The output of `scaled_dot_product_attention`, exactly, with no more than one tile of weights at a time.

    `block` queries meet `block` keys after another; `merge_tile` takes each tile into what is known so far.
    A tile at which nobody may look is left out, so a window or a causal mask saves its share of the time.

    Without gradients memory grows with n, not with n². With them torch keeps each tile for the way back.

    Args:
        query, key, value, allowed, scale: as in `scaled_dot_product_attention`. Half precision is computed
            in float32. `allowed` is cut into tiles as it is, never made larger.
        block: queries, and keys, of a tile. The last ones may be smaller.

    Returns: `(..., n_q, d_v)`; 0 for a query that may look nowhere.

    Raises: ValueError as `scaled_dot_product_attention` does, or for a `block` below 1.

    Source: Dao et al. 2022, "FlashAttention", algorithm 1; Milakov and Gimelshein 2018, "Online normalizer
    calculation for softmax", algorithm 3.
    """
    check_qkv(query, key, value)
    if torch.is_autocast_enabled(query.device.type):
        return under_autocast(tiled_attention, query, key, value, allowed, block=block, scale=scale)
    block, scale = check_whole("block", block), check_scale(scale, query.shape[-1])
    kept, n_q, n_k = query.dtype, query.shape[-2], key.shape[-2]
    if kept in HALF:
        query, key, value = query.float(), key.float(), value.float()
    if allowed is not None:
        check_allowed(allowed, n_q, n_k, torch.broadcast_shapes(query.shape[:-2], key.shape[:-2]))
        allowed = allowed.expand(*allowed.shape[:-2], n_q, n_k)  # a view: nothing is copied
    leading = torch.broadcast_shapes(query.shape[:-2], key.shape[:-2], value.shape[:-2])

    outputs = []
    for rows in _cuts(max(1, n_q), block):
        q = query[..., rows, :] * scale  # (..., rows, d_k)
        largest = q.new_full((*leading, q.shape[-2], 1), -math.inf)
        total, output = torch.zeros_like(largest), q.new_zeros(*leading, q.shape[-2], value.shape[-1])
        for columns in _cuts(n_k, block):
            tile = None if allowed is None else allowed[..., rows, columns]
            # a gradient, be it 0, needs a way back: so the first tile stays where there may be one
            needed = columns.start == 0 and torch.is_grad_enabled()
            if tile is not None and not needed and not tile.any():
                continue
            scores = q @ key[..., columns, :].transpose(-2, -1)  # (..., rows, columns)
            if tile is not None:
                scores = scores.masked_fill(~tile, -math.inf)
            largest, total, output = merge_tile(largest, total, output, scores, value[..., columns, :])
        outputs.append(output / total.masked_fill(total == 0, 1))  # 0 / 1 where nothing was to be seen
    return torch.cat(outputs, dim=-2).to(kept)


def merge_tile(
    largest: Tensor, total: Tensor, output: Tensor, scores: Tensor, value: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Take one more tile of keys into what is known of each query: its row's softmax, and the average.

    What was added up so far is relative to the largest score so far. If the tile has a larger one, sum and
    output shrink by the same factor, e to the power of old − new, and are as if it had been known all along.

    Args:
        largest, total: of the scores so far the largest, and the sum of e^(score − largest): `(..., n_q, 1)`.
        output: `(..., n_q, d_v)`, the values so far, each times its e^(score − largest): not yet divided.
        scores: `(..., n_q, n_tile)`, scaled; −∞ where a query may not look.
        value: `(..., n_tile, d_v)`.

    Returns: the new `(largest, total, output)`. It begins with −∞, 0 and 0, and ends with output / total.
    """
    # no gradient through it: the answer does not depend on what the scores are relative to
    larger = torch.maximum(largest, scores.detach().amax(dim=-1, keepdim=True))  # (..., n_q, 1)
    finite = larger.masked_fill(larger == -math.inf, 0)  # nothing was seen yet: −∞ − 0, not −∞ + ∞
    weights = (scores - finite).exp()  # (..., n_q, n_tile), each from 0 to 1
    shrunk = (largest - finite).exp()  # (..., n_q, 1)
    total = total * shrunk + weights.sum(dim=-1, keepdim=True)
    return larger, total, output * shrunk + weights @ value


class KeyValueCache:
    """The keys and values of what was read before: what comes next need not read it again.

    A model that writes makes one query at a time, but needs the keys and values of all words so far. They
    do not change, so each is computed once and kept here.

    There is room for as many again, made when it is needed: n positions are copied at most twice in all,
    however they come. While gradients are recorded, nothing is written in place, and each `append` copies.
    """

    def __init__(self):
        self._keys: Tensor | None = None  # (..., room, d_k), of which the first positions are filled
        self._values: Tensor | None = None
        self._length = 0

    def __len__(self) -> int:
        """How many positions are remembered. An empty cache is as false as an empty list."""
        return self._length

    @property
    def nbytes(self) -> int:
        """Bytes of what is remembered, without the room for more."""
        held = (self._keys, self._values)
        return sum(x[..., : self._length, :].nbytes for x in held if x is not None)

    def append(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Remember n more positions, behind the others.

        Args: key: `(batch, heads, n, d_k)`, at their positions. value: `(batch, heads, n, d_v)`.
        Returns: all keys and all values, `(batch, heads, n_all, …)`: views, to be read only.
        Raises: ValueError for what does not fit together, or to what is remembered; then nothing changes.
        """
        self._check(key, value)
        before, self._length = self._length, self._length + key.shape[-2]
        self._keys, self._values = (
            _longer(self._keys, before, key),
            _longer(self._values, before, value),
        )
        return self._keys[..., : self._length, :], self._values[..., : self._length, :]

    def _check(self, key: Tensor, value: Tensor) -> None:
        for name, x in (("key", key), ("value", value)):
            if not isinstance(x, Tensor):
                raise ValueError(f"{name} must be a torch tensor, got {type(x).__name__}")
            if x.ndim < 2:
                raise ValueError(
                    f"{name} must have shape (batch, heads, positions, features), got {shape(x)}"
                )
        if key.shape[-2] != value.shape[-2]:
            raise ValueError(f"key has {key.shape[-2]} positions but value has {value.shape[-2]}")
        if key.shape[:-2] != value.shape[:-2]:
            raise ValueError(f"key {shape(key)} and value {shape(value)} differ in batch or heads")
        for name, x, held in (("key", key, self._keys), ("value", value, self._values)):
            if held is None:
                continue
            if (*x.shape[:-2], x.shape[-1]) != (*held.shape[:-2], held.shape[-1]):
                kept = (*held.shape[:-2], self._length, held.shape[-1])
                raise ValueError(f"{name} has shape {shape(x)}, which cannot follow what is kept, {kept}")
            if x.dtype != held.dtype or x.device != held.device:
                kept = f"{held.dtype} on {held.device}"
                raise ValueError(f"{name} is {x.dtype} on {x.device} but what is kept is {kept}")


def _longer(room: Tensor | None, filled: int, x: Tensor) -> Tensor:
    """`x` behind the `filled` positions of a room, which is made twice as large if it is too small."""
    room = x[..., :0, :] if room is None else room
    if torch.is_grad_enabled():  # what a gradient will need may not be written over
        return torch.cat((room[..., :filled, :], x), dim=-2)
    n = filled + x.shape[-2]
    if n > room.shape[-2] or room.is_inference() != torch.is_inference_mode_enabled():
        larger = x.new_empty(*x.shape[:-2], 2 * n, x.shape[-1])
        larger[..., :filled, :] = room[..., :filled, :]
        room = larger
    room[..., filled:n, :] = x
    return room


def linear_attention(query: Tensor, key: Tensor, value: Tensor, *, causal: bool = False) -> Tensor:
    """Another function than softmax attention, whose time and memory grow with n: keys are summed up first.

    output = φ(query) (φ(key)ᵀ value) / (φ(query) · Σ φ(key)), with φ(x) = elu(x) + 1, which is above 0

    The brackets are all of it: φ(key)ᵀ value is `(d_k, d_v)` however many keys there are, and a query asks
    that sum, not each of them. A weight is a product of features, so it cannot be as sharp as e^score.

    Args:
        query, key, value: as in `scaled_dot_product_attention`; half precision is computed in float32.
        causal: whether a query sees only its own and earlier positions, aligned as `causal_mask` is.

    Returns: `(..., n_q, d_v)`; 0 for a query that sees no key.

    Raises: ValueError if shapes or dtypes do not fit.

    Source: Katharopoulos et al. 2020, "Transformers are RNNs", equations 4 to 12.
    """
    check_qkv(query, key, value)
    if torch.is_autocast_enabled(query.device.type):
        return under_autocast(linear_attention, query, key, value, causal=causal)
    kept, past = query.dtype, key.shape[-2] - query.shape[-2]
    if kept in HALF:
        query, key, value = query.float(), key.float(), value.float()
    query, key = F.elu(query) + 1, F.elu(key) + 1
    ones = value.new_ones(*value.shape[:-1], 1)
    value = torch.cat((value, ones), dim=-1)  # the last column becomes the sum of the weights
    if not causal:
        return _shared_out(query @ (key.transpose(-2, -1) @ value)).to(kept)
    outputs, known, seen = [], 0.0, 0
    for rows in _cuts(max(1, query.shape[-2]), _CHUNK):
        q = query[..., rows, :]
        before, end = max(0, past + rows.start), max(0, past + rows.start + q.shape[-2])
        # all of the chunk's queries see these keys, so their sum will do: (..., d_k, d_v + 1)
        known = known + key[..., seen:before, :].transpose(-2, -1) @ value[..., seen:before, :]
        weights = q @ key[..., before:end, :].transpose(-2, -1)  # (..., rows, keys of the chunk)
        own = causal_mask(q.shape[-2], end - before).to(q.device)
        outputs.append(q @ known + weights.masked_fill(~own, 0) @ value[..., before:end, :])
        seen = before
    return _shared_out(torch.cat(outputs, dim=-2)).to(kept)


def _shared_out(sums: Tensor) -> Tensor:
    """Sums of weighted values over those of the weights, the last column: `(..., d_v + 1)` → `(..., d_v)`."""
    total = sums[..., -1:]
    return sums[..., :-1] / total.masked_fill(total == 0, 1)


def _cuts(n: int, size: int) -> Iterator[slice]:
    """0 to n in slices of one size; the last may be smaller."""
    return (slice(start, min(start + size, n)) for start in range(0, n, size))
