"""Where a word stands: attention cannot see it, so each scheme here puts it in, in one of three places.

`embed` adds to the words before attention, `rotate` turns queries and keys, `bias` adds to the scores.
Positions count from 0; `offset` is the first one's, for decoding with a cache or inside a window.
"""

import math

import torch
from torch import Tensor, nn

from attention_core._checks import check_whole, is_whole, shape
from attention_core.masks import _distance

PAIRINGS = ("interleaved", "half")


class PositionalEncoding(nn.Module):
    """No positions at all: each hook changes nothing. A scheme overrides the hook that it needs."""

    def embed(self, x: Tensor, *, offset: int = 0) -> Tensor:
        """Words `(..., n, dim)` at positions `offset`, `offset + 1`, … → the same shape."""
        return x

    def rotate(self, query: Tensor, key: Tensor, *, offset: int = 0) -> tuple[Tensor, Tensor]:
        """Queries and keys, split into heads: `(..., heads, n_q, head_dim)`, `(..., heads, n_k, head_dim)`.

        `offset` is the position of the first key. With `n_q < n_k` (cached decoding) the queries are
        the last `n_q` of `n_k` positions, as in `causal_mask`.
        """
        return query, key

    def bias(self, n_q: int, n_k: int, *, offset: int = 0, query: Tensor | None = None) -> Tensor | None:
        """What is added to the scaled scores: None, or broadcastable to `(..., heads, n_q, n_k)`.

        Aligned at the end, as `rotate` is. `query` `(..., heads, n_q, head_dim)` gives dtype and device,
        and is what a bias that depends on the words is made from.
        """
        return None


class SinusoidalEncoding(PositionalEncoding):
    """A fixed table of sines and cosines, added to the words: any length, nothing to learn.

    Source: Vaswani et al. 2017, section 3.5 (and 3.4: there the words are multiplied by √dim first).
    """

    def __init__(self, dim: int, *, base: float = 10000.0):
        """Raises: ValueError for an odd `dim` or a `base` that is not above 0."""
        super().__init__()
        frequencies(dim, base)  # refuses what cannot be
        self.dim, self.base = int(dim), base

    def embed(self, x: Tensor, *, offset: int = 0) -> Tensor:
        """Add the table's rows `offset`, …; raises ValueError unless x is `(..., n, dim)`."""
        _check_features("x", x, "dim", self.dim)
        table = sinusoidal_table(x.shape[-2], self.dim, self.base, offset=offset, dtype=torch.float64)
        return x + table.to(x)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, base={self.base:g}"


class LearnedEncoding(PositionalEncoding):
    """One learned row for each position, added to the words; beyond `max_length` there is none.

    Source: Gehring et al. 2017, "Convolutional Sequence to Sequence Learning", section 3.1.
    """

    def __init__(self, max_length: int, dim: int):
        """Rows start as normal numbers of standard deviation 1, as `nn.Embedding`'s do."""
        super().__init__()
        self.max_length, self.dim = check_whole("max_length", max_length), check_whole("dim", dim)
        self.table = nn.Parameter(torch.randn(self.max_length, self.dim))

    def embed(self, x: Tensor, *, offset: int = 0) -> Tensor:
        """Add rows `offset`, …; raises ValueError beyond the table, or unless x is `(..., n, dim)`."""
        _check_features("x", x, "dim", self.dim)
        end = check_whole("offset", offset, 0) + x.shape[-2]
        if end > self.max_length:
            raise ValueError(
                f"x needs positions {offset} to {end - 1} but the learned table has max_length="
                f"{self.max_length}: its last position is {self.max_length - 1}"
            )
        return x + self.table[offset:end].to(x)

    def extra_repr(self) -> str:
        return f"max_length={self.max_length}, dim={self.dim}"


class RotaryEncoding(PositionalEncoding):
    """RoPE: turn each pair of features by an angle that grows with the position.

    The score of a query at p and a key at q then depends on p − q only, whatever the projections are.

    `pairing` says which features are a pair: "interleaved" takes (0, 1), (2, 3), … (the paper, GPT-J),
    "half" takes (0, d/2), (1, d/2 + 1), … (GPT-NeoX, Llama in Hugging Face). Both are the same rotation
    of reordered features (`interleaved_to_half`), but weights trained with one are wrong with the other.

    Source: Su et al. 2021, "RoFormer", section 3.2, equations 14 to 16 and 34.
    """

    def __init__(self, head_dim: int, *, base: float = 10000.0, pairing: str = "interleaved"):
        """Raises: ValueError for an odd `head_dim`, a `base` not above 0, or another pairing."""
        super().__init__()
        frequencies(head_dim, base, name="head_dim")  # refuses what cannot be
        _check_pairing(pairing)
        self.head_dim, self.base, self.pairing = int(head_dim), base, pairing

    def rotate(self, query: Tensor, key: Tensor, *, offset: int = 0) -> tuple[Tensor, Tensor]:
        """Turn both, each by its own positions; raises ValueError unless features are `head_dim`."""
        check_whole("offset", offset, 0)
        for name, x in (("query", query), ("key", key)):
            _check_features(name, x, "head_dim", self.head_dim)
        end = offset + key.shape[-2]
        return tuple(
            rotate_by_position(x, torch.arange(end - x.shape[-2], end), self.base, self.pairing)
            for x in (query, key)
        )

    def extra_repr(self) -> str:
        return f"head_dim={self.head_dim}, base={self.base:g}, pairing={self.pairing!r}"


class ALiBi(PositionalEncoding):
    """Attention with linear biases: a score loses slope × distance, a steeper slope for earlier heads.

    The paper's model is causal, where a key is never ahead of its query. Without a causal mask the
    distance is taken symmetrically here, |p − q|: as far ahead counts as much as as far behind.

    Source: Press et al. 2022, "Train Short, Test Long", section 3; slopes as in `alibi_slopes`.
    """

    def __init__(self, num_heads: int):
        super().__init__()
        self.num_heads = check_whole("num_heads", num_heads)

    def bias(self, n_q: int, n_k: int, *, offset: int = 0, query: Tensor | None = None) -> Tensor:
        """`(num_heads, n_q, n_k)`, float32 or of the query's dtype; the same for any `offset`."""
        if query is not None and query.ndim > 2 and query.shape[-3] != self.num_heads:
            raise ValueError(f"query has {query.shape[-3]} heads but ALiBi has num_heads={self.num_heads}")
        distance = _distance(n_q, n_k).abs()  # (n_q, n_k)
        bias = -alibi_slopes(self.num_heads)[:, None, None] * distance  # (num_heads, n_q, n_k)
        return bias if query is None else bias.to(query)

    def extra_repr(self) -> str:
        return f"num_heads={self.num_heads}"


class RelativeEncoding(PositionalEncoding):
    """A learned key for each distance, the same for all heads: score = q · (k + a(distance)) / √d.

    Distances beyond `max_distance` share the last row, so that any length goes. Only the keys get one:
    the paper also has values, and finds that keys alone may be enough (section 4.3).

    Source: Shaw et al. 2018, "Self-Attention with Relative Position Representations", section 3.
    """

    def __init__(self, head_dim: int, max_distance: int):
        """Rows start as normal numbers of standard deviation 1, as `nn.Embedding`'s do."""
        super().__init__()
        self.head_dim = check_whole("head_dim", head_dim)
        self.max_distance = check_whole("max_distance", max_distance, 0)
        self.table = nn.Parameter(torch.randn(2 * self.max_distance + 1, self.head_dim))  # −max … 0 … max

    def bias(self, n_q: int, n_k: int, *, offset: int = 0, query: Tensor | None = None) -> Tensor:
        """`(..., heads, n_q, n_k)`; the same for any `offset`. Raises: ValueError without a `query`."""
        if query is None:
            raise ValueError("RelativeEncoding makes its bias from the query: give query=")
        _check_features("query", query, "head_dim", self.head_dim)
        if query.shape[-2] != n_q:
            raise ValueError(f"query has {query.shape[-2]} positions but n_q is {n_q}")
        farthest = self.max_distance
        row = _distance(n_q, n_k).clamp(-farthest, farthest).to(query.device) + farthest  # (n_q, n_k)
        # one product for each distance rather than for each pair of positions: n·d instead of n²·d
        by_distance = query @ self.table.to(query).T / math.sqrt(self.head_dim)  # (..., n_q, 2·max + 1)
        return by_distance.gather(-1, row.expand(*query.shape[:-1], n_k))  # (..., n_q, n_k)

    def extra_repr(self) -> str:
        return f"head_dim={self.head_dim}, max_distance={self.max_distance}"


def frequencies(dim: int, base: float = 10000.0, *, name: str = "dim") -> Tensor:
    """The angle in radians by which each pair of features turns from one position to the next.

    Pair i turns by base^(−2i/dim), so that its wavelength is 2π · base^(2i/dim) positions: from pair to
    pair wavelengths grow by base^(2/dim).

    Returns: float64 `(dim / 2,)`. Raises: ValueError for a `dim` that is odd or below 2, or a `base`
    that is not a number above 0.
    """
    if not is_whole(dim) or dim < 2 or dim % 2:
        raise ValueError(f"{name} must be even, 2 or more, as features turn in pairs; got {dim!r}")
    if not (math.isfinite(base) and base > 0):
        raise ValueError(f"base must be a number above 0, got {base}")
    return float(base) ** (-torch.arange(0, dim, 2, dtype=torch.float64) / dim)


def sinusoidal_table(
    n: int, dim: int, base: float = 10000.0, *, offset: int = 0, dtype: torch.dtype = torch.float32
) -> Tensor:
    """PE(p, 2i) = sin(p / base^(2i/dim)) and PE(p, 2i + 1) = cos(p / base^(2i/dim)), one row a position.

    A pair is the tip of a clock hand: k positions on, each hand has turned clockwise by k steps of its
    own size, PE(p + k) = R_k PE(p), whatever p is. R_k is `rotate_by_position(x, −k)`.

    Returns: `(n, dim)` of `dtype`, for positions `offset` to `offset + n − 1`.
    Raises: ValueError as `frequencies` does, or for a negative or fractional `n` or `offset`.
    Source: Vaswani et al. 2017, section 3.5.
    """
    n, offset = check_whole("n", n, 0), check_whole("offset", offset, 0)
    angles = torch.arange(offset, offset + n)[:, None] * frequencies(dim, base)  # (n, dim / 2)
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(-2).to(dtype)  # sin, cos, sin, cos …


def rotate_by_position(
    x: Tensor, positions: Tensor | float, base: float = 10000.0, pairing: str = "interleaved"
) -> Tensor:
    """Turn each pair of features by its frequency × position, anticlockwise: (a, b) → (a cos − b sin, …).

    Args:
        x: `(..., n, dim)`.
        positions: `(n,)`, or one for all; negative ones turn back. `(batch, n)` are those of each
            sequence, whatever stands between batch and n in x, as heads do.
        pairing: which features are a pair, "interleaved" or "half" (see `RotaryEncoding`).

    Returns: the shape and dtype of x. Raises: ValueError as `rotary_table` does, when x and
    positions are not equally many, or x is not floating point.
    Source: Su et al. 2021, "RoFormer", equation 34.
    """
    _check_floating("x", x)
    positions = torch.as_tensor(positions)
    if positions.ndim and positions.shape[-1] != x.shape[-2]:
        raise ValueError(f"x has {x.shape[-2]} positions but {positions.shape[-1]} were given")
    if positions.ndim > 1:
        positions = _of_each_sequence(positions, x)
    cos, sin = rotary_table(positions, x.shape[-1], base, pairing)  # (n, dim)
    return x * cos.to(x) + quarter_turn(x, pairing) * sin.to(x)


def _of_each_sequence(positions: Tensor, x: Tensor) -> Tensor:
    """Positions `(batch, …, n)` of x `(batch, …, n, dim)`, with a 1 for each dimension that they lack."""
    *lead, n = positions.shape
    lead += [1] * (x.ndim - 2 - len(lead))
    if len(lead) > x.ndim - 2 or any(a not in (1, b) for a, b in zip(lead, x.shape[:-2], strict=True)):
        raise ValueError(
            f"positions {shape(positions)} do not fit x {shape(x)}: they are (batch, n), or (n,)"
        )
    return positions.reshape(*lead, n)


def rotary_table(
    positions: Tensor, dim: int, base: float = 10000.0, pairing: str = "interleaved"
) -> tuple[Tensor, Tensor]:
    """cos and sin of each feature's angle, laid out as `pairing` lays out the features.

    Returns: two float64 `(n, dim)` for positions `(n,)`. Raises: ValueError for an odd `dim`, a `base`
    not above 0, or another pairing.
    """
    _check_pairing(pairing)
    # frequencies are float64: in float32 an angle at position 100 000 would be off by 0.01 radians
    angles = positions.cpu()[..., None] * frequencies(dim, base)  # (n, dim / 2)
    angles = angles.repeat_interleave(2, -1) if pairing == "interleaved" else torch.cat((angles, angles), -1)
    return angles.cos(), angles.sin()


def quarter_turn(x: Tensor, pairing: str = "interleaved") -> Tensor:
    """Each pair (a, b) becomes (−b, a): a turn by 90°. The shape stays `(..., dim)`."""
    _check_pairing(pairing)
    if pairing == "half":
        a, b = x.chunk(2, dim=-1)
        return torch.cat((-b, a), dim=-1)
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((-b, a), dim=-1).flatten(-2)


def interleaved_to_half(dim: int) -> Tensor:
    """The order 0, 2, 4, …, 1, 3, 5, …: what is interleaved, taken in this order, is in halves.

    `rotate(x, …, "interleaved")[..., order]` equals `rotate(x[..., order], …, "half")`, and scores do
    not change, as a dot product has no order. The rows of W_Q and W_K of a head are converted by it.

    Returns: int64 `(dim,)`. Raises: ValueError for an odd `dim`.
    """
    frequencies(dim)
    return torch.cat((torch.arange(0, dim, 2), torch.arange(1, dim, 2)))


def alibi_slopes(num_heads: int) -> Tensor:
    """How much a score loses for each position of distance, one slope a head.

    For 8 heads 1/2, 1/4, … 1/256; for any power of two the geometric series from 2^(−8/n) down to
    2^−8. Otherwise those of the next smaller power of two, then every second one of the next larger.

    Returns: float32 `(num_heads,)`. Raises: ValueError for fewer than one head.
    Source: Press et al. 2022, section 3, and `get_slopes` of the authors' code.
    """
    num_heads = check_whole("num_heads", num_heads)

    def series(n: int) -> list[float]:
        return [2 ** (-8 * (i + 1) / n) for i in range(n)]

    smaller = 1 << (num_heads.bit_length() - 1)  # the largest power of two that is not above num_heads
    return torch.tensor((series(smaller) + series(2 * smaller)[0::2])[:num_heads], dtype=torch.float32)


def _check_floating(name: str, x: Tensor) -> None:
    if not isinstance(x, Tensor) or x.ndim < 2 or not x.is_floating_point():
        got = f"{shape(x)} of {x.dtype}" if isinstance(x, Tensor) else type(x).__name__
        raise ValueError(f"{name} must be floating point, (..., positions, features), got {got}")


def _check_features(name: str, x: Tensor, wanted: str, dim: int) -> None:
    _check_floating(name, x)
    if x.shape[-1] != dim:
        raise ValueError(f"{name} has {x.shape[-1]} features but this encoding has {wanted}={dim}")


def _check_pairing(pairing: str) -> None:
    if pairing not in PAIRINGS:
        raise ValueError(f"pairing must be one of {', '.join(PAIRINGS)}, got {pairing!r}")
