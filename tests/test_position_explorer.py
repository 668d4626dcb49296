"""The explorers of positions, driven through their traits, without a browser."""

import base64
import math

import numpy as np
import pytest
import torch
import traitlets
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from attention_core import (
    ALiBi,
    PositionalEncoding,
    RotaryEncoding,
    alibi_slopes,
    causal_mask,
    scaled_dot_product_attention,
    sinusoidal_table,
    words,
)
from attention_core.agreement import agree, rounding
from attention_core.live import PositionExplorer, SinusoidExplorer
from attention_core.live.explorers.sinusoids import BASES
from attention_core.live.remarks import unlisted

SENTENCE = "the cat sat on the mat because it was tired"
SCHEMES = ["none", "sinusoidal", "learned", "rotary", "ALiBi", "relative"]
PLACED = SCHEMES[1:]
COMPARISONS = ["sinusoids", "sinusoids through W", "RoPE through W"]
AS_SENT = rounding(torch.float32)  # computed in float64, and rounded once


def control(explorer, description):
    """The widget with this label in the bar of controls."""
    (found,) = (c for c in explorer.children[0].children if c.description == description)
    return found


def is_toeplitz(x, off=AS_SENT):
    shift = x[..., 1:, 1:] - x[..., :-1, :-1]
    return shift.abs().max().item() <= off


def spread_off(explorer):
    """How far rounding may take cosines of equal distance, in float64.

    Their sums are of `dim`: through W, of a length, of the cosine. Angles reach `length` radians, and what
    is summed through W is up to 9 times the sum.
    """
    return rounding(torch.float64, *[explorer.dim] * 3, size=explorer.length + 9)


# ---------------------------------------------------------------- sinusoids, hands and similarity


@settings(max_examples=25, deadline=None)
@given(half=st.integers(1, 32), exponent=st.floats(0.5, 6), length=st.integers(2, 40), data=st.data())
def test_similarity_is_what_the_formula_says_and_depends_on_the_distance_only(half, exponent, length, data):
    base = 10**exponent
    explorer = SinusoidExplorer(length, dim=2 * half, base=base)
    p, q = (data.draw(st.integers(0, length - 1)) for _ in "pq")
    cosines = [math.cos((q - p) / base ** (i / half)) for i in range(half)]
    assert agree(explorer.similarities[p, q], torch.tensor(sum(cosines) / half))
    assert is_toeplitz(explorer.similarities)
    assert explorer.spread <= spread_off(explorer)


@pytest.mark.parametrize("dim", [4, 16, 48])
@pytest.mark.parametrize("base", [10.0, 10000.0])
def test_a_matrix_between_sinusoids_ends_that_and_rope_survives_it(dim, base):
    explorer = SinusoidExplorer(dim=dim, base=base)
    explorer.comparison = "sinusoids through W"
    assert not is_toeplitz(explorer.similarities)
    assert explorer.spread > 0.1
    explorer.comparison = "RoPE through W"
    assert is_toeplitz(explorer.similarities)
    assert explorer.spread <= spread_off(explorer)
    assert explorer.similarities.abs().max() <= 1 + AS_SENT
    assert not torch.allclose(explorer.similarities, explorer.similarities.T, atol=0.01)  # W is at work


def curve_sent(explorer):
    """The curve that its page draws."""
    (frame,) = explorer.curve._frame
    return {name: np.frombuffer(frame[name], np.float32) for name in ("x", "y", "low", "high")}


def said(explorer):
    """The lines beside its curve."""
    return explorer.said._frame["said"].splitlines()


def test_what_the_page_is_sent_is_what_was_computed():
    explorer = SinusoidExplorer(20, dim=6, position=8, distance=3)
    sent = {"table": np.frombuffer(explorer.heatmap._frame["table"], np.float32), **curve_sent(explorer)}
    assert explorer.heatmap._frame["shape"] == [20, 6]
    assert np.array_equal(sent["table"].reshape(20, 6), sinusoidal_table(20, 6).numpy())
    assert torch.equal(explorer.table, sinusoidal_table(20, 6))
    assert torch.equal(explorer.weights, explorer.table)  # what its map shows
    assert sent["x"].tolist() == list(range(-19, 20)) and explorer.curve._frame[0]["at"] == 3
    line = sent["y"]  # distances −19 … 19, of which position 8 knows −8 … 11
    assert np.isnan(line[:11]).all() and np.isnan(line[31:]).all()
    assert np.array_equal(line[11:31], explorer.similarities[8].numpy())
    assert all(agree(torch.tensor(sent[end][11:31]), torch.tensor(line[11:31])) for end in ("low", "high"))


def test_the_band_holds_every_position_and_the_line_lies_within_it():
    explorer = SinusoidExplorer(24, dim=8, comparison="sinusoids through W")
    low, high = (curve_sent(explorer)[name] for name in ("low", "high"))
    for k in range(-23, 24):
        diagonal = np.diagonal(explorer.similarities.numpy(), k)
        assert low[23 + k] == diagonal.min() and high[23 + k] == diagonal.max()
    for explorer.position in (0, 3, 18):
        line = curve_sent(explorer)["y"]
        known = ~np.isnan(line)
        assert known.sum() == 24
        assert (line[known] >= low[known]).all() and (line[known] <= high[known]).all()


def test_it_says_in_words_what_the_hands_and_the_curve_show():
    explorer = SinusoidExplorer(dim=48, position=12, distance=5, pair=0)
    assert said(explorer) == [
        "Position 12, dimensions 0 and 1: sin −0.54, cos 0.84. This hand turns once in 6.3 positions, "
        "the next in 1.468 times as many.",
        "Positions 12 and 17, 5 apart: similarity 0.73, and the same for all that are as far apart.",
    ]
    explorer.position = 40
    assert said(explorer)[1].startswith("Positions 40 and 45, 5 apart: similarity 0.73, and the same")
    explorer.comparison = "sinusoids through W"
    assert "as far apart elsewhere: " in said(explorer)[1]
    explorer.dim = 2
    assert "the next" not in said(explorer)[0]


def test_wavelengths_grow_as_the_lesson_says():
    explorer = SinusoidExplorer(dim=48)
    ratios = explorer.wavelengths[1:] / explorer.wavelengths[:-1]
    assert [round(ratio, 3) for ratio in ratios.tolist()] == [1.468] * 23
    assert "wavelengths 6.3 to 42807, growing by 1.468" in repr(explorer)


def test_controls_and_the_map_drive_the_traits_and_follow_them():
    explorer = SinusoidExplorer()
    for label, name, value in (
        ("Position", "position", 20),
        ("Distance", "distance", 9),
        ("Dimensions", "dim", 16),
        ("Base", "base", 100.0),
        ("Compare", "comparison", "RoPE through W"),
    ):
        control(explorer, label).value = value
        assert getattr(explorer, name) == value
    explorer.heatmap.position, explorer.heatmap.distance, explorer.heatmap.pair = 3, 4, 5  # as a drag does
    assert (explorer.position, explorer.distance, explorer.pair) == (3, 4, 5)
    assert control(explorer, "Position").value == 3
    assert said(explorer)[0].startswith("Position 3, dimensions 10 and 11: ")
    explorer.dim, explorer.base = 100, 2.1e7  # beyond the one slider, between two steps of the other
    assert (control(explorer, "Dimensions").value, control(explorer, "Base").label) == (100, "20,000,000")
    assert (explorer.dim, explorer.base) == (100, 2.1e7)  # neither pulls back what was set


def test_both_positions_stay_on_the_map_and_the_pair_in_the_table():
    explorer = SinusoidExplorer(64, position=50, distance=5, pair=15, dim=32)
    explorer.distance = 40
    assert (explorer.position, control(explorer, "Position").max) == (23, 23)
    explorer.dim = 8
    assert explorer.pair == 3
    far, short = SinusoidExplorer(64, distance=60), SinusoidExplorer(2)  # the defaults give way too
    assert (far.position, far.distance, short.position, short.distance) == (3, 60, 0, 1)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("position", 59, "position must be a number from 0 to 58, got 59"),
        ("position", -1, "from 0 to 58, got -1"),
        ("distance", 64, "distance must be a number from 0 to 63, got 64"),
        ("pair", 16, "pair must be a number from 0 to 15, got 16"),
        ("dim", 7, "dim must be an even number from 2 to 128, got 7"),
        ("dim", 130, "from 2 to 128, got 130"),
        ("base", 0.5, "base must be a number from 1 to 1e8, got 0.5"),
        ("base", math.nan, "got nan"),
        ("comparison", "nothing", "nothing"),
    ],
)
def test_what_cannot_be_is_refused_and_the_old_one_stays(name, value, message):
    explorer = SinusoidExplorer()
    before, text = getattr(explorer, name), repr(explorer)
    with pytest.raises(traitlets.TraitError, match=message):
        setattr(explorer, name, value)
    assert getattr(explorer, name) == before and repr(explorer) == text


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="length must be a whole number from 2 to 256, got 1"):
        SinusoidExplorer(1)
    with pytest.raises(TypeError, match="no argument dims"):
        SinusoidExplorer(dims=8)
    with pytest.raises(TypeError, match="no argument shuffled"):
        PositionExplorer(shuffled=1)
    with pytest.raises(ValueError, match="scheme 'mine' needs the hooks embed, rotate and bias, got 3"):
        PositionExplorer(schemes={"mine": 3})


@pytest.mark.parametrize(
    ("make", "change"),
    [(SinusoidExplorer, {"position": 30}), (PositionExplorer, {"scheme": "rotary"})],
)
def test_a_saved_notebook_holds_a_line_of_facts_and_a_picture_of_what_is_shown(make, change):
    explorer, twin = make(), make()
    data, size = explorer._repr_mimebundle_()
    assert data["text/plain"] == repr(explorer) == repr(twin) and "\n" not in repr(explorer)
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert 300 < size["image/png"]["width"] < 1000
    for name, value in change.items():
        setattr(explorer, name, value)
    after = explorer._repr_mimebundle_()[0]
    assert after["image/png"] != data["image/png"] and after["text/plain"] != data["text/plain"]


def test_the_picture_holds_the_map_both_positions_and_the_words():
    explorer = SinusoidExplorer(32, dim=8, position=4, distance=6, pair=1)
    figure = explorer.figure()
    image = figure.axes[0].images[0]
    drawn = torch.tensor(np.asarray(image.get_array()))
    assert agree(drawn, explorer.table.T) and image.get_clim() == (-1, 1)
    hands = [line.get_xydata()[1] - line.get_xydata()[0] for line in figure.axes[1].lines]
    tips = torch.stack([explorer.table[p, 2 * i : 2 * i + 2] for i in range(4) for p in (10, 4)])
    assert agree(torch.tensor(np.array(hands)) / 0.4, tips)  # right is sine, up is cosine
    written = " ".join(text.get_text() for text in figure.axes[3].texts)
    assert all(line in written for line in said(explorer))


# ---------------------------------------------------------------- one sentence, every scheme


def by_hand(sentence, turn=lambda x: x, bias=0.0, added=0.0, allowed=None):
    """The layer of lesson 1 with positions put in by the arguments: weights."""
    x = words.embed(words.split(sentence)) + added
    query, key = (turn(torch.nn.functional.pad(x @ w, (0, 3))) for w in (words.W_QUERY, words.W_KEY))
    scores = query @ key.T / math.sqrt(8) + bias
    return (scores if allowed is None else scores.masked_fill(~allowed, -math.inf)).softmax(-1)


def rounded(sentence, added=0.0, bias=0.0):
    """How far rounding may take weights and outputs.

    A query and a key are sums of 8 features, turned in pairs; a score is one of 8, a softmax and an average
    are of n. No score is larger than it would be if nothing cancelled.
    """
    x, n = words.embed(words.split(sentence)) + abs(added), len(words.split(sentence))
    query, key = (float((x @ w.abs()).norm(dim=-1).max()) for w in (words.W_QUERY, words.W_KEY))
    return rounding(torch.float32, 8, 8, 2, 2, 8, n, n, size=query * key / math.sqrt(8) + bias)


def test_each_scheme_is_computed_as_its_paper_says():
    explorer, n = PositionExplorer(SENTENCE), len(SENTENCE.split())
    distance = (torch.arange(n)[:, None] - torch.arange(n)).abs()
    frequencies = 10000 ** (-torch.arange(0, 8, 2) / 8)
    phases = torch.polar(torch.ones(n, 4), torch.arange(n)[:, None] * frequencies)

    def turn(x):
        return torch.view_as_real(torch.view_as_complex(x.unflatten(-1, (-1, 2))) * phases).flatten(-2)

    tables = {"sinusoidal": sinusoidal_table(n, 8), "learned": explorer.schemes["learned"].table[:n].detach()}
    added = {name: table / math.sqrt(8) for name, table in tables.items()}
    expected = {
        "none": by_hand(SENTENCE),
        "sinusoidal": by_hand(SENTENCE, added=added["sinusoidal"]),
        "learned": by_hand(SENTENCE, added=added["learned"]),
        "rotary": by_hand(SENTENCE, turn=turn),
        "ALiBi": torch.stack([by_hand(SENTENCE, bias=-slope * distance) for slope in alibi_slopes(4)]),
    }
    for explorer.scheme, weights in expected.items():
        more = added.get(explorer.scheme, torch.zeros(n, 8))
        off = rounded(SENTENCE, more, bias=n / 4 if explorer.scheme == "ALiBi" else 0)
        value = words.embed(words.split(SENTENCE)) + more
        assert explorer.weights.shape == weights.shape
        assert torch.allclose(explorer.weights, weights, rtol=0, atol=off)
        assert torch.allclose(explorer.heatmap.scores.softmax(-1), weights, rtol=0, atol=off)
        output_off = off * max(1, float(value.abs().max()))
        assert torch.allclose(explorer.output, weights @ value, rtol=0, atol=output_off)
        assert explorer.heatmap.message == unlisted(words.split(explorer.sentence))
    explorer.scheme, explorer.mask = "none", "causal"
    causal = by_hand(SENTENCE, allowed=causal_mask(n))
    assert torch.allclose(explorer.weights, causal, rtol=0, atol=rounded(SENTENCE))


def test_where_heads_differ_each_has_a_map_with_its_slope():
    explorer = PositionExplorer(scheme="ALiBi")
    assert explorer.heatmap.head_labels == ["slope 1/4", "slope 1/16", "slope 1/64", "slope 1/256"]
    explorer.scheme = "rotary"
    assert explorer.weights.shape == (10, 10)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_one_word_repeated_shows_the_positions_alone(scheme):
    explorer = PositionExplorer("park " * 8, scheme=scheme)
    relative = scheme in ("none", "rotary", "ALiBi", "relative")
    longest = float(explorer.schemes["relative"].table.detach().norm(dim=-1).max())
    off = rounded("park " * 8, bias=1.5 * longest)  # “park” asks with a query of length 1.5 √8
    assert is_toeplitz(explorer.heatmap.scores, off) == relative
    uniform = torch.allclose(explorer.weights, torch.full((8, 8), 1 / 8), rtol=0, atol=off)
    assert uniform == (scheme == "none")


def test_without_positions_nothing_tells_two_equal_words_apart():
    explorer = PositionExplorer(SENTENCE)
    assert torch.allclose(explorer.weights[0], explorer.weights[4], rtol=0, atol=rounded(SENTENCE))
    assert "The rows of each “the” are the same: nothing tells them apart." in explorer.changes._frame["said"]
    for explorer.scheme in PLACED:
        weights = explorer.weights if explorer.weights.ndim == 3 else explorer.weights[None]
        assert not torch.allclose(weights[:, 0], weights[:, 4], atol=1e-3)
        assert "The rows of each “the” are not the same." in explorer.changes._frame["said"]
    explorer.sentence = "no word twice"
    assert "rows of each" not in explorer.changes._frame["said"]


@settings(max_examples=25, deadline=None)
@given(shuffle=st.integers(1, 2**31 - 1), n=st.integers(2, 9))
def test_without_positions_outputs_shuffle_with_the_words(shuffle, n):
    explorer = PositionExplorer(" ".join(SENTENCE.split()[1 : 1 + n]))
    typed, output = explorer.heatmap.query_labels, explorer.output
    explorer.shuffle = shuffle
    shown = explorer.heatmap.query_labels
    assert sorted(shown) == sorted(typed) and shown != typed
    order = [typed.index(word) for word in shown]  # no word is there twice
    off = rounded(explorer.sentence)
    assert torch.allclose(explorer.output, output[:, order], rtol=0, atol=off)
    assert explorer.difference <= off
    assert "The outputs shuffled with the words" in explorer.changes._frame["said"]
    assert "outputs change by up to 0.00" in repr(explorer)


@pytest.mark.parametrize("scheme", PLACED)
def test_with_positions_order_counts(scheme):
    explorer = PositionExplorer(SENTENCE, scheme=scheme, shuffle=1)
    assert explorer.difference > 0.05
    assert "Order counts" in explorer.changes._frame["said"]
    assert f"outputs change by up to {explorer.difference:.2f}" in repr(explorer)
    typed = PositionExplorer(SENTENCE, scheme=scheme)
    rank = [SENTENCE.split().index(word) for word in explorer.heatmap.query_labels if word != "the"]
    mine = [i for i, word in enumerate(explorer.heatmap.query_labels) if word != "the"]
    changes = (explorer.output[:, mine] - typed.output[:, rank]).abs()
    assert changes.max().item() <= explorer.difference  # bit by bit: the same calls
    explorer.shuffle = 0
    assert explorer.difference == 0 and explorer.heatmap.query_labels == SENTENCE.split()
    assert torch.equal(explorer.output, typed.output)


def test_a_causal_mask_puts_order_in_without_any_positions():
    explorer = PositionExplorer(SENTENCE, mask="causal", shuffle=1)
    assert explorer.scheme == "none" and explorer.difference > 0.05


def test_what_was_said_of_a_shuffle_goes_when_nothing_is_shown():
    explorer = PositionExplorer(SENTENCE, scheme="rotary", shuffle=1)
    assert explorer.difference > 0 and explorer.changes._frame["said"]
    explorer.sentence = ""
    assert explorer.difference == 0 and explorer.changes._frame["said"] == "" and explorer.output is None


def test_buttons_and_controls_drive_the_traits():
    explorer = PositionExplorer()
    control(explorer, "Shuffle the words").click()
    control(explorer, "Shuffle the words").click()
    assert explorer.shuffle == 2
    control(explorer, "As typed").click()
    assert explorer.shuffle == 0
    control(explorer, "Positions").value = "ALiBi"
    control(explorer, "Mask").value = "causal"
    control(explorer, "Sentence").value = "a new cat"
    assert (explorer.scheme, explorer.mask, explorer.sentence) == ("ALiBi", "causal", "a new cat")
    assert explorer.weights.shape == (4, 3, 3)
    with pytest.raises(traitlets.TraitError, match=r"one of none, .*, got 'other'"):
        explorer.scheme = "other"
    assert explorer.scheme == "ALiBi" and control(explorer, "Positions").value == "ALiBi"


def test_too_few_or_too_many_words_are_said():
    explorer = PositionExplorer("", scheme="learned")
    assert (explorer.weights, explorer.output) == (None, None)
    assert explorer.heatmap.message == "Type a word or two."
    explorer.sentence = "a " * 257
    assert explorer.heatmap.message == "257 words are too many: the most is 256."
    explorer.sentence = "a " * 256
    assert explorer.weights.shape == (256, 256)


def test_what_a_reader_types_is_text_and_nothing_else():
    explorer = PositionExplorer("<script>alert(1)</script> <b> & <b>", scheme="rotary", shuffle=1)
    assert "<script>alert(1)</script>" in explorer.changes._frame["words"]
    assert explorer.changes.figure() and explorer.figure()


def test_building_an_explorer_leaves_a_lessons_random_numbers_alone():
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    PositionExplorer(scheme="learned", shuffle=2)
    SinusoidExplorer(comparison="RoPE through W")
    assert torch.equal(torch.rand(4), expected)


# ---------------------------------------------------------------- the learner's own


class Hooks(PositionalEncoding):
    """A scheme of the learner's with some hooks replaced."""

    def __init__(self, **hooks):
        super().__init__()
        for name, hook in hooks.items():
            setattr(self, name, hook)


def test_the_learners_scheme_is_on_the_switch_and_shown_as_ours_is():
    mine = Hooks(rotate=lambda q, k, *, offset=0: RotaryEncoding(8).rotate(q.double(), k.double()))
    slopes = Hooks(bias=lambda n_q, n_k, *, offset=0, query=None: ALiBi(4).bias(n_q, n_k).double())
    explorer = PositionExplorer(schemes={"my RoPE": mine, "my ALiBi": slopes})
    assert control(explorer, "Positions").options[-2:] == ("my RoPE", "my ALiBi")
    for yours, ours, bias in (("my RoPE", "rotary", 0), ("my ALiBi", "ALiBi", 10 / 4)):
        explorer.scheme = ours
        expected = explorer.weights
        explorer.scheme = yours
        assert torch.allclose(explorer.weights, expected, rtol=0, atol=rounded(SENTENCE, bias=bias))


def test_a_hook_may_write_into_what_it_is_given():
    def rotate(query, key, *, offset=0):
        for x in (query, key):
            x[:] = RotaryEncoding(8).rotate(x, x)[0]
        return query, key

    explorer = PositionExplorer(schemes={"mine": Hooks(rotate=rotate)}, scheme="mine")
    ours = PositionExplorer(scheme="rotary").weights
    assert torch.allclose(explorer.weights, ours, rtol=0, atol=rounded(SENTENCE))


@pytest.mark.parametrize(
    ("hooks", "message"),
    [
        ({"embed": lambda x, *, offset=0: None}, "Not finished yet: embed returns nothing."),
        ({"embed": lambda x, *, offset=0: ...}, "Not finished yet: embed returns nothing."),
        ({"embed": lambda x, *, offset=0: x[None]}, "keep the shape (10, 8); it returned (1, 10, 8)."),
        ({"embed": lambda x, *, offset=0: 3}, "embed should return a tensor; it returned an int."),
        ({"embed": lambda x, *, offset=0: x + x.new_zeros(7)}, "“mine” stopped with RuntimeError: "),
        ({"rotate": lambda q, k, *, offset=0: None}, "Not finished yet: rotate returns nothing."),
        ({"rotate": lambda q, k, *, offset=0: q}, "rotate should return a pair, (query, key)"),
        ({"rotate": lambda q, k, *, offset=0: (q, ...)}, "Not finished yet: rotate returns nothing."),
        ({"rotate": lambda q, k, *, offset=0: (q, k[..., :4])}, "rotate should keep the shape (4, 10, 8)"),
        ({"bias": lambda n, m, *, offset=0, query=None: ...}, "“mine” stopped with AttributeError"),
        ({"bias": lambda n, m, *, offset=0, query=None: torch.zeros(3, n, m)}, "stopped with RuntimeError"),
        ({"bias": lambda n, m: None}, "“mine” stopped with TypeError"),
    ],
)  # fmt: skip
def test_a_scheme_that_is_unfinished_or_wrong_is_said_in_words_and_the_page_lives(hooks, message):
    explorer = PositionExplorer(SENTENCE, schemes={"mine": Hooks(**hooks)}, scheme="mine", shuffle=1)
    assert message in explorer.heatmap.message
    assert explorer.weights is None and explorer.output is None and explorer.changes._frame["said"] == ""
    assert explorer.difference == 0
    assert repr(explorer).startswith("PositionExplorer(mine: nothing to show: ")
    explorer.scheme = "rotary"
    assert explorer.heatmap.message == "" and explorer.weights.shape == (10, 10)


def test_the_learners_attention_is_called_with_the_bias():
    calls = []

    def attention(query, key, value, allowed=None, *, bias=None):
        calls.append((allowed is not None, bias is not None))
        return scaled_dot_product_attention(query, key, value, allowed, bias=bias)

    explorer = PositionExplorer(SENTENCE, attention=attention, scheme="ALiBi", mask="causal")
    assert calls == [(True, True)] * 4
    assert torch.equal(explorer.weights, PositionExplorer(scheme="ALiBi", mask="causal").weights)


@pytest.mark.parametrize(
    ("attention", "message"),
    [
        (lambda q, k, v: None, "Not finished yet"),
        (lambda q, k, v: 1 / 0, "ZeroDivisionError"),
        (lambda q, k, v: (v, v), "weights should have shape (10, 10)"),
    ],
)
def test_the_learners_attention_may_fail(attention, message):
    explorer = PositionExplorer(SENTENCE, attention=attention)
    assert message in explorer.heatmap.message and explorer.weights is None
    explorer.attention = scaled_dot_product_attention
    assert explorer.weights.shape == (10, 10)


def test_an_attention_without_a_bias_argument_is_told_so():
    explorer = PositionExplorer(attention=lambda q, k, v: scaled_dot_product_attention(q, k, v))
    assert explorer.weights is not None
    explorer.scheme = "ALiBi"
    assert "bias" in explorer.heatmap.message and explorer.weights is None


def test_wrong_or_broken_numbers_are_shown_and_remarked_on():
    def over_queries(query, key, value):
        weights = (query @ key.T).softmax(-2)
        return weights @ value, weights

    explorer = PositionExplorer(attention=over_queries, shuffle=1)
    assert "is the softmax over queries?" in explorer.heatmap.message
    explorer.attention = lambda q, k, v: (v * math.nan, (q @ k.T).softmax(-1) * math.nan)
    assert "holds NaN" in explorer.heatmap.message
    assert "The outputs hold NaN" in explorer.changes._frame["said"]
    assert explorer.figure() is not None


# ---------------------------------------------------------------- any order of changes


class AnyPositions(RuleBasedStateMachine):
    """Whatever is set in whatever order, PositionExplorer stays whole."""

    @initialize()
    def build(self):
        broken = Hooks(embed=lambda x, *, offset=0: x[:1])
        self.explorer = PositionExplorer(schemes={"broken": broken})
        self.failing = False

    @rule(text=st.lists(st.sampled_from([*words.VOCABULARY[:12], "<i>", "zzz"]), max_size=7).map(" ".join))
    def type(self, text):
        self.explorer.sentence = text

    @rule(scheme=st.sampled_from([*SCHEMES, "broken"]))
    def switch(self, scheme):
        self.explorer.scheme = scheme

    @rule(mask=st.sampled_from(["none", "causal"]), shuffle=st.integers(0, 5))
    def change(self, mask, shuffle):
        self.explorer.mask, self.explorer.shuffle = mask, shuffle

    @rule(failing=st.booleans())
    def replace(self, failing):
        self.failing = failing
        self.explorer.attention = (lambda *_, **__: 1 / 0) if failing else scaled_dot_product_attention

    @rule(label=st.sampled_from(["Shuffle the words", "As typed"]))
    def click(self, label):
        control(self.explorer, label).click()

    @invariant()
    def whole(self):
        explorer, typed = self.explorer, self.explorer.sentence.split()
        # with one word the broken scheme keeps the shape, and so is none
        fails = self.failing or not typed or (explorer.scheme == "broken" and len(typed) != 1)
        assert (explorer.weights is None) == (explorer.output is None) == fails
        if fails:
            assert explorer.heatmap.message
        else:
            assert explorer.heatmap.message == unlisted(words.split(explorer.sentence))
        assert repr(explorer).startswith(f"PositionExplorer({explorer.scheme}: ")
        if fails:
            assert explorer.difference == 0
            return
        n = len(typed)
        assert sorted(explorer.heatmap.query_labels) == sorted(typed)
        assert explorer.weights.shape in ((n, n), (4, n, n)) and explorer.output.shape == (4, n, 8)
        sums = explorer.weights.sum(-1)
        assert agree(sums, torch.ones_like(sums), n, n)
        if explorer.mask == "causal":
            assert explorer.weights.triu(1).max() == 0
        if explorer.scheme == "none" and explorer.mask == "none":
            assert explorer.difference <= rounded(explorer.sentence)


class AnySinusoids(RuleBasedStateMachine):
    """Whatever is set in whatever order, both positions stay on the map and controls agree."""

    @initialize(length=st.integers(2, 20))
    def build(self, length):
        self.explorer = SinusoidExplorer(length)

    @rule(
        name=st.sampled_from(["position", "distance", "pair", "dim"]),
        value=st.integers(-2, 24),
        by=st.sampled_from(["trait", "map"]),
    )
    def whole_number(self, name, value, by):
        target = self.explorer.heatmap if by == "map" and name != "dim" else self.explorer
        limits = {
            "position": (0, self.explorer.length - 1 - self.explorer.distance),
            "distance": (0, self.explorer.length - 1),
            "pair": (0, self.explorer.dim // 2 - 1),
            "dim": (2, 128),
        }
        low, high = limits[name]
        if low <= value <= high and not (name == "dim" and value % 2):
            setattr(target, name, value)
        elif target is self.explorer:
            with pytest.raises(traitlets.TraitError):
                setattr(target, name, value)

    @rule(base=st.sampled_from([1.0, 2.5, 10000.0, 1e8]), comparison=st.sampled_from(COMPARISONS))
    def change(self, base, comparison):
        self.explorer.base, self.explorer.comparison = base, comparison

    @rule(label=st.sampled_from(["Position", "Distance", "Dimensions"]), share=st.floats(0, 1))
    def slide(self, label, share):
        slider = control(self.explorer, label)
        slider.value = slider.min + round(share * (slider.max - slider.min) / slider.step) * slider.step

    @invariant()
    def whole(self):
        explorer = self.explorer
        assert 0 <= explorer.position <= explorer.position + explorer.distance < explorer.length
        assert 0 <= explorer.pair < explorer.dim // 2
        assert explorer.table.shape == (explorer.length, explorer.dim)
        assert explorer.similarities.isfinite().all()
        if explorer.comparison != "sinusoids through W":
            assert explorer.spread <= spread_off(explorer)
        drawn = explorer.heatmap
        assert (drawn.position, drawn.distance, drawn.pair) == (
            explorer.position, explorer.distance, explorer.pair,
        )  # fmt: skip
        assert drawn._frame["shape"] == [explorer.length, explorer.dim]
        assert said(explorer)[0].startswith(
            f"Position {explorer.position}, dimensions {2 * explorer.pair} and "
        )
        for label, name in (("Position", "position"), ("Distance", "distance"), ("Dimensions", "dim")):
            assert control(explorer, label).value == getattr(explorer, name)
        assert control(explorer, "Base").value == min(BASES, key=lambda base: abs(base - explorer.base))


for machine in (AnyPositions, AnySinusoids):
    machine.TestCase.settings = settings(max_examples=12, stateful_step_count=12, deadline=None)
TestAnyPositions, TestAnySinusoids = AnyPositions.TestCase, AnySinusoids.TestCase
