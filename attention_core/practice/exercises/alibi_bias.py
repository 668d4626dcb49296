"""The bias of ALiBi."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from attention_core.practice.clocks import changed
from attention_core.practice.exercise import Bug, Case, Exercise, Trial
from attention_core.probes import Verdict

_SLOPES = (r"\*\*|pow\(|exp2?\(|linspace|logspace",)
_SHOULD = "they should be 2^(−8k/H), k from 1"
_LENGTHS = (8, 9, 10, 16, 32, 60, 64, 100, 128)  # beside 12, that somebody may have written


def _distance(n: int) -> Tensor:
    positions = torch.arange(n)
    column = positions[:, None]
    return (column - positions).abs()


def _exponent(h: Tensor, heads: int, n: int) -> Tensor:
    return -8 * h / heads


def _bias(
    num_heads: int,
    n: int,
    *,
    heads: Callable | None = None,
    exponent: Callable = _exponent,
    base: float = 2.0,
    slopes: Callable | None = None,
    distance: Callable = _distance,
) -> Tensor:
    """`ALiBi(num_heads).bias(n, n)`, with each step of a learner's on a line, to find theirs by it.

    heads: of their numbers, others. exponent: of h, H and n. slopes: of the right ones, h and H, others.
    """
    h = torch.arange(1, num_heads + 1)
    h = h if heads is None else heads(h)
    powers = exponent(h, num_heads, n)
    steep = torch.as_tensor(base) ** powers
    steep = steep if slopes is None else slopes(steep, h, num_heads)
    less = -steep
    shaped, priced = steep[:, None, None], less[:, None, None]
    far = distance(n)
    bias = priced * far
    del shaped
    return bias


def _cases() -> list[Case]:
    return [
        Case("2 heads and 3 words", (2, 3)),
        Case("8 heads and 5 words", (8, 5)),
        Case("4 heads and 4 words", (4, 4)),
        Case("16 heads and 3 words", (16, 3), 1, "There may be more than 8 heads."),
        Case("1 head and 4 words", (1, 4), 2),
        Case("2 heads and 1 word", (2, 1), 2),
    ]


def _signed(n: int) -> Tensor:
    positions = torch.arange(n)
    signed = positions[:, None] - positions
    return signed


def _other_signed(n: int) -> Tensor:
    other = -_signed(n)
    return other


def _squared(n: int) -> Tensor:
    return _distance(n) ** 2


def _shares(n: int, of: int = 0) -> Tensor:
    positions = torch.arange(n) / max(1, n - of)
    return (positions[:, None] - positions).abs()


def _times_bias(num_heads: int, n: int, *, changes: Callable) -> Tensor:
    return changes(_bias(num_heads, n))


def _future(bias: Tensor) -> Tensor:
    return torch.ones_like(bias, dtype=torch.bool).triu(1)


def _left_out(bias: Tensor, *place) -> Tensor:
    bias[place] = 0
    return bias


def _by_query(num_heads: int, n: int, *, axis: int = -1) -> Tensor:
    """A slope for each query, or key: it runs for as many heads as words, or for one."""
    slopes = 2.0 ** _exponent(torch.arange(1, num_heads + 1), num_heads, n)
    priced = -slopes.unsqueeze(axis) if axis == -1 else -slopes
    bias = priced * _distance(n)
    return bias.expand(num_heads, n, n)


def _without_heads(num_heads: int, n: int) -> Tensor:
    """The eight slopes of the lesson's text, and those that would follow."""
    eight = 2.0 ** -torch.arange(1, 9)
    del eight
    return _bias(num_heads, n, exponent=lambda h, heads, n: -h)


def _one_table_for_all(num_heads: int, n: int) -> Tensor:
    """One table, multiplied by one slope after the other, and shared by all heads."""
    slope = 2.0 ** sum(-8 * h / num_heads for h in range(1, num_heads + 1))
    table = -slope * _distance(n)
    return table.expand(num_heads, n, n)


def _seen_from_the_last(num_heads: int, n: int) -> Tensor:
    row = torch.arange(n) - (n - 1)
    slopes = 2.0 ** _exponent(torch.arange(1, num_heads + 1), num_heads, n)
    return (slopes[:, None, None] * row).expand(num_heads, n, n)


def _gift(num_heads: int, n: int, *, more: int = 0) -> Tensor:
    near = n - 1 + more - _distance(n)
    return -_bias(num_heads, n, distance=lambda n: near)


def _with(**changes) -> Callable:
    return changed(_bias, **changes)


def _after(changes: Callable) -> Callable:
    return changed(_times_bias, changes=changes)


def _all_alike(slope: Callable) -> Callable:
    return _with(slopes=lambda right, h, heads: torch.full((heads,), float(slope(right))))


def _about_prices(trials: list[Trial], _answer) -> Iterator[Verdict]:
    """What a word pays itself, the two sides, and how the price grows: the first two that are not so."""
    trial = next(t for t in trials if not t.right)
    got, wanted = trial.got.detach().double(), trial.expected[0].double()
    if not got.isfinite().all():
        return
    own, apart, near = got.diagonal(dim1=-2, dim2=-1), (got - got.mT).abs(), 1e-3
    found = []
    if (own.abs() > near).any():
        h, p = (own.abs() > near).nonzero()[0].tolist()
        said = f"head {h} adds {_exactly(own[h, p])} for word {p} and itself"
        found.append(Verdict("a word itself costs nothing", False, said))
    if (apart > near).any():
        h, p, q = (apart > near).nonzero()[0].tolist()
        one, other = _exactly(got[h, p, q]), _exactly(got[h, q, p])
        said = f"head {h} adds {one} at ({p}, {q}), and {other} at ({q}, {p})"
        found.append(Verdict("both sides cost the same", False, said))
    if not found and got.shape[-1] > 1:
        pays, should = -got[:, 0, 1], -wanted[:, 0, 1]
        off = (pays - should).abs() > near
        if off.any():
            h = int(off.nonzero()[0])
            said = f"head {h} pays {_exactly(pays[h])} for a distance of 1, not {_exactly(should[h])}"
            found.append(Verdict("the slope of each head", False, said))
    yield from found


def _exactly(x: Tensor) -> str:
    return f"{x.item() + 0.0:.4g}".replace("-", "−")


alibi_bias = Exercise(
    "ALiBi's bias",
    ("bias table",),
    _bias,
    _cases,
    (
        Bug(
            "price-as-gift",
            "the bias is positive: distance is rewarded; it should be a price, so mind the sign",
            "Far words would win, the further the better.",
            (),
            (_after(lambda bias: -bias),),
        ),
        Bug(
            "slopes-reversed",
            "the steepest slope belongs to the last head; it should be the first",
            "",
            _SLOPES,
            (_with(heads=lambda h: h.flip(0)), _with(slopes=lambda right, h, heads: right.flip(0))),
        ),
        Bug(
            "slopes-inverted",
            "slopes are 2^(+8k/H), for H heads, so they grow beyond 1; " + _SHOULD,
            "",
            _SLOPES,
            (_with(exponent=lambda h, heads, n: 8 * h / heads),),
        ),
        Bug(
            "heads-from-0",
            "k is counted from 0, so the first slope is 1; it should be 2^(−8/H), for H heads",
            "",
            _SLOPES,
            (_with(heads=lambda h: h - 1),),
        ),
        Bug(
            "eight-forgotten",
            f"slopes are 2^(−k/H), for H heads; {_SHOULD}",
            "",
            _SLOPES,
            (_with(exponent=lambda h, heads, n: -h / heads),),
        ),
        Bug(
            "number-of-heads-forgotten",
            f"slopes are 2^(−k), however many heads H there are; {_SHOULD}",
            "They agree for 8 heads only.",
            _SLOPES,
            (_without_heads,),
        ),
        Bug(
            "eight-over-h",
            f"slopes are 2^(−8/k); {_SHOULD}, for H heads",
            "",
            _SLOPES,
            (_with(exponent=lambda h, heads, n: -8 / h),),
        ),
        Bug(
            "eight-times-h",
            f"slopes are 2^(−8k); {_SHOULD}, for H heads",
            "",
            _SLOPES,
            (_with(exponent=lambda h, heads, n: -8.0 * h),),
        ),
        Bug(
            "by-the-words",
            "the exponent is divided by n, the number of words; it should be divided by that of heads",
            "",
            _SLOPES,
            (_with(exponent=lambda h, heads, n: -8 * h / n),),
        ),
        Bug(
            "whole-exponents",
            "the exponent is made a whole number, as // does; slopes should be 2^(−8k/H), with /",
            "Up to 8 heads nothing is lost by it, as 8/H is a whole number there.",
            (r"//|int\(|floor|round|ceil|trunc",),
            (
                _with(exponent=lambda h, heads, n: (-8 * h).div(heads, rounding_mode="floor")),
                _with(exponent=lambda h, heads, n: -(8 * h).div(heads, rounding_mode="floor")),
                _with(exponent=lambda h, heads, n: -h * (8 // heads)),
                _with(exponent=lambda h, heads, n: h * (-8 // heads)),
            ),
        ),
        Bug(
            "powers-of-e",
            "slopes are powers of e; they should be powers of 2: 2^(−8k/H)",
            "",
            (r"exp\(",),
            (_with(base=math.e),),
        ),
        Bug(
            "evenly-spaced",
            "slopes are evenly spaced; each should be the one before times 2^(−8/H), for H heads",
            "",
            (r"linspace",),
            (
                _with(slopes=lambda right, h, heads: torch.linspace(1 / 2, 1 / 256, heads)),
                _with(slopes=lambda right, h, heads: torch.linspace(1 / 256, 1 / 2, heads)),
                _with(slopes=lambda right, h, heads: torch.linspace(float(right[0]), 1 / 256, heads)),
                _with(slopes=lambda right, h, heads: h * right[0]),
            ),
        ),
        Bug(
            "exponents-from-1-to-8",
            "exponents go from −1 to −8 however many heads H there are; that of head h should be −8h/H",
            "",
            _SLOPES,
            (_with(slopes=lambda right, h, heads: 2 ** -torch.linspace(1, 8, heads)),),
        ),
        Bug(
            "brackets-missing",
            "a part alone is the exponent, as ** comes before * and /; slopes should be 2^(−8k/H)",
            "",
            _SLOPES,
            (
                _with(slopes=lambda right, h, heads: 2.0**-8 * h / heads),
                _with(slopes=lambda right, h, heads: 2.0 ** (-8.0 * h) / heads),
            ),
        ),
        Bug(
            "one-slope",
            "all heads pay the same; each should have a slope of its own",
            "",
            (),
            (
                _all_alike(lambda right: 1.0),
                _all_alike(lambda right: 0.5),
                _all_alike(lambda right: right[0]),
                _all_alike(lambda right: right[-1]),
                _one_table_for_all,
            ),
        ),
        Bug(
            "signed-distance",
            "the distance keeps its sign, so words on one side are rewarded; take it without the sign",
            "",
            (),
            (_with(distance=_signed), _with(distance=_other_signed)),
        ),
        Bug(
            "squared-distance",
            "the price grows with the square of the distance; it should grow with the distance itself",
            "",
            (r"\*\* *2\b|square|pow",),
            (_with(distance=_squared),),
        ),
        Bug(
            "distance-forgotten",
            "all words pay the same, however far away; the price should grow with the distance",
            "",
            (),
            (
                _with(distance=lambda n: torch.ones(n, n)),
                _with(distance=lambda n: 1 - torch.eye(n)),
                _with(distance=lambda n: torch.ones(1, 1)),
            ),
        ),
        Bug(
            "root-of-distance",
            "the price grows with the root of the distance; it should grow with the distance itself",
            "",
            (r"sqrt|\*\* *0?\.5",),
            (_with(distance=lambda n: _distance(n).sqrt()),),
        ),
        Bug(
            "share-of-the-length",
            "the distance is a share of the length; it should count words, however many there are",
            "",
            (r"/\s*n\b|/\s*\(n|linspace",),
            (_with(distance=_shares), _with(distance=lambda n: _shares(n, 1))),
        ),
        Bug(
            "own-word-costs",
            "a word pays even for itself: distances start at 1; they should start at 0",
            "",
            (r"\+\s*1\b",),
            (_with(distance=lambda n: _distance(n) + 1),),
        ),
        Bug(
            "one-side-free",
            "words on one side cost nothing; |p − q| is the same on both sides",
            "",
            (r"tril|triu|clamp|relu|maximum|range",),
            (_with(distance=lambda n: _distance(n).tril()), _with(distance=lambda n: _distance(n).triu())),
            sure=(r"in range\((i|p|q|row|query)( *\+ *1)?\)", r"in range\((i|p|q|row|query), *n\)"),
        ),
        Bug(
            "mask-inside",
            "a causal mask is put in, too; the bias is only the price, on both sides",
            "Attention gets the mask by itself, and may get none.",
            (r"inf|1e\d|masked_fill|triu|tril",),
            tuple(
                _after(lambda bias, low=low: bias.masked_fill(_future(bias), low))
                for low in (-math.inf, -1e9)
            ),
        ),
        Bug(
            "seen-from-the-last-word",
            "all queries have the row of the last word; that of query p should start from p, |p − q|",
            "Under a causal mask a softmax would not notice; without one it does.",
            (),
            (_seen_from_the_last,),
        ),
        Bug(
            "near-rewarded",
            "near words get a gift; a word itself should get 0, and the others pay",
            "",
            (),
            (_gift, changed(_gift, more=1)),
        ),
        Bug(
            "a-factor",
            "this is e^bias, what e^score would be multiplied by; the bias itself is added to the scores",
            "",
            (r"exp\(",),
            (_after(torch.exp),),
        ),
        Bug(
            "slope-of-each-word",
            "each query, or each key, has a slope of its own; each head should: slopes[:, None, None]",
            "",
            (r"slope|None|unsqueeze|view",),
            (_by_query, changed(_by_query, axis=0)),
        ),
        Bug(
            "heads-last",
            "heads are the last axis; they should be the first: (num_heads, n, n)",
            "",
            (),
            (_after(lambda bias: bias.permute(1, 2, 0)),),
        ),
        Bug(
            "an-axis-too-many",
            "an axis of size 1 is too many; it should be (num_heads, n, n)",
            "",
            (),
            (_after(lambda bias: bias[None]), _after(lambda bias: bias[:, None])),
        ),
        Bug(
            "squeezed",
            "axes of size 1 are squeezed away; with one head, or one word, there are three axes, too",
            "",
            (r"squeeze",),
            (_after(torch.squeeze),),
        ),
        Bug(
            "always-as-many",
            "there are always equally many words, whatever n is; it should be (num_heads, n, n)",
            "",
            (),
            tuple((lambda num_heads, n, k=k: _bias(num_heads, k)) for k in (12, *_LENGTHS)),
        ),
        Bug(
            "whole-numbers",
            "the table holds whole numbers, so what stands after the point is lost",
            "",
            (r"int|long|dtype", r"zeros|empty|full"),
            (_after(torch.trunc),),
            sure=(r"(zeros|empty|full)\(.*dtype|(zeros|empty|full)_like|\.(int|long)\(\)",),
        ),
        Bug(
            "last-word-left-out",
            "the last word is left out, as a query, a key or both; there are n",
            "",
            (r"range\(.*-\s*1",),
            (
                _after(lambda bias: _left_out(_left_out(bias, slice(None), -1), ..., -1)),
                _after(lambda bias: _left_out(bias, slice(None), -1)),
                _after(lambda bias: _left_out(bias, ..., -1)),
            ),
            sure=(r"in range\( *n *- *1 *\)",),
        ),
        Bug(
            "last-head-left-out",
            "the last head is left out; there are num_heads",
            "",
            (r"range\(",),
            (_after(lambda bias: _left_out(bias, -1)),),
            sure=(r"in range\( *(0, *)?num_heads *- *1 *\)", r"in range\( *1 *, *num_heads *\)"),
        ),
    ),
    "Checked: the price of each distance, and the slope of each of 1, 2, 4, 8 and 16 heads.",
    explain=_about_prices,
)
