"""The rotation of rotary encoding."""

from collections.abc import Iterator

import torch
from torch import Tensor

from attention_core._saying import number
from attention_core.agreement import rounding
from attention_core.positional_encoding import quarter_turn, rotary_table
from attention_core.practice.clocks import (
    angles_of,
    bugs_of_angles,
    changed,
    halves,
    in_turn,
    stacked_before_rows,
    stacked_first,
)
from attention_core.practice.exercise import Bug, Case, Exercise, Trial, random
from attention_core.probes import Verdict

_SIGNS = (  # lines with a wrong sign: where results fill a tensor, a right one may complete what is wrong
    r"\ba *\*[^+,]*\bc(os)?\b[^+,]*\+ *b\b",
    r"\ba *\*[^-,]*\bs(in)?\b[^-,]*- *b\b",
    r"\bb *\*[^-,]*\bc(os)?\b[^-,]*- *a\b",
)
_LAYOUT = (r"0::2|1::2|stack|cat\(|chunk|repeat", r"flatten|reshape|view")


def _rotate_reference(x: Tensor, base: float = 10000.0) -> Tensor:
    """`rotate_by_position`, with each step of a learner's on a line, so that theirs can be found by it."""
    angles = angles_of(*x.shape[-2:], base)
    twice = angles.repeat_interleave(2, -1)
    cos, sin = angles.cos().to(x), angles.sin().to(x)
    cosines, sines = twice.cos().to(x), twice.sin().to(x)
    a, b = x[..., 0::2], x[..., 1::2]
    first, second = a * cos - b * sin, a * sin + b * cos
    turned = torch.stack((first, second), dim=-1).flatten(-2)
    del cosines, sines
    return turned


_VIEW = "Words need not lie one after another in memory: where view refuses, reshape copies."
_FAR = rounding(torch.float32, size=4 * 5001)  # an angle in float32 is off by as many units as it has turns


def _cases() -> list[Case]:
    few = torch.tensor([[1.0, 0.0, 1.0, 0.0]]).repeat(3, 1)
    axes = "Words and features are the last two axes of x; any number may stand before them, or none."
    dtype = "x is float64 here; .to(x) gives a table the dtype of x."
    last, long = "base is its last argument.", "There may be any number of words."
    wide = random(5, 8, seed=64, dtype=torch.float64)
    turned = random(3, 4, 6, seed=67).transpose(0, 1)
    return [
        Case("3 equal words of 2 pairs, each pair (1, 0)", (few,), 0, axes, (("x", few),)),
        Case("5 random words of 8 features", (random(5, 8, seed=61),), 0, axes),
        Case("2 × 3 sequences of 4 words with 6 features", (random(2, 3, 4, 6, seed=62),), 0, axes),
        Case("4 words of 10 features, and base 100", (random(4, 10, seed=63), 100.0), 1, last),
        Case("4 words of 10 features, after a call with base 100", (random(4, 10, seed=65),), 2),
        Case("5 words of 8 features, float64", (wide,), 3, dtype),
        Case("4 × 3 words of 6 features, that were transposed", (turned,), 3, _VIEW),
        Case("5001 words of 2 features", (random(5001, 2, seed=66),), 3, long, near=_FAR),
    ]


def _turned(x: Tensor, base: float = 10000.0, *, combine=None, layout=in_turn, **changes) -> Tensor:
    angles = angles_of(*x.shape[-2:], base, **changes)
    twice = angles.repeat_interleave(2, -1)
    a, b = x[..., 0::2].double(), x[..., 1::2].double()
    return _turn(a, b, angles, combine or _two, layout, twice)


def _turn(
    a: Tensor, b: Tensor, angles: Tensor, combine=None, layout=in_turn, twice: Tensor | None = None
) -> Tensor:
    """The two results stand on a line of their own, so that a learner's wrong one can be found by it."""
    cos, sin = angles.cos(), angles.sin()
    first, second = (combine or _two)(a, b, cos, sin)
    return layout(first, second)


def _two(a: Tensor, b: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor]:
    return a * cos - b * sin, a * sin + b * cos


def _one_after_the_other(a: Tensor, b: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor]:
    first = a * cos - b * sin
    return first, first * sin + b * cos


def _the_other_after_one(a: Tensor, b: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor]:
    second = a * sin + b * cos
    return a * cos - second * sin, second


def _read_as_halves(x: Tensor, base: float = 10000.0) -> Tensor:
    a, b = x.double().chunk(2, dim=-1)
    return in_turn(*_two(a, b, *_waves(x, base)))


def _waves(x: Tensor, base: float) -> tuple[Tensor, Tensor]:
    angles = angles_of(*x.shape[-2:], base)
    return angles.cos(), angles.sin()


def _mixed(
    x: Tensor, base: float = 10000.0, *, cos: str = "half", sin: str = "half", turn: str = "interleaved"
) -> Tensor:
    positions, dim = torch.arange(x.shape[-2]), x.shape[-1]
    cosines, sines = rotary_table(positions, dim, base, cos)[0], rotary_table(positions, dim, base, sin)[1]
    return (x * cosines + quarter_turn(x, turn) * sines).float()


def _every_second_of_halves(x: Tensor, base: float = 10000.0) -> Tensor:
    """The tables are laid out for halves, and every second column of them is taken."""
    cos, sin = (wave[:, 0::2] for wave in rotary_table(torch.arange(x.shape[-2]), x.shape[-1], base, "half"))
    return in_turn(*_two(x[..., 0::2], x[..., 1::2], cos, sin))


def _each_its_own(x: Tensor, base: float = 10000.0, *, exponent=None) -> Tensor:
    """Each feature has a frequency of its own."""
    n, dim = x.shape[-2:]
    j = torch.arange(dim, dtype=torch.float64)
    share = (j if exponent is None else exponent(j)) / dim
    omega = float(base) ** -share
    angles = torch.arange(n, dtype=torch.float64)[:, None] * omega
    return (x * angles.cos() + quarter_turn(x) * angles.sin()).float()


def _added(x: Tensor, base: float = 10000.0, *, layout=lambda cos, sin: in_turn(sin, cos)) -> Tensor:
    return x + layout(*_waves(x, base))


def _times(x: Tensor, base: float = 10000.0, *, layout=in_turn) -> Tensor:
    cos, sin = _waves(x, base)
    table = layout(cos, sin)
    return x * table


def _along_the_first(x: Tensor, base: float = 10000.0) -> Tensor:
    places = torch.arange(x.shape[0]).view(-1, *[1] * (x.ndim - 1))
    return _along(x, base, places)


def _along_the_heads(x: Tensor, base: float = 10000.0) -> Tensor:
    before = -3 if x.ndim > 2 else -2
    places = torch.arange(x.shape[before]).view(-1, *[1] * (-1 - before))
    return _along(x, base, places)


def _along(x: Tensor, base: float, places: Tensor) -> Tensor:
    angles = places * angles_of(2, x.shape[-1], base)[1]
    return _turn(x[..., 0::2], x[..., 1::2], angles)


def _counted_on(x: Tensor, base: float = 10000.0, *, axes: int = 9) -> Tensor:
    """Positions run through all sequences, or through those of the last so many axes before the words."""
    before = -1 - min(axes + 1, x.ndim - 1)  # what is flattened is no mistake yet, so it stays in the line
    return _rotate_reference(x.flatten(before, -2), base).reshape(x.shape)


def _left_out(x: Tensor, base: float = 10000.0, *, words=slice(None), features=slice(None), kept=1) -> Tensor:
    turned = _rotate_reference(x, base)
    turned[..., words, features] = kept * x[..., words, features]
    return turned


def _about_lengths(trials: list[Trial], _answer) -> Iterator[Verdict]:
    """Whether a turn keeps the length of each pair, and whether position 0 changes nothing."""
    trial = next(t for t in trials if not t.right)
    x, got = trial.case.inputs[0].double(), trial.got.detach().double()
    if not got.isfinite().all():
        return
    before, after = ((y[..., 0::2] ** 2 + y[..., 1::2] ** 2).sqrt() for y in (x, got))
    off = (before - after).abs() > 1e-2
    if off.any():
        *lead, p, i = off.nonzero()[0].tolist()
        place = ", ".join(map(str, (*lead, p)))
        was, became = (number(y[(*lead, p, i)]) for y in (before, after))
        said = f"features {2 * i} and {2 * i + 1} of x[{place}] have length {was}, and then {became}"
        yield Verdict("each pair keeps its length", False, said)
    elif (got[..., 0, :] - x[..., 0, :]).abs().max() > 1e-2:
        yield Verdict("position 0 is not turned", False, "the first word of a sequence comes back as another")


rotate = Exercise(
    "rotation",
    ("turned",),
    _rotate_reference,
    _cases,
    (
        Bug(
            "mixed-tables",
            "cosines or sines are laid out for one pairing, and the pairs are turned in the other",
            "It runs, and the score no longer depends on the distance alone.",
            (r"repeat|cat\(|tile", *_LAYOUT),
            (
                _mixed,
                changed(_mixed, cos="interleaved", sin="interleaved", turn="half"),
                changed(_mixed, cos="interleaved"),
                changed(_mixed, sin="interleaved"),
                changed(_mixed, cos="interleaved", turn="half"),
                changed(_mixed, sin="interleaved", turn="half"),
                _every_second_of_halves,
            ),
        ),
        Bug(
            "half-pairing",
            "feature i is paired with feature i + dim/2; here pairs are neighbours, (0, 1), (2, 3), …",
            "Either is a rotation, but weights made for one are wrong with the other.",
            _LAYOUT,
            (changed(_mixed, turn="half"),),
        ),
        Bug(
            "read-as-halves",
            "pairs are read as (i, i + dim/2), but written as neighbours; they are neighbours in both",
            "",
            _LAYOUT,
            (_read_as_halves,),
        ),
        Bug(
            "not-taking-turns",
            "the numbers are right, but all a stand before all b; the two of a pair should stay neighbours",
            "",
            _LAYOUT,
            (changed(_turned, layout=halves),),
        ),
        Bug(
            "joined-along-the-words",
            "the two results are joined along the wrong axis, so a word holds features of others",
            "torch.stack((first, second), dim=-1).flatten(-2) lets them take turns in each word.",
            (r"stack|cat\(", r"reshape|view"),
            (
                changed(_turned, layout=stacked_first),
                changed(_turned, layout=stacked_before_rows),
            ),
        ),
        Bug(
            "clockwise",
            "it turns the other way round: a cos + b sin, b cos − a sin",
            "Scores would still be relative, but not those of a model trained with the other sense.",
            (r"sin",),
            (changed(_turned, spin=torch.neg),),
            sure=_SIGNS,
        ),
        Bug(
            "reflected",
            "each pair is mirrored, not turned; it should be a cos − b sin, a sin + b cos",
            "Even at position 0, where nothing turns, the second feature changes its sign.",
            (r"sin",),
            (
                changed(_turned, combine=lambda a, b, c, s: (a * c + b * s, a * s - b * c)),
                changed(_turned, combine=lambda a, b, c, s: (a * c - b * s, -a * s - b * c)),
            ),
        ),
        Bug(
            "one-sign",
            "one sign is wrong, so lengths change; it should be a cos − b sin, a sin + b cos",
            "",
            (r"sin",),
            (
                changed(_turned, combine=lambda a, b, c, s: (a * c - b * s, a * s - b * c)),
                changed(_turned, combine=lambda a, b, c, s: (a * c + b * s, a * s + b * c)),
                changed(_turned, combine=lambda a, b, c, s: (a * c - b * s, b * c - a * s)),
            ),
            sure=_SIGNS,
        ),
        Bug(
            "sine-and-cosine-exchanged",
            "sine and cosine are exchanged; it should be a cos − b sin, a sin + b cos",
            "At position 0 the cosine is 1 and the sine 0: nothing should change there.",
            (r"sin|cos",),
            (
                changed(_turned, combine=lambda a, b, c, s: (a * s - b * c, a * c + b * s)),
                changed(_turned, combine=lambda a, b, c, s: (a * s + b * c, a * c - b * s)),
            ),
            sure=(r"^sin\w*(, *cos\w*)? *=[^,]*cos", r"^cos\w*(, *sin\w*)? *=[^,]*sin", *_SIGNS),
        ),
        Bug(
            "overwritten",
            "one feature of a pair is overwritten while the other still needs its old value",
            "Keep both old values until both new ones are made; a slice is a view, so .clone() it.",
            (r"1::2\] *=|\bb *=",),
            (
                changed(_turned, combine=_one_after_the_other),
                changed(_turned, combine=_the_other_after_one),
            ),
        ),
        Bug(
            "added",
            "the sinusoids are added to x; each pair of x should be turned",
            "What is added to a query mixes with everything in W; a turn is undone by the key's own turn.",
            (r"x\s*\+|\+\s*x\b|\+=",),
            (
                _added,
                changed(_added, layout=lambda cos, sin: in_turn(cos, sin)),
                changed(_added, layout=lambda cos, sin: halves(sin, cos)),
            ),
        ),
        Bug(
            "x-kept",
            "x is added to the turned x; only the turned one should come back",
            "",
            (r"x\s*\+|\+\s*x\b|\+=",),
            (lambda x, base=10000.0: x + _rotate_reference(x, base),),
        ),
        Bug(
            "multiplied",
            "x is multiplied by sines or cosines, feature by feature; each pair of x should be turned",
            "A turn mixes the two features of a pair: a cos − b sin, a sin + b cos.",
            (r"x\s*\*|\*\s*x\b|\*=",),
            (
                _times,
                changed(_times, layout=lambda cos, sin: in_turn(sin, cos)),
                changed(_times, layout=lambda cos, sin: in_turn(cos, cos)),
                changed(_times, layout=halves),
                changed(_times, layout=lambda cos, sin: halves(sin, cos)),
            ),
        ),
        Bug(
            "only-the-first-pair",
            "only the first pair turns visibly; pair i should turn by base^(−2i/dim) a position",
            "",
            (),
            (changed(_left_out, features=slice(2, None)),),
        ),
        *bugs_of_angles(_turned),
        Bug(
            "no-pairs",
            "every feature has a frequency of its own; the two of a pair should share one",
            "Only then are the two turned together, and keep their length.",
            (r"range\( *dim *\)", r"\*\*|pow\(|exp\("),
            (_each_its_own, changed(_each_its_own, exponent=lambda j: 2 * j)),
        ),
        Bug(
            "wrong-axis",
            "positions run along another axis than the words': the sequences are counted, not the words",
            "Words of one sequence all turn alike, so their order stays invisible.",
            (r"shape\[|size\(|len\(",),
            (_along_the_first, _along_the_heads),
        ),
        Bug(
            "counted-on",
            "counting goes on from one sequence to the next; the first word of each is position 0",
            "",
            (r"reshape|view|flatten",),
            (_counted_on, changed(_counted_on, axes=1)),
        ),
        Bug(
            "last-pair-left-out",
            "the last pair of features is left out; there are dim/2",
            "",
            (r"range\(.*-\s*1",),
            tuple(changed(_left_out, features=slice(-2, None), kept=kept) for kept in (1, 0)),
            sure=(r"in range\(.*- *[12](, *2)? *\)",),
        ),
        Bug(
            "first-pair-left-out",
            "the first pair of features is left out; it turns, too, and fastest",
            "",
            (r"range\(\s*1\s*,",),
            tuple(changed(_left_out, features=slice(0, 2), kept=kept) for kept in (1, 0)),
            sure=(r"in range\( *[12] *,",),
        ),
        Bug(
            "last-word-left-out",
            "the last word is left out; there are n",
            "",
            (r"range\(.*-\s*1",),
            tuple(changed(_left_out, words=slice(-1, None), kept=kept) for kept in (1, 0)),
            sure=(r"in range\(.*- *1 *\)",),
        ),
        Bug(
            "base-ignored",
            "base is taken as 10000 whatever is given",
            "",
            (r"10_?000|1e4",),
            (lambda x, base=10000.0: _rotate_reference(x),),
        ),
        Bug(
            "base-remembered",
            "the base of an earlier call is used again; what is kept must be kept by its base, too",
            "",
            (),
            (lambda x, base=10000.0: _rotate_reference(x, 100.0 if x.shape == (4, 10) else base),),
        ),
    ),
    "Checked: each pair turned by its own angle, batches and heads, another base, float64, and 5001 words.",
    explain=_about_lengths,
    learns=0,
)
