"""Random hands on the explorers: any text, any slider, any function, in any order, and nothing falls over."""

import math

import pytest
import torch
import traitlets
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from matplotlib.figure import Figure
from test_explorers import BROKEN, REMARKED, by_hand, control, look_up_by_hand, writes_into_its_arguments

from attention_core import scaled_dot_product_attention, words
from attention_core.agreement import agree, rounding
from attention_core.live import LookUpExplorer, SelfAttentionExplorer
from attention_core.live.explorer import MOST_WORDS
from attention_core.live.explorers.self_attention import MASKS
from attention_core.live.remarks import unlisted

OURS = {"ours": scaled_dot_product_attention, "ours, untidy": writes_into_its_arguments}
KINDS = ("None", "half done", "no pair", "swapped", "raises", "takes nothing", "over queries", "scores")
NOT_OURS = {name: (BROKEN | REMARKED)[name][0] for name in KINDS}
for wrong in (math.nan, math.inf, 1e30, -1.0):  # of the right shape, whatever is asked
    NOT_OURS[f"times {wrong}"] = lambda *x, by=wrong: tuple(part * by for part in OURS["ours"](*x))
NOT_OURS["moody"] = lambda *x: OURS["ours"](*x) if x[0].sum() > 0 else 1 / 0
functions = st.sampled_from([*OURS, *OURS, *NOT_OURS])  # ours twice as often
temperatures = st.floats(1e-6, 1e6) | st.floats(0.05, 3)
impossible = st.sampled_from([0.0, -1.0, 1e-9, math.inf, math.nan])
sentences = (
    st.text(max_size=30)
    | st.lists(st.sampled_from(words.VOCABULARY), max_size=12).map(" ".join)
    | st.sampled_from(["", "  ", "w" * 5000, "a " * MOST_WORDS, "a " * 300])
    | st.sampled_from(["$x$ <b> &amp; \\frac{", "猫 🐈‍⬛ \u202e \x00"])
)
hands = settings(
    max_examples=30,
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


class Hands(RuleBasedStateMachine):
    """What both explorers have: a temperature, a function, a heatmap that is pinned and scaled."""

    def __init__(self):
        super().__init__()
        self.explorer = self.make()
        self.function = "ours"

    @rule(temperature=temperatures)
    def set_temperature(self, temperature):
        self.explorer.temperature = temperature

    @rule(data=st.data())
    def slide(self, data):
        slider = control(self.explorer, "Temperature")
        slider.set_state({"index": data.draw(st.integers(0, len(slider.options) - 1))})  # as the page does

    @rule(temperature=impossible)
    def set_an_impossible_temperature(self, temperature):
        before = self.explorer.temperature
        with pytest.raises(traitlets.TraitError):
            self.explorer.temperature = temperature
        assert self.explorer.temperature == before

    @rule(function=functions)
    def give_a_function(self, function):
        self.function = function
        self.explorer.attention = (OURS | NOT_OURS)[function]

    @rule(rows=st.lists(st.integers(0, 300), max_size=2), per_row=st.booleans())
    def pin_and_scale(self, rows, per_row):
        self.explorer.heatmap.set_state({"pinned": rows, "per_row": per_row})
        assert self.explorer.heatmap.pinned == rows

    @rule()
    def look(self):
        assert isinstance(self.explorer.figure(), Figure)

    @invariant()
    def the_map_shows_the_explorers_weights(self):
        heatmap = self.explorer.heatmap
        assert self.explorer.weights is heatmap.weights
        if heatmap.weights is None:
            assert self.explorer.output is None and heatmap.message and heatmap._frame == {}
        else:
            assert len(heatmap._frame["weights"]) == 4 * heatmap.weights.numel()
            assert self.explorer.output.shape[0] == len(heatmap.weights)

    @invariant()
    def repr_is_one_line(self):
        assert len(repr(self.explorer).splitlines()) == 1

    def check_our_rows(self, off):
        weights = self.explorer.weights
        sums, n = weights.sum(-1), weights.shape[-1]
        assert (weights >= 0).all()
        assert agree(sums, torch.ones_like(sums), n, n) or (sums == 0).any()
        assert agree((sums - 1).abs().minimum(sums.abs()), torch.zeros_like(sums), n, n)
        assert self.explorer.output.isfinite().all()
        assert self.explorer.heatmap.message == unlisted(words.split(getattr(self.explorer, "sentence", "")))
        scores, allowed = self.explorer.heatmap.scores, self.explorer.heatmap.allowed
        masked = scores if allowed is None else scores.masked_fill(~allowed, -math.inf)
        assert torch.allclose(masked.softmax(-1), weights, rtol=0, atol=off)  # the colder, the larger is off


class SelfAttentionHands(Hands):
    make = SelfAttentionExplorer

    @rule(sentence=sentences, by_hand=st.booleans())
    def write(self, sentence, by_hand):
        if by_hand:
            control(self.explorer, "Sentence").set_state({"value": sentence})
        else:
            self.explorer.sentence = sentence

    @rule(mask=st.sampled_from(list(MASKS)), by_hand=st.booleans())
    def mask(self, mask, by_hand):
        if by_hand:
            control(self.explorer, "Mask").set_state({"index": list(MASKS).index(mask)})
        else:
            self.explorer.mask = mask

    @rule(scaled=st.booleans())
    def scale(self, scaled):
        self.explorer.scaled = scaled

    @invariant()
    def our_rows_sum_to_1_or_0(self):
        tokens = self.explorer.sentence.split()
        n = len(tokens)
        if self.function in OURS and 1 <= n <= MOST_WORDS:
            assert self.explorer.weights.shape == (n, n) and self.explorer.output.shape == (n, 8)
            explorer = self.explorer
            self.check_our_rows(by_hand(explorer.sentence, explorer.temperature, explorer.scaled)[1])
            if self.explorer.mask == "causal":
                assert (self.explorer.weights.triu(1) == 0).all()
        if self.explorer.weights is not None:
            assert self.explorer.heatmap.query_labels == self.explorer.heatmap.key_labels == tokens

    @invariant()
    def controls_agree_with_traits(self):
        explorer = self.explorer
        assert control(explorer, "Sentence").value == explorer.sentence
        assert control(explorer, "Mask").value == explorer.mask
        assert control(explorer, "÷ √d_k").value == explorer.scaled
        assert_nearest(control(explorer, "Temperature"), explorer.temperature)


coordinates = st.floats(-2, 2) | st.integers(-2, 2)
places = st.lists(coordinates, min_size=2, max_size=2)


class LookUpHands(Hands):
    make = LookUpExplorer

    @rule(place=places, by_hand=st.booleans())
    def move_the_query(self, place, by_hand):
        if by_hand:
            self.explorer.asking.set_state({"_movable": {"query": place}})
        else:
            self.explorer.query = tuple(place)

    @rule(name=st.sampled_from(["fig", "pear", "plum", "lime"]), place=places)
    def drag_a_value(self, name, place):
        answer = self.explorer.answer
        answer.set_state({"_movable": {**answer._movable, name: place}})

    @rule(x=st.sampled_from([2.5, -1e9, math.inf, math.nan]))
    def ask_from_off_the_plane(self, x):
        before = self.explorer.query
        with pytest.raises(traitlets.TraitError):
            self.explorer.query = (0, x)
        assert self.explorer.query == before

    @invariant()
    def the_planes_show_it(self):
        explorer = self.explorer
        assert explorer.asking.points["query"] == explorer.query
        for plane in (explorer.asking, explorer.answer):
            assert all(math.isfinite(x) for place in plane.points.values() for x in place)
            assert all(size is None or 0 <= size <= 1 for size in plane._sizes.values())
        hidden = [name for name, size in explorer.answer._sizes.items() if size is None]
        rim = 2 + rounding(torch.float32, 4, 4, size=2)  # an average of four values at the rim is inside
        inside = explorer.output is not None and bool((explorer.output.abs() <= rim).all())
        assert hidden == ([] if inside else ["output"])
        assert_nearest(control(explorer, "Temperature"), explorer.temperature)

    @invariant()
    def our_output_is_an_average_of_the_values(self):
        if self.function not in OURS:
            return
        assert self.explorer.weights.shape == (1, 4)
        _, (_, off) = look_up_by_hand(self.explorer)
        self.check_our_rows(off)
        at = [self.explorer.answer.points[name] for name in ("fig", "pear", "plum", "lime")]
        values = torch.tensor(at, dtype=torch.float32)  # the page sends 2 for 2.0
        assert agree(self.explorer.output, self.explorer.weights @ values, 4, size=2)
        assert self.explorer.answer.points["output"] == tuple(self.explorer.output[0].tolist())


def assert_nearest(slider, number):
    """The handle stands where it can stand nearest to the number."""
    steps = [step for _, step in slider.options]
    assert abs(slider.value - number) == min(abs(step - number) for step in steps)


TestSelfAttentionExplorer = SelfAttentionHands.TestCase
TestSelfAttentionExplorer.settings = hands
TestLookUpExplorer = LookUpHands.TestCase
TestLookUpExplorer.settings = hands
