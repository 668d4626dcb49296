"""Explorers without a browser: through their traits, through their controls, and with broken functions."""

import linecache
import math

import ipywidgets as widgets
import pytest
import torch
import traitlets
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from attention_core import causal_mask, scaled_dot_product_attention, window_mask, words
from attention_core._calling import Failed, call_attention
from attention_core.agreement import agree, attention_rounding, rounding
from attention_core.live import (
    Experiment,
    LookUpExplorer,
    MultiHeadExplorer,
    Plane,
    PositionExplorer,
    SelfAttentionExplorer,
)
from attention_core.live.explorer import MOST_WORDS
from attention_core.live.plane import hull_of
from attention_core.live.remarks import instead, row_remark

ours = scaled_dot_product_attention


def control(explorer, description):
    """The control with this label, as the reader finds it."""
    bar = explorer.children[0]
    return next(c for c in bar.children if c.description == description)


def by_hand(sentence, temperature=1.0, scaled=True, allowed=None):
    """The weights that the explorer should show, from the formula, and how far rounding may take them."""
    query, key, value = words.query_key_value(sentence.split())
    scale = 1 / temperature / (math.sqrt(5) if scaled else 1)
    scores = query @ key.T * scale
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -math.inf)
    return scores.softmax(-1), attention_rounding(query, key, value, scale=scale)[1]


def shows(explorer, weights, off=0.0):
    assert torch.allclose(explorer.weights, weights, rtol=0, atol=off)
    assert torch.equal(explorer.weights, explorer.heatmap.weights)
    return True


# ---------------------------------------------------------------- SelfAttentionExplorer


def test_it_shows_the_weights_of_its_sentence():
    explorer = SelfAttentionExplorer("the cat sat")
    assert shows(explorer, *by_hand("the cat sat"))
    assert explorer.output.shape == (3, 8)
    assert explorer.heatmap.query_labels == explorer.heatmap.key_labels == ["the", "cat", "sat"]
    assert explorer.heatmap.message == ""
    assert repr(explorer) == (
        "SelfAttentionExplorer(3 queries × 3 keys, row sums 1.00, largest 0.88: “sat” → “cat”)"
    )


def test_its_default_sentence_is_the_lessons():
    weights = SelfAttentionExplorer().weights
    assert weights.shape == (10, 10) and f"{weights[7, 1]:.2f}" == "0.72"


@pytest.mark.parametrize("hand", ["trait", "control"])
def test_every_control_moves_the_map_and_its_trait(hand):
    explorer, sentence = SelfAttentionExplorer("the cat sat"), "the cat sat"

    def move(name, description, value):
        if hand == "trait":
            setattr(explorer, name, value)
        else:
            control(explorer, description).value = value
        assert getattr(explorer, name) == control(explorer, description).value == value

    move("temperature", "Temperature", 0.5)
    assert shows(explorer, *by_hand(sentence, 0.5))
    move("scaled", "÷ √d_k", False)
    assert shows(explorer, *by_hand(sentence, 0.5, scaled=False))
    move("mask", "Mask", "causal")
    assert shows(explorer, *by_hand(sentence, 0.5, scaled=False, allowed=causal_mask(3)))
    move("mask", "Mask", "window")
    assert shows(explorer, *by_hand(sentence, 0.5, scaled=False, allowed=window_mask(3)))
    move("mask", "Mask", "none")
    move("sentence", "Sentence", "it was wet today")
    assert shows(explorer, *by_hand("it was wet today", 0.5, scaled=False))


def test_the_control_follows_the_trait():
    explorer = SelfAttentionExplorer("a b", temperature=0.2, scaled=False, mask="causal")
    assert control(explorer, "Sentence").value == "a b"
    assert control(explorer, "Temperature").value == 0.2
    assert control(explorer, "÷ √d_k").value is False
    assert control(explorer, "Mask").value == "causal"
    assert shows(explorer, *by_hand("a b", 0.2, scaled=False, allowed=causal_mask(2)))


@pytest.mark.parametrize(("temperature", "nearest"), [(0.001, 0.05), (0.33, 0.35), (50.0, 3.0)])
def test_a_temperature_from_python_stays_also_where_the_slider_cannot_stand(temperature, nearest):
    explorer = SelfAttentionExplorer("the cat sat")
    explorer.temperature = temperature
    assert explorer.temperature == temperature
    assert control(explorer, "Temperature").value == nearest
    assert shows(explorer, *by_hand("the cat sat", temperature))


def test_the_arithmetic_it_hands_to_the_readout_is_the_weights_arithmetic():
    explorer = SelfAttentionExplorer("it was the cat", temperature=0.5, mask="causal")
    heatmap = explorer.heatmap
    masked = heatmap.scores.masked_fill(~heatmap.allowed, -math.inf)
    assert shows(explorer, masked.softmax(-1), by_hand("it was the cat", 0.5)[1])
    query, key, _ = words.query_key_value(["it", "was", "the", "cat"])
    steps = heatmap._frame["steps"]
    assert [label for label, _ in steps] == ["÷ √5", "÷ temperature 0.50"]
    scale = math.prod(factor for _, factor in steps)
    size = float((query.abs() @ key.abs().T).max()) * scale
    assert agree(query @ key.T * scale, heatmap.scores, 5, size=size)
    explorer.scaled = False
    assert [label for label, _ in heatmap._frame["steps"]] == ["÷ temperature 0.50"]
    assert heatmap._frame["terms"]["names"] == list(words.WISHES)


@pytest.mark.parametrize(
    ("sentence", "message"),
    [
        ("", "Type a word or two."),
        (" \n\t ", "Type a word or two."),
        ("a " * (MOST_WORDS + 1), "257 words are too many: the most is 256."),
    ],
)
def test_a_sentence_that_cannot_be_shown_is_answered_in_words(sentence, message):
    explorer = SelfAttentionExplorer("the cat")
    explorer.sentence = sentence
    assert explorer.weights is None and explorer.output is None
    assert explorer.heatmap.message == message
    assert repr(explorer) == f"SelfAttentionExplorer(nothing to show: {message})"
    assert isinstance(explorer.figure(), Figure)
    explorer.sentence = "a " * MOST_WORDS
    assert explorer.weights.shape == (MOST_WORDS, MOST_WORDS) and explorer.heatmap.message == ""


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, 1e-40, "warm", None])
@pytest.mark.parametrize("make", [lambda: SelfAttentionExplorer("the cat"), LookUpExplorer])
def test_a_temperature_that_cannot_be_is_refused_and_the_old_one_stays(make, value):
    explorer = make()
    before = explorer.weights
    with pytest.raises(traitlets.TraitError, match=r"temperature.*(1e-06 up, got|expected a float)"):
        explorer.temperature = value
    assert explorer.temperature == 1.0
    assert torch.equal(explorer.weights, before)


@pytest.mark.parametrize("make", [lambda: SelfAttentionExplorer("the cat"), LookUpExplorer])
def test_the_coldest_temperature_is_a_hard_look_up(make):
    explorer = make()
    explorer.temperature = 1e-6
    assert explorer.weights[0].max() == 1
    n = explorer.weights.shape[-1]
    assert agree(explorer.weights.sum(-1), torch.ones(len(explorer.weights)), n, n)


@pytest.mark.parametrize(("name", "value"), [("mask", "diagonal"), ("attention", None), ("sentence", 3)])
def test_a_choice_that_cannot_be_is_refused_and_the_old_one_stays(name, value):
    explorer = SelfAttentionExplorer("the cat")
    before = getattr(explorer, name)
    with pytest.raises(traitlets.TraitError, match=name):
        setattr(explorer, name, value)
    assert getattr(explorer, name) == before
    assert shows(explorer, *by_hand("the cat"))


def test_an_unknown_argument_is_refused_by_name():
    with pytest.raises(TypeError, match="SelfAttentionExplorer has no argument temprature"):
        SelfAttentionExplorer("the cat", temprature=0.2)
    with pytest.raises(traitlets.TraitError, match="temperature"):
        SelfAttentionExplorer("the cat", temperature=0)
    with pytest.raises(traitlets.TraitError, match="attention"):
        SelfAttentionExplorer("the cat", attention="mine")


def test_words_are_just_words():
    sentence = "<script>alert(1)</script> $x$ 猫 🐈 " + "long" * 100
    explorer = SelfAttentionExplorer(sentence)
    assert explorer.heatmap.query_labels == sentence.split()
    assert explorer._repr_mimebundle_()[0]["image/png"]


def test_traits_can_be_observed():
    explorer, seen = SelfAttentionExplorer("the cat"), []
    explorer.observe(lambda change: seen.append(change.new.shape), "weights")
    explorer.observe(lambda change: seen.append(change.new.shape), "output")
    explorer.sentence = "the cat sat"
    assert sorted(seen) == [(3, 3), (3, 8)]


# ---------------------------------------------------------------- the learner's own function


def over_queries(query, key, value, allowed=None):
    weights = (query @ key.T / math.sqrt(query.shape[-1])).softmax(dim=0)
    return weights @ value, weights


def writes_into_its_arguments(query, key, value, allowed=None):
    answer = ours(query, key, value, allowed)
    for x in (query, key, value):
        x.zero_()
    if allowed is not None:
        allowed.fill_(False)
    return answer


def stops(query, key, value, allowed=None):
    scores = query @ key.T
    return scores @ value.T, scores  # the learner's own mistake


def calls_torch_wrongly(query, key, value, allowed=None):
    return torch.nn.functional.softmax(query @ key.T, dim=7), None


def returns(answer):
    return lambda query, key, value, allowed=None: answer(query, key, value)


BROKEN = {
    "None": (returns(lambda q, k, v: None), "Not finished yet: the function returns nothing."),
    "...": (returns(lambda q, k, v: ...), "Not finished yet: the function returns nothing."),
    "half done": (returns(lambda q, k, v: (..., q @ k.T)), "Not finished yet: output is still empty."),
    "no weights": (returns(lambda q, k, v: (v, None)), "Not finished yet: weights is still empty."),
    "no pair": (
        returns(lambda q, k, v: q @ k.T),
        "The function should return (output, weights); it returned a Tensor.",
    ),
    "three": (returns(lambda q, k, v: (v, q, k)), "return (output, weights); it returned 3 things."),
    "an int": (returns(lambda q, k, v: 7), "return (output, weights); it returned an int."),
    "lists": (returns(lambda q, k, v: ([1], [2])), "output should be a tensor; it is a list."),
    "no tensor": (returns(lambda q, k, v: (v, 0.5)), "weights should be a tensor; it is a float."),
    "swapped": (
        lambda *x: ours(*x)[::-1],
        "output should have shape (3, 8); it has (3, 3). The order is (output, weights).",
    ),
    "a batch": (
        lambda *x: tuple(part[None] for part in ours(*x)),
        "output should have shape (3, 8); it has (1, 3, 8).",
    ),
    "one row": (returns(lambda q, k, v: (v, q[0] @ k.T)), "weights should have shape (3, 3); it has (3,)."),
    "complex": (
        returns(lambda q, k, v: (v, (q @ k.T).cfloat())),
        "weights should hold real numbers; it holds complex64.",
    ),
    "raises": (stops, "The function stopped with RuntimeError: mat1 and mat2"),
    "raises in torch": (calls_torch_wrongly, "The function stopped with IndexError: Dimension out of range"),
    "takes nothing": (lambda: None, "The function stopped with TypeError"),
}
REMARKED = {
    "NaN": (
        returns(lambda q, k, v: (v, torch.full((len(q), len(k)), math.nan))),
        "The row of “the” holds NaN, not numbers: was 0 divided by 0?",
    ),
    "over queries": (over_queries, "not to 1. The columns do: is the softmax over queries?"),
    "scores": (returns(lambda q, k, v: (v, q @ k.T + 1)), "The row of “the” sums to"),
    "below 0": (returns(lambda q, k, v: (v, -torch.eye(len(q)))), "“the” holds a weight below 0: -1.00."),
    "infinite": (returns(lambda q, k, v: (v, torch.eye(len(q)) * math.inf)), "The row of “the” holds NaN"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_function_is_answered_in_words_and_the_explorer_lives_on(name):
    attention, message = BROKEN[name]
    explorer = SelfAttentionExplorer("the cat sat", attention=attention)
    assert message in explorer.heatmap.message
    assert explorer.weights is None and explorer.output is None and explorer.heatmap.weights is None
    assert repr(explorer).startswith("SelfAttentionExplorer(nothing to show: ")
    assert isinstance(explorer.figure(), Figure)
    explorer.temperature = 0.5
    explorer.mask = "causal"
    explorer.attention = ours
    assert explorer.heatmap.message == ""
    assert shows(explorer, *by_hand("the cat sat", 0.5, allowed=causal_mask(3)))
    explorer.attention = attention
    assert explorer.weights is None and explorer.output is None and explorer.heatmap.message


@pytest.mark.parametrize("name", REMARKED)
def test_wrong_weights_are_shown_with_a_remark(name):
    attention, message = REMARKED[name]
    explorer = SelfAttentionExplorer("the cat sat", attention=attention)
    assert message in explorer.heatmap.message
    assert explorer.weights.shape == (3, 3)
    assert explorer.figure() and repr(explorer)
    explorer.attention = ours
    assert explorer.heatmap.message == "" and shows(explorer, *by_hand("the cat sat"))


@pytest.mark.parametrize("mask", ["none", "causal"])
def test_a_function_that_writes_into_its_arguments_harms_nobody(mask):
    explorer = SelfAttentionExplorer("the cat sat", mask=mask, attention=writes_into_its_arguments)
    allowed = causal_mask(3) if mask == "causal" else None
    for temperature in (0.5, 1.0):
        explorer.temperature = temperature
        assert shows(explorer, *by_hand("the cat sat", temperature, allowed=allowed))
        assert explorer.heatmap.scores.abs().max() > 0
        assert (explorer.heatmap.allowed is None) == (allowed is None)
        assert allowed is None or torch.equal(explorer.heatmap.allowed, allowed)


def test_the_mask_is_passed_only_when_there_is_one():
    def takes_three(query, key, value):
        return ours(query, key, value)

    explorer = SelfAttentionExplorer("the cat sat", attention=takes_three)
    assert shows(explorer, *by_hand("the cat sat"))
    explorer.mask = "causal"
    assert "takes 3 positional arguments but 4 were given" in explorer.heatmap.message
    explorer.mask = "none"
    assert shows(explorer, *by_hand("the cat sat"))


def test_what_needs_a_gradient_or_is_half_precision_is_shown_all_the_same():
    def attention(query, key, value):
        return tuple(x.half() for x in ours(query.requires_grad_(), key, value))

    explorer = SelfAttentionExplorer("the cat sat", attention=attention)
    weights, off = by_hand("the cat sat")
    assert shows(explorer, weights, off + rounding(torch.float16))
    assert explorer.weights.dtype == explorer.output.dtype == torch.float32
    assert not explorer.output.requires_grad


def test_a_function_defined_again_is_used_at_once():
    explorer = SelfAttentionExplorer("the cat sat", attention=over_queries)
    explorer.attention = lambda q, k, v, allowed=None: (v, torch.eye(len(q)))
    assert shows(explorer, torch.eye(3))


# ---------------------------------------------------------------- call_attention and row_remark


X = torch.ones(2, 4), torch.ones(3, 4), torch.ones(3, 5)


def test_a_good_answer_comes_back_in_float32():
    output, weights = call_attention(ours, *(x.double() for x in X))
    assert output.shape == (2, 5) and weights.shape == (2, 3)
    assert output.dtype == weights.dtype == torch.float32


def test_rows_and_columns_mixed_up_are_named():
    with pytest.raises(Failed) as problem:
        call_attention(lambda q, k, v: (torch.ones(2, 5), k @ q.T), *X)
    assert instead(problem.value) == (
        "weights should have shape (2, 3); it has (3, 2). Rows are queries, columns are keys."
    )


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        ("the cat sat", ""),
        ("the blorb sat", "Not in our list: “blorb”. Its numbers are drawn from its letters."),
        ("blorb and zork", "Not in our list: “blorb”, “zork”. Their numbers are drawn from their letters."),
        (
            "a1 a2 a3 a4 a5 a6 a1",
            "Not in our list: “a1”, “a2”, “a3”, “a4” and 2 more. Their numbers are drawn from their letters.",
        ),
    ],
)
@pytest.mark.parametrize("kind", [SelfAttentionExplorer, MultiHeadExplorer, PositionExplorer])
def test_a_word_whose_numbers_nobody_made_is_named(kind, sentence, said):
    explorer = kind(sentence)
    assert explorer.heatmap.message == said and explorer.weights is not None
    explorer.sentence = "the cat sat"
    assert explorer.heatmap.message == ""


def test_the_message_names_the_line_that_the_learner_wrote():
    with pytest.raises(Failed) as problem:
        call_attention(stops, *X)
    line = stops.__code__.co_firstlineno + 2
    assert instead(problem.value).splitlines()[-1] == (
        f"in line {line}: return scores @ value.T, scores  # the learner's own mistake"
    )
    with pytest.raises(Failed) as problem:  # raised deep inside torch: still the learner's line
        call_attention(calls_torch_wrongly, *X)
    assert "in line" in instead(problem.value) and "softmax(query @ key.T, dim=7)" in instead(problem.value)


@pytest.mark.parametrize("file", ["/tmp/ipykernel_1234/5678.py", "<ipython-input-3-0a1b2c3d>"])
def test_the_message_names_the_line_of_a_notebooks_cell(file):
    source = (
        "def attention(query, key, value):\n    scores = query @ key.T\n    return scores / 0 @ value.T\n"
    )
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    cell = {}
    exec(compile(source, file, "exec"), cell)
    with pytest.raises(Failed) as problem:
        call_attention(cell["attention"], *X)
    assert instead(problem.value).endswith("\nin line 3: return scores / 0 @ value.T")
    del linecache.cache[file]


def test_a_wrong_number_of_arguments_has_no_line_of_the_learners():
    with pytest.raises(Failed) as problem:
        call_attention(lambda: None, *X)
    assert "takes 0 positional arguments but 3 were given" in instead(problem.value)
    assert "in line" not in instead(problem.value)


COLUMNS = " The columns do: is the softmax over queries?"


@pytest.mark.parametrize(
    ("weights", "remark"),
    [
        ([[0.5, 0.5], [1, 0]], ""),
        ([[0, 0], [1, 0]], ""),  # it may look nowhere
        ([[0.5, 0.5005], [1, 0]], ""),  # as half precision has it
        ([[0.5, 0.5078125], [1, 0]], ""),  # and bfloat16
        ([[0.3, 0.71], [1, 0]], "The row of “a” sums to 1.01, not to 1."),
        ([[0.5, 0.6], [1, 0]], "The row of “a” sums to 1.10, not to 1."),
        ([[0.5, 0.5], [0.5, 0]], "The row of “b” sums to 0.50, not to 1."),
        ([[1, 1], [0, 0]], "The row of “a” sums to 2.00, not to 1." + COLUMNS),
        ([[1.5, -0.5], [1, 0]], "The row of “a” holds a weight below 0: -0.50."),
        ([[1, 0], [math.nan, 0]], "The row of “b” holds NaN, not numbers: was 0 divided by 0?"),
        ([[math.inf, 0], [1, 0]], "The row of “a” sums to inf, not to 1."),
    ],
)  # fmt: skip
def test_a_row_remark_says_what_is_wrong_with_which_row(weights, remark):
    assert row_remark(torch.tensor(weights), ["a", "b"]) == remark


def blind(query, key, value, allowed=None):
    """Attention that takes a mask and does not use it."""
    return ours(query, key, value)


@pytest.mark.parametrize("Explorer", [SelfAttentionExplorer, PositionExplorer])
def test_a_mask_that_is_not_used_is_not_shown_as_obeyed(Explorer):
    explorer = Explorer("the cat sat", attention=blind, mask="causal")
    assert explorer.heatmap.message == (
        f"“cat” gives {explorer.weights[1, 2]:.2f} to “sat”, which the mask forbids: "
        "does the function use it?"
    )
    explorer.attention = ours
    assert explorer.heatmap.message == ""
    explorer.mask, explorer.attention = "none", blind
    assert explorer.heatmap.message == ""


# ---------------------------------------------------------------- Experiment


def test_an_experiment_makes_controls_and_follows_them():
    experiment = Experiment(
        lambda size, sharp, look, note: {
            "weights": (torch.eye(size) * sharp).softmax(-1),
            "message": f"{look} {note}",
            "title": note,
        },
        size=(1, 5, 1), sharp=(0.0, 2.0, 0.5), look=["here", "there"], note="hello",
    )  # fmt: skip
    kinds = [type(c) for c in experiment.controls.values()]
    assert kinds == [widgets.IntSlider, widgets.FloatSlider, widgets.Dropdown, widgets.Text]
    assert experiment.children[0].children == tuple(experiment.controls.values())
    assert experiment.weights.shape == (3, 3)
    assert (experiment.heatmap.title, experiment.heatmap.message) == ("hello", "here hello")
    experiment.controls["size"].value = 2
    experiment.controls["sharp"].value = 0.0
    experiment.controls["look"].value = "there"
    assert torch.equal(experiment.weights, torch.full((2, 2), 0.5))
    assert experiment.heatmap.message == "there hello"
    assert repr(experiment) == "Experiment(2 queries × 2 keys, row sums 1.00, largest 0.50: “0” → “0”)"


def test_an_experiments_labels_and_mask_are_those_of_its_last_answer():
    named = {"weights": torch.eye(3), "queries": list("abc"), "allowed": torch.ones(3, 3, dtype=torch.bool)}
    experiment = Experiment(lambda full: named if full else torch.eye(4), full=True)
    assert experiment.heatmap.query_labels == list("abc") and experiment.heatmap.allowed is not None
    experiment.controls["full"].value = False
    assert experiment.heatmap.message == "" and experiment.weights.shape == (4, 4)
    assert experiment.heatmap.query_labels == list("0123") and experiment.heatmap.allowed is None


def test_an_experiment_may_return_weights_alone_and_use_a_control_of_ones_own():
    slider = widgets.IntSlider(4, 1, 6, description="How many")
    experiment = Experiment(lambda n_words: torch.eye(n_words), n_words=slider, show_sums=True)
    assert experiment.weights.shape == (4, 4) and experiment.heatmap.show_sums
    assert slider.description == "How many"
    assert (
        Experiment(lambda n_words: torch.eye(n_words), n_words=2).controls["n_words"].description == "n words"
    )


def test_a_switch_is_a_control():
    experiment = Experiment(lambda even: torch.ones(2, 2) / 2 if even else torch.eye(2), even=True)
    assert torch.equal(experiment.weights, torch.ones(2, 2) / 2)
    experiment.controls["even"].value = False
    assert torch.equal(experiment.weights, torch.eye(2))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda n: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda n: None, "Not finished yet: the function returns no weights."),
        (lambda n: {"message": "hello"}, "Not finished yet: the function returns no weights."),
        (lambda n: "words", "ValueError: weights must be a tensor or an array of numbers, got str"),
        (lambda n: torch.ones(2), "ValueError: weights must be (n_q, n_k) or (heads, n_q, n_k), got (2,)"),
        (
            lambda n: {"weights": torch.eye(2), "colour": 1},
            "TypeError: a map has no colour; it has weights, queries",
        ),
        (
            lambda n: {"weights": torch.eye(2), "keys": ["a"]},
            "ValueError: weights have 2 columns but keys has 1 labels",
        ),
        (lambda m: torch.eye(2), "got an unexpected keyword argument 'n'"),
    ],
)
def test_an_experiment_that_fails_says_so_and_lives_on(function, message):
    experiment = Experiment(lambda n: function(n=n) if n < 3 else torch.eye(n), n=(1, 5, 1))
    assert shows(experiment, torch.eye(3)) and experiment.heatmap.message == ""
    experiment.controls["n"].value = 1
    assert message in experiment.heatmap.message
    assert experiment.weights is None and experiment.figure()
    experiment.controls["n"].value = 4
    assert shows(experiment, torch.eye(4)) and experiment.heatmap.message == ""


def test_what_makes_no_control_is_refused_by_name():
    with pytest.raises(ValueError, match=r"n=<object.*makes no control: give a list"):
        Experiment(lambda n: torch.eye(n), n=object())


# ---------------------------------------------------------------- LookUpExplorer


def look_up_by_hand(explorer):
    """Output and weights from the formula, each with how far rounding may take it."""
    key = torch.tensor([explorer.asking.points[name] for name in ("north", "east", "south", "west")])
    at = [explorer.answer.points[name] for name in ("fig", "pear", "plum", "lime")]
    value = torch.tensor(at, dtype=torch.float32)
    query, scale = torch.tensor([explorer.query]), 1 / math.sqrt(2) / explorer.temperature
    weights = (query @ key.T * scale).softmax(-1)
    return zip((weights @ value, weights), attention_rounding(query, key, value, scale=scale), strict=True)


def looks_up_right(explorer):
    (output, output_off), (weights, off) = look_up_by_hand(explorer)
    assert shows(explorer, weights, off)
    assert torch.allclose(explorer.output, output, rtol=0, atol=output_off)
    assert explorer.answer.points["output"] == tuple(explorer.output[0].tolist())
    assert explorer.asking.points["query"] == explorer.query
    assert explorer.asking._sizes == pytest.approx(
        dict(zip(("north", "east", "south", "west"), weights[0].tolist(), strict=True)), rel=0, abs=off
    )
    return explorer.heatmap.message == ""


def test_the_query_can_be_set_and_dragged():
    explorer = LookUpExplorer()
    assert explorer.query == (0.9, 1.2) and looks_up_right(explorer)
    explorer.query = (-1.5, 0.25)
    assert looks_up_right(explorer)
    explorer.asking.set_trait("_movable", {"query": [0.5, -2]})  # as the browser writes it
    assert explorer.query == (0.5, -2.0) and looks_up_right(explorer)
    explorer.asking.move(query=(1, 1))
    assert explorer.query == (1.0, 1.0) and looks_up_right(explorer)


def test_the_values_can_be_dragged_and_the_output_follows():
    explorer = LookUpExplorer()
    before = explorer.output
    explorer.answer.set_trait("_movable", {**explorer.answer._movable, "fig": [2, 2]})
    assert looks_up_right(explorer) and not torch.equal(explorer.output, before)
    explorer.answer.move(plum=(0, 0), lime=(-2, -2))
    assert looks_up_right(explorer)


def test_its_temperature_hardens_the_look_up():
    explorer = LookUpExplorer()
    slider = control(explorer, "Temperature")
    slider.value = 0.1
    assert explorer.temperature == 0.1 and looks_up_right(explorer)
    assert explorer.weights.max() > 0.9
    explorer.temperature = 10
    assert slider.value == 10 and looks_up_right(explorer)
    assert explorer.weights.max() < 0.3
    assert [label for label, _ in explorer.heatmap._frame["steps"]] == ["÷ √2", "÷ temperature 10.00"]


@pytest.mark.parametrize(
    "query", [(9, 0), (0, -2.1), (math.nan, 0), (0, math.inf), (1,), (1, 2, 3), "up", None]
)
def test_a_query_that_cannot_be_is_refused_and_the_old_one_stays(query):
    explorer = LookUpExplorer()
    with pytest.raises(traitlets.TraitError, match="query"):
        explorer.query = query
    assert explorer.query == (0.9, 1.2) and looks_up_right(explorer)


def names_drawn(explorer):
    return [text.get_text() for text in explorer.figure().axes[1].texts]


def test_an_average_of_values_at_the_rim_is_inside():
    explorer = LookUpExplorer()
    for x in (2, -2):
        explorer.answer.set_state({"_movable": {name: [x, x] for name in explorer.answer._movable}})
        for tenth in range(-20, 21):  # rounding may end just beyond
            explorer.query = (tenth / 10, 0.3)
            assert explorer.heatmap.message == "" and "output" in names_drawn(explorer)


def test_an_output_that_leaves_the_plane_is_said():
    explorer = LookUpExplorer(attention=lambda q, k, v: (4 * ours(q, k, v)[0], ours(q, k, v)[1]))
    x, y = explorer.output[0].tolist()
    assert f"The output, ({x:.2f}, {y:.2f}), is outside of the plane" in explorer.heatmap.message
    assert "output" not in names_drawn(explorer)
    explorer.attention = ours
    assert explorer.heatmap.message == "" and "output" in names_drawn(explorer)


@pytest.mark.parametrize("name", BROKEN)
def test_looking_up_with_a_broken_function_is_answered_in_words(name):
    attention, _ = BROKEN[name]
    explorer = LookUpExplorer(attention=attention)
    with pytest.raises(Failed) as problem:
        call_attention(attention, torch.tensor([[0.9, 1.2]]), torch.ones(4, 2), torch.ones(4, 2))
    assert explorer.heatmap.message == instead(problem.value)
    assert explorer.weights is None and explorer.output is None
    assert set(explorer.asking._sizes.values()) == {0}
    assert explorer.answer._sizes["output"] is None  # it is nowhere, so it is not drawn
    assert "output" not in names_drawn(explorer)
    explorer.query = (1, 1)
    explorer.attention = ours
    assert looks_up_right(explorer) and "output" in names_drawn(explorer)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (math.nan, "holds NaN"),
        (math.inf, "sums to inf"),
        (1e30, "not to 1"),
        (-1.0, "holds a weight below 0"),
    ],
)
def test_numbers_that_have_no_place_in_a_plane_are_answered_in_words(weight, message):
    explorer = LookUpExplorer()
    at = explorer.answer.points["output"]
    explorer.attention = lambda q, k, v: (torch.full((1, 2), math.nan), torch.full((1, 4), weight))
    assert message in explorer.heatmap.message
    assert explorer.answer.points["output"] == at and "output" not in names_drawn(explorer)
    assert all(0 <= size <= 1 for size in explorer.asking._sizes.values())  # also where it is NaN
    explorer._repr_mimebundle_()
    explorer.attention = ours
    assert looks_up_right(explorer)


def test_its_picture_has_both_planes_and_the_weights():
    explorer = LookUpExplorer()
    figure = explorer.figure()
    assert [ax.get_title() for ax in figure.axes] == ["Keys, and your query", "Values, and the output"]
    shares = ", ".join(
        f"{name} {w:.2f}"
        for name, w in zip(("north", "east", "south", "west"), explorer.weights[0], strict=True)
    )
    assert figure.get_supxlabel() == f"weights: {shares}"
    explorer.attention = lambda q, k, v: None
    assert explorer.figure().get_supxlabel() == "Not finished yet: the function returns nothing."


# ---------------------------------------------------------------- Plane

places = st.tuples(st.floats(-2, 2), st.floats(-2, 2))
grid = st.tuples(*[st.integers(-128, 128).map(lambda n: n / 64)] * 2)  # turns between these are exact


def test_a_plane_moves_its_points():
    plane = Plane({"a": (1, 2), "b": (0, -1)}, movable=["a"], arrows=["b"], title="two")
    moved = []
    plane.on_move(lambda: moved.append(plane.points))
    plane.move(a=(0.5, 0.5))
    assert plane.points == {"a": (0.5, 0.5), "b": (0.0, -1.0)} and len(moved) == 1
    plane.move(b=(1, 1))
    assert plane.points["b"] == (1.0, 1.0) and len(moved) == 1  # only movable points move by hand
    plane.set_trait("_movable", {"a": [2, 2]})
    assert moved[-1]["a"] == (2, 2)
    assert repr(plane) == "Plane(b at (1.00, 1.00), a at (2.00, 2.00))"
    assert plane._repr_mimebundle_()[0]["text/plain"] == repr(plane)


def test_its_hull_follows_the_points():
    corners = {"a": (0, 0), "b": (2, 0), "c": (2, 2), "d": (0, 2)}
    plane = Plane({**corners, "inside": (1, 1), "out": (-2, -2)}, movable=["a"], hull=[*corners, "inside"])
    assert plane._outline == [[0, 0], [2, 0], [2, 2], [0, 2]]
    plane.set_trait("_movable", {"a": [1.5, 1.5]})
    assert plane._outline == [[0, 2], [2, 0], [2, 2]]  # (1, 1) is on an edge now
    assert len(plane.figure().axes[0].patches) == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Plane({"a": (1, 2)}, movable=["b"]), "there is no point named 'b' among a"),
        (lambda: Plane({"a": (1, 2)}, arrows=["b"]), "there is no point named 'b' among a"),
        (lambda: Plane({"a": (1, 2)}, hull=["b"]), "there is no point named 'b' among a"),
        (lambda: Plane({"a": (1, 2)}).move(b=(1, 2)), "there is no point named 'b' among a"),
        (lambda: Plane({"a": (1, 2, 3)}), r"a needs two finite numbers, x and y, got \[1.0, 2.0, 3.0\]"),
        (lambda: Plane({"a": (1,)}), r"a needs two finite numbers, x and y, got \[1.0\]"),
        (lambda: Plane({"a": (math.nan, 1)}), r"a needs two finite numbers, x and y, got \[nan, 1.0\]"),
        (lambda: Plane({"a": (1, 2)}).move(a=(math.inf, 1)), "a needs two finite numbers"),
        (lambda: Plane({"a": 1}), "a needs two finite numbers, x and y, got 1"),
        (lambda: Plane({"a": "xy"}), "a needs two finite numbers, x and y, got 'xy'"),
    ],
)
def test_a_plane_refuses_what_has_no_place(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_refused_move_moves_nothing():
    plane = Plane({"a": (1, 2), "b": (0, 0)}, movable=["a"])
    with pytest.raises(ValueError):
        plane.move(a=(0, 0), b=(math.nan, 0))
    assert plane.points["a"] == (1, 2)


def turn(a, b, c):
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def corners(hull):
    return zip(hull, hull[1:] + hull[:1], hull[2:] + hull[:2], strict=True) if len(hull) > 2 else ()


@settings(deadline=None)
@given(points=st.lists(places, max_size=8))
def test_a_hull_holds_every_point(points):
    hull = hull_of(points)
    assert set(hull) <= set(points)
    assert (len(hull) > 0) == (len(points) > 0)
    # a turn is a difference of two products of sides, each 4 at most; each point that is left out costs one
    off = rounding(torch.float64, *[2] * len(points), size=2 * 4 * 4)
    for a, b, _ in corners(hull):
        assert all(turn(a, b, point) >= -off for point in points)


@settings(deadline=None)
@given(points=st.lists(grid, max_size=8))
def test_a_hull_turns_left_at_each_corner(points):
    hull = hull_of(points)
    for a, b, c in corners(hull):
        assert turn(a, b, c) > 0
        assert all(turn(a, b, point) >= 0 for point in points)


@pytest.mark.parametrize(
    ("points", "hull"),
    [
        ([], []),
        ([(1, 1)], [(1, 1)]),
        ([(1, 1), (1, 1)], [(1, 1)]),
        ([(0, 0), (1, 1), (2, 2)], [(0, 0), (2, 2)]),  # on one line: its two ends
        ([(0, 0), (2, 0), (1, 0), (1, 2), (1, 1)], [(0, 0), (2, 0), (1, 2)]),
    ],
)
def test_hulls_of_few_points(points, hull):
    assert hull_of(points) == hull


TURNED = LookUpExplorer()  # one for all examples: making one takes longer than turning it


@settings(max_examples=50, deadline=None)
@given(query=places, temperature=st.floats(0.01, 10))
def test_the_output_stays_inside_the_values_hull(query, temperature):
    TURNED.query, TURNED.temperature = query, temperature
    hull, (x, y) = TURNED.answer._outline, TURNED.answer.points["output"]
    reach = max(abs(x) for corner in hull for x in corner)
    # shares of four values, and their sum; a turn adds two products, with a side of 2 · reach at most
    off = rounding(torch.float32, 4, 4, size=reach * 2 * 2 * reach)
    for a, b in zip(hull, hull[1:] + hull[:1], strict=True):
        assert turn(a, b, (x, y)) >= -off
