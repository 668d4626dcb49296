"""`MultiHeadExplorer` without a browser: its traits and its controls, in any order."""

import math

import pytest
import torch
import traitlets
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from ipywidgets.widgets import widget

from attention_core import merge_heads, scaled_dot_product_attention, split_heads
from attention_core.agreement import agree, attention_rounding, rounding
from attention_core.live import MultiHeadExplorer
from attention_core.live.explorers.multi_head import (
    COUNTS,
    DIM,
    MOST_WORDS,
    embed,
    head_distances,
    make_layer,
)
from attention_core.words import split

SENTENCE = "the cat sat on the mat because it was tired"


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Test processes share the cores: many threads for so little work would only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def controls(explorer):
    """The widgets a reader sees, by their labels."""

    def below(widget):
        yield widget
        for child in getattr(widget, "children", ()):
            yield from below(child)

    return {w.description: w for w in below(explorer) if getattr(w, "description", "")}


def texts(explorer):
    """What is written between the controls and the map."""
    return explorer.switches._frame["line"], explorer.changes._frame["said"]


def tick(explorer, head):
    """Its box, as the page has it."""
    off = set(explorer.off) ^ {head}
    explorer.switches.set_state({"off": sorted(off)})


def roundings(explorer, further=0):
    """How far they may take `(output, weights)` of its layer, whose projections are the same calls each time.

    further: what was added to the queries, and taken away again.
    """
    layer, x = explorer.layer, embed(split(explorer.sentence))
    projections = (layer.to_query, layer.to_key, layer.to_value)
    query, key, value = (split_heads(p(x).detach(), layer.num_heads) for p in projections)
    heads, weights = attention_rounding(query.abs() + further, key, value)
    # an output changes by this if all that it is made of changes by 1
    reach = float(layer.to_output.weight.detach().abs().sum(-1).max())
    return reach * heads + rounding(torch.float32, DIM, size=reach * float(value.abs().max())), weights


# ---------------------------------------------------------------- what is computed


@pytest.mark.parametrize("seed", [None, 0, 7])
@pytest.mark.parametrize("num_heads", COUNTS)
def test_it_shows_what_the_layer_computes(num_heads, seed):
    explorer = MultiHeadExplorer(SENTENCE, num_heads=num_heads, seed=seed)
    output, weights = explorer.layer(embed(split(SENTENCE)))
    output_bound, bound = roundings(explorer)
    assert torch.allclose(explorer.weights, weights, rtol=0, atol=bound)
    assert torch.allclose(explorer.output, output, rtol=0, atol=output_bound)
    assert torch.equal(explorer.heatmap.weights, explorer.weights)


def test_the_arithmetic_of_a_cell_is_that_of_its_head():
    explorer = MultiHeadExplorer(SENTENCE, num_heads=8)
    frame = explorer.heatmap._frame
    bound = roundings(explorer)[1]
    assert torch.allclose(explorer.heatmap.scores.softmax(-1), explorer.weights, rtol=0, atol=bound)
    assert [label for label, _ in frame["steps"]] == ["÷ √2"]
    assert frame["steps"][0][1] == pytest.approx(1 / math.sqrt(2))
    explorer.show_mean = True  # a mean of weights has no score
    assert explorer.heatmap.scores is None


@pytest.mark.parametrize("seed", [None, 3])
def test_heads_are_another_cut_of_the_same_parameters(seed):
    layers = [make_layer(n, seed) for n in COUNTS]
    for layer in layers[1:]:
        assert all(torch.equal(a, b) for a, b in zip(layers[0].parameters(), layer.parameters(), strict=True))
    for n in COUNTS:
        explorer = MultiHeadExplorer(num_heads=n, seed=seed)
        size = sum(p.numel() for p in explorer.layer.parameters())
        assert f"{size} parameters** = 4·16² + 4·16" in texts(explorer)[0] and size == 4 * 16**2 + 4 * 16
        assert f"= **{DIM // n}** features" in texts(explorer)[0]


def test_by_hand_each_head_has_the_role_that_its_label_says():
    explorer = MultiHeadExplorer(SENTENCE)
    words = split(SENTENCE)
    who, what, before, kind = explorer.weights
    at = words.index
    assert explorer.heatmap.head_labels[2] == "head 2: the word before"
    assert who[at("it")].argmax() == who[at("tired")].argmax() == at("cat")
    assert what[at("mat")].argmax() == at("sat")
    assert (before.argmax(-1)[1:] == torch.arange(len(words) - 1)).all()
    assert before.diagonal(-1).min() > 0.9
    assert set(kind[at("cat")].topk(2).indices.tolist()) == {at("cat"), at("mat")}
    flat = what[at("on")]  # "on" asks for nothing there
    assert agree(flat, torch.full_like(flat, 1 / len(words)), len(words))


def test_the_word_before_is_found_in_the_longest_sentence():
    explorer = MultiHeadExplorer(" ".join(["word"] * MOST_WORDS))
    assert (explorer.weights[2].argmax(-1)[1:] == torch.arange(MOST_WORDS - 1)).all()


def test_reseeding_gives_other_heads_and_the_same_seed_the_same():
    first, again, other = (MultiHeadExplorer(seed=seed) for seed in (1, 2, 2))
    again.seed = 1
    assert torch.equal(first.weights, again.weights)
    assert (first.weights - other.weights).abs().max() > 0.3
    assert first.heatmap.head_labels[0] == "head 0"  # no role: nobody gave it one


def test_the_readers_own_random_numbers_stay_what_they_are():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    MultiHeadExplorer().seed = 5
    assert torch.equal(torch.rand(1), expected)


# ---------------------------------------------------------------- heads that are off


@pytest.mark.parametrize("off", [[0], [1, 3], [0, 1, 2, 3], []])
def test_an_ablated_head_hands_over_zeros(off):
    explorer = MultiHeadExplorer(SENTENCE, off=off)
    layer, x = explorer.layer.requires_grad_(False), embed(split(SENTENCE))
    values = layer.to_value(x).unflatten(-1, (4, 4)).transpose(0, 1)
    heads = explorer.weights @ values
    heads[off] = 0
    expected, complete = layer.to_output(merge_heads(heads)), layer(x)[0]
    # (10, 16): no running total is larger, as here nothing cancels
    size = merge_heads(explorer.weights @ values.abs()) @ layer.to_output.weight.abs().T
    assert agree(explorer.output, expected, 10, DIM, size=float(size.max()))
    lack = expected - complete  # rounded as two outputs are, and its share as a third
    change, by_word = lack.norm() / complete.norm(), lack.norm(dim=-1) / complete.norm(dim=-1)
    most = float((2 + change) * size.norm() / complete.norm())
    bound = rounding(torch.float32, 10, DIM, size=most)
    bound += rounding(torch.float32, lack.numel(), size=float(change))  # of the lengths themselves
    assert explorer.change == pytest.approx(float(change), rel=0, abs=bound)
    most = float(((2 + by_word) * size.norm(dim=-1) / complete.norm(dim=-1)).max())
    assert agree(explorer.change_by_word, by_word, 10, DIM, DIM, size=most)
    assert (explorer.change == 0) == (not off)
    assert explorer.weights.shape == (4, 10, 10)  # it still looks; it is only not heard


def test_solo_is_all_others_off():
    alone, others_off = MultiHeadExplorer(solo=2), MultiHeadExplorer(off=[0, 1, 3])
    assert torch.equal(alone.output, others_off.output) and alone.change == others_off.change > 0
    assert alone.on == others_off.on == [2]
    assert alone.off == []  # and comes back when the solo ends
    alone.solo = None
    assert alone.change == 0 and alone.on == [0, 1, 2, 3]


def test_heads_that_are_off_are_named_so_and_pale():
    explorer = MultiHeadExplorer(off=[1], seed=1)
    assert explorer.heatmap.head_labels == ["head 0", "head 1 (off)", "head 2", "head 3"]
    assert explorer.heatmap.faded == [1]
    assert f"With heads 0, 2 and 3 alone the output changes by **{explorer.change:.2f}" in texts(explorer)[1]
    explorer.off = [0, 1, 2, 3]
    assert explorer.heatmap.faded == [0, 1, 2, 3]
    assert "With no head the output changes by **1.00" in texts(explorer)[1]
    explorer.off = []
    assert "All heads are on" in texts(explorer)[1] and explorer.heatmap.faded == []
    explorer.solo, explorer.show_mean = 2, True
    assert explorer.heatmap.faded == [0, 1, 3]  # not the mean, which is of all heads


def test_another_cut_switches_all_heads_on():
    explorer = MultiHeadExplorer(off=[3], solo=3)
    explorer.num_heads = 2
    assert explorer.off == [] and explorer.solo is None and explorer.change == 0


@pytest.mark.parametrize(
    "name, value",
    [("off", [4]), ("off", [-1]), ("solo", 4), ("solo", -1), ("num_heads", 3), ("seed", -1), ("seed", 1.5)],
)
def test_what_there_is_not_is_refused_and_the_old_value_stays(name, value):
    explorer = MultiHeadExplorer(off=[1])
    before = getattr(explorer, name)
    with pytest.raises(traitlets.TraitError):
        setattr(explorer, name, value)
    assert getattr(explorer, name) == before and explorer.on == [0, 2, 3]


def test_an_unknown_argument_is_refused():
    with pytest.raises(TypeError, match="no argument tempo"):
        MultiHeadExplorer(tempo=1)


# ---------------------------------------------------------------- the heads' mean and distances


def test_the_mean_is_a_map_beside_theirs():
    explorer = MultiHeadExplorer(show_mean=True)
    shown = explorer.heatmap.weights
    assert explorer.weights.shape == (4, 10, 10) and shown.shape == (5, 10, 10)
    assert torch.equal(shown[:4], explorer.weights)
    assert agree(shown[4], explorer.weights.mean(0), 4)
    assert explorer.heatmap.head_labels[4] == "mean of the heads" and "4 heads" in repr(explorer)
    explorer.num_heads = 1  # one head is its own mean
    assert explorer.heatmap.weights.shape == (1, 10, 10)


def js_distance(p, q):
    """By the definition, of two rows."""
    m = [(a + b) / 2 for a, b in zip(p, q, strict=True)]
    kl = [sum(a * math.log2(a / c) for a, c in zip(x, m, strict=True) if a > 0) for x in (p, q)]
    return math.sqrt(max(0.0, sum(kl) / 2))


def entropies_bound(dtype, n):
    """Rounding of an entropy less an entropy: sums over n keys, of log2(n) bits at most."""
    return rounding(dtype, n, n, size=2 * math.log2(n))


def test_distances_are_jensen_shannon_distances():
    weights = torch.rand(3, 4, 5, generator=torch.Generator().manual_seed(0)).double().mul(3).softmax(-1)
    weights[0, 0] = torch.tensor([1.0, 0, 0, 0, 0])  # 0 · log 0
    bound = math.sqrt(entropies_bound(torch.float64, 5))  # a root of 0 takes the root of its rounding
    for a in range(3):
        for b in range(3):
            rows = [js_distance(weights[a, i].tolist(), weights[b, i].tolist()) for i in range(4)]
            assert head_distances(weights)[a, b].item() == pytest.approx(sum(rows) / 4, rel=0, abs=bound)


def test_distances_run_from_0_to_1():
    apart = torch.eye(2)[:, None].expand(2, 3, 2)  # two heads that never look at the same key
    assert torch.equal(head_distances(apart), torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
    bound = math.sqrt(entropies_bound(torch.float32, 10))
    assert MultiHeadExplorer(attention=even).distances.max() <= bound


def even(query, key, value):
    """Every head looks everywhere evenly: their maps are the same."""
    n = key.shape[-2]
    weights = torch.full((*query.shape[:-1], n), 1 / n)
    return weights @ value, weights


def test_the_strip_says_the_distances():
    explorer = MultiHeadExplorer()
    mean = explorer.distances.sum(-1) / 3
    assert explorer.switches._frame["distances"] == pytest.approx(mean.tolist(), rel=0, abs=0)
    assert "Jensen–Shannon" in explorer.switches._frame["legend"]
    explorer.num_heads = 1
    assert explorer.switches._frame["distances"] == [] and explorer.switches._frame["legend"] == ""


def test_a_simple_one_shows_the_sentence_the_switches_and_the_maps():
    explorer, whole = MultiHeadExplorer(simple=True, off=[2]), MultiHeadExplorer(off=[2])
    assert list(explorer.controls) == ["sentence"] and len(whole.controls) > 1
    frame = explorer.switches._frame
    assert (frame["line"], frame["legend"], frame["count"]) == ("", "", 4)  # no formula, no bars
    assert torch.equal(explorer.weights, whole.weights) and explorer.change == whole.change
    assert "distance" not in repr(explorer) and repr(explorer) in repr(whole).split(", distance")[0] + ")"
    explorer.attention = lambda query, key, value: None  # says what is wrong, and no more than before
    assert explorer.weights is None and explorer.switches._frame["line"] == ""
    explorer.attention, explorer.sentence = scaled_dot_product_attention, "a cat"
    assert explorer.weights.shape == (4, 2, 2)


# ---------------------------------------------------------------- controls and traits are one


def test_controls_follow_the_traits_and_the_traits_the_controls():
    explorer = MultiHeadExplorer()
    labels = controls(explorer)
    labels["Heads"].value = 8
    assert explorer.num_heads == 8 and explorer.weights.shape[0] == 8
    tick(explorer, 5)
    tick(explorer, 7)
    assert explorer.off == [5, 7] and explorer.change > 0
    for solo in (2, 4):
        explorer.switches.set_state({"solo": solo})
        assert explorer.solo == solo and explorer.on == [solo]
    explorer.switches.set_state({"solo": None})
    assert explorer.solo is None and explorer.off == [5, 7]
    labels["W_Q and W_K"].value = "random"
    assert explorer.seed == 0 and "random, seed 0" in texts(explorer)[0]
    labels["reseed"].click()
    assert explorer.seed == 1
    labels["W_Q and W_K"].value = "made by hand"
    assert explorer.seed is None
    labels["reseed"].click()
    assert explorer.seed == 0 and labels["W_Q and W_K"].label == "random"
    labels["show their mean"].value = True
    assert explorer.show_mean
    labels["Sentence"].value = "a dog ran"
    assert explorer.weights.shape == (8, 3, 3)

    explorer.num_heads, explorer.seed, explorer.show_mean = 2, None, False
    explorer.off, explorer.solo, explorer.sentence = [0], 1, "one two"
    labels = controls(explorer)
    assert labels["Heads"].value == 2 and labels["Sentence"].value == "one two"
    assert labels["W_Q and W_K"].label == "made by hand" and not labels["show their mean"].value
    switches = explorer.switches
    assert (switches.off, switches.solo, switches._frame["count"]) == ([0], 1, 2)


def test_switching_one_head_is_one_message_to_the_map(monkeypatch):
    explorer = MultiHeadExplorer()
    frames = []
    explorer.heatmap.observe(lambda change: frames.append(change.new), "_frame")
    tick(explorer, 1)
    assert len(frames) == 1
    explorer.solo = 2
    assert len(frames) == 2
    explorer.num_heads = 8  # and with it no head off and no solo
    assert len(frames) == 3


@pytest.mark.parametrize("sentence", ["", "   ", "word " * (MOST_WORDS + 1)])
def test_a_sentence_that_cannot_be_shown_is_answered_in_words(sentence):
    explorer = MultiHeadExplorer(off=[0])
    explorer.sentence = sentence
    assert explorer.weights is explorer.output is explorer.change is explorer.distances is None
    assert explorer.heatmap.message in ("Type a word or two.", "41 words are too many: the most is 40.")
    explorer.sentence = SENTENCE
    assert explorer.change > 0 and explorer.heatmap.message == ""


def test_words_are_words_and_not_markup():
    explorer = MultiHeadExplorer("<script>alert(1)</script> & <b>", off=[0])
    assert explorer.changes._frame["words"] == ["<script>alert(1)</script>", "&", "<b>"]
    assert explorer.changes.figure() and explorer.switches.figure()


def test_it_opens_few_models():
    before = set(widget._instances)
    explorer = MultiHeadExplorer()
    explorer.num_heads = 8
    assert len(set(widget._instances) - before) <= 40  # each is a message, and a model in the page


def test_the_picture_says_what_rows_sum_to():
    explorer = MultiHeadExplorer(attention=lambda q, k, v: (v, 2 * (q @ k.mT).softmax(-1)))
    assert "here rows sum to 2.00 … 2.00" in explorer.figure().get_supxlabel()
    explorer = MultiHeadExplorer()
    assert "its weights sum to 1." in explorer.figure().get_supxlabel()


# ---------------------------------------------------------------- the learner's own function


def test_the_learners_function_sees_all_heads_at_once():
    seen = []

    def mine(query, key, value):
        seen.append([tuple(x.shape) for x in (query, key, value)])
        query += 1  # what it does to its arguments stays its own affair
        return scaled_dot_product_attention(query - 1, key, value)

    explorer = MultiHeadExplorer(attention=mine)
    assert seen == [[(4, 10, 4)] * 3]
    ours = MultiHeadExplorer()
    assert torch.allclose(explorer.weights, ours.weights, rtol=0, atol=roundings(ours, further=1)[1])
    assert torch.equal(explorer.heatmap.scores, ours.heatmap.scores)


@pytest.mark.parametrize(
    "attention, message",
    [
        (lambda q, k, v: None, "Not finished yet: the function returns nothing."),
        (lambda q, k, v: ..., "Not finished yet: the function returns nothing."),
        (lambda q, k, v: (v, None), "Not finished yet: weights is still empty."),
        (lambda q, k, v: v, "should return (output, weights); it returned a Tensor"),
        (lambda q, k, v: (v,), "should return (output, weights); it returned 1 thing."),
        (lambda q, k, v: (v, "w"), "weights should be a tensor; it is a str"),
        (lambda q, k, v: 1 / 0, "The function stopped with ZeroDivisionError: division by zero"),
        (lambda q, k: q, "The function stopped with TypeError"),
        (lambda q, k, v: (v, v), "weights should have shape (4, 10, 10), heads first; it has (4, 10, 4)."),
        (lambda q, k, v: (v[0], v), "output should have shape (4, 10, 4), heads first; it has (10, 4)."),
        (
            lambda q, k, v: tuple(x.mean(0) for x in scaled_dot_product_attention(q, k, v)),
            "output should have shape (4, 10, 4), heads first; it has (10, 4).",
        ),
        (
            lambda q, k, v: (v, (q @ k.mT)[:1]),
            "weights should have shape (4, 10, 10), heads first; it has (1, 10, 10).",
        ),
    ],
)
def test_a_function_that_does_not_do_is_told_so_and_the_page_lives_on(attention, message):
    explorer = MultiHeadExplorer(off=[1])
    explorer.attention = attention
    assert message in explorer.heatmap.message
    assert explorer.weights is explorer.output is explorer.distances is None
    assert explorer.change is explorer.change_by_word is None
    assert "nothing to show" in repr(explorer)
    explorer.figure()
    explorer.num_heads = 8  # controls still work
    explorer.attention = scaled_dot_product_attention
    assert explorer.weights.shape == (8, 10, 10)


@pytest.mark.parametrize(
    "attention, remark",
    [
        (lambda q, k, v: (v, (q @ k.mT).softmax(-2)), "Head 0: The row of “the” sums to"),
        (lambda q, k, v: (v, torch.full((4, 10, 10), math.nan)), "Head 0: The row of “the” holds NaN"),
        (lambda q, k, v: (v * math.nan, (q @ k.mT).softmax(-1)), ""),
    ],
)
def test_numbers_that_are_no_weights_are_shown_and_remarked_on(attention, remark):
    explorer = MultiHeadExplorer(attention=attention, off=[1])
    assert explorer.heatmap.message.startswith(remark) and bool(explorer.heatmap.message) == bool(remark)
    assert isinstance(repr(explorer), str) and explorer.figure()


# ---------------------------------------------------------------- as it is stored


def test_its_line_of_facts_is_the_same_each_time():
    line = repr(MultiHeadExplorer(SENTENCE, off=[2]))
    assert line == repr(MultiHeadExplorer(SENTENCE, off=[2], show_mean=True))
    assert line.startswith("MultiHeadExplorer(10 queries × 10 keys, 4 heads, row sums 1.00, largest ")
    assert "; heads on: 0 1 3, output changed by 0." in line
    assert line.count("\n") == 0
    assert "distance" not in repr(MultiHeadExplorer(SENTENCE, num_heads=1))


def test_it_is_stored_with_its_still_picture():
    explorer = MultiHeadExplorer(SENTENCE, off=[0])
    bundle, metadata = explorer._repr_mimebundle_()
    assert bundle["text/plain"] == repr(explorer)
    assert bundle["image/png"] and metadata["image/png"]["width"] > 0
    figure = explorer.figure()
    assert repr(explorer).split("; ", 1)[1].rstrip(")") in figure._supxlabel.get_text()
    assert [ax.get_title() for ax in figure.axes[:4]] == explorer.heatmap.head_labels


class Reader(RuleBasedStateMachine):
    """Somebody who moves every control there is, in any order."""

    def __init__(self):
        super().__init__()
        self.explorer = MultiHeadExplorer("a cat sat")

    @rule(sentence=st.lists(st.sampled_from(["cat", "it", "tired", "<b>", "čaj", "the"]), max_size=6))
    def type(self, sentence):
        self.explorer.sentence = " ".join(sentence)

    @rule(count=st.sampled_from(COUNTS))
    def cut(self, count):
        self.explorer.num_heads = count

    @rule(data=st.data())
    def switch(self, data):
        heads = range(self.explorer.num_heads)
        self.explorer.off = data.draw(st.lists(st.sampled_from(heads)))

    @rule(data=st.data())
    def tick(self, data):
        head = data.draw(st.sampled_from(range(self.explorer.num_heads)))
        tick(self.explorer, head)

    @rule(data=st.data())
    def solo(self, data):
        self.explorer.solo = data.draw(st.none() | st.sampled_from(range(self.explorer.num_heads)))

    @rule(seed=st.none() | st.integers(0, 2**32))
    def reseed(self, seed):
        self.explorer.seed = seed

    @rule()
    def press_reseed(self):
        if self.explorer.seed != 2**32:
            controls(self.explorer)["reseed"].click()

    @rule(mean=st.booleans())
    def mean(self, mean):
        self.explorer.show_mean = mean

    @rule(function=st.sampled_from([scaled_dot_product_attention, even, lambda q, k, v: None]))
    def write_a_function(self, function):
        self.explorer.attention = function

    @invariant()
    def what_is_shown_holds_together(self):
        explorer, n = self.explorer, len(split(self.explorer.sentence))
        heads = range(explorer.num_heads)
        switches = explorer.switches
        assert switches._frame["count"] == len(heads)
        assert (switches.off, switches.solo) == (explorer.off, explorer.solo)
        assert repr(explorer).count("\n") == 0
        if n == 0 or explorer.attention(*[torch.zeros(1, 1, 1)] * 3) is None:
            assert explorer.weights is None and explorer.change is None and explorer.heatmap.message
            return
        assert explorer.weights.shape == (len(heads), n, n)
        assert agree(explorer.weights.sum(-1), torch.ones(len(heads), n), n, n)
        assert explorer.output.shape == (n, DIM) and explorer.output.isfinite().all()
        assert (explorer.change == 0) == (len(explorer.on) == len(heads))
        bound = rounding(torch.float32, n * DIM)
        assert (explorer.change == pytest.approx(1, rel=0, abs=bound)) or explorer.on
        bound = entropies_bound(torch.float32, n)
        assert explorer.distances.min() >= 0 and explorer.distances.max() <= 1 + bound
        assert torch.equal(explorer.heatmap.weights[: len(heads)], explorer.weights)
        if explorer.attention is scaled_dot_product_attention:
            x = embed(split(explorer.sentence))
            expected = make_layer(explorer.num_heads, explorer.seed)(x)[1]
            assert torch.allclose(explorer.weights, expected, rtol=0, atol=roundings(explorer)[1])


Reader.TestCase.settings = settings(max_examples=20, stateful_step_count=15, deadline=None)
test_a_reader_who_moves_everything = Reader.TestCase
