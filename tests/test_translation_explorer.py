"""A translation letter by letter: models whose effect map is known, and models that break."""

import copy
import time

import pytest
import torch
import traitlets
from torch import nn

from attention_core import _calling
from attention_core.live import TranslationExplorer
from attention_core.live.translated import EDITS, MOST_LETTERS, translated
from attention_core.positional_encoding import SinusoidalEncoding
from attention_core.tasks import Dates
from attention_core.transformer import EncoderDecoder

TASK = Dates()
EMPTY = "Type a date, such as “3 march 1998”."


def one_hot(tokens):
    return nn.functional.one_hot(tokens, len(Dates.TARGET)).float()


class Copies:
    """Writes letter j of the source at place j, and looks there: the effect of an edit is the identity."""

    def __init__(self, rows=None):
        self.rows, self.calls = rows, []

    def __call__(self, source, target):
        self.calls.append(len(source))
        (batch, n_s), n_t = source.shape, target.shape[1]
        digits = [*range(3), *[3] * (len(Dates.SOURCE) - 3)]
        for digit in "0123456789":
            digits[Dates.SOURCE.index(digit)] = Dates.TARGET.index(digit)
        written = torch.tensor(digits)[source]  # (batch, n_s)
        written = torch.cat((written, torch.full((batch, n_t), TASK.end)), 1)[:, :n_t]
        weights = torch.eye(max(n_t, n_s))[:n_t, :n_s].expand(batch, n_t, n_s)
        return one_hot(written), weights if self.rows is None else self.rows(weights)


class Blind(nn.Module):
    """Writes one and the same date, whatever was typed; looks everywhere alike."""

    def forward(self, source, target):
        n_t, n_s = target.shape[1], source.shape[1]
        written = torch.tensor([*map(Dates.TARGET.index, "1998-03-03$")] * 2)[:n_t]
        return one_hot(written).expand(len(source), -1, -1), torch.full((len(source), 3, n_t, n_s), 1 / n_s)


class Reader(nn.Module):
    """The page's kind of model: what it writes goes through `look_up`, its attribute."""

    def __init__(self, look_up=None):
        super().__init__()
        self.word = nn.Embedding(len(Dates.SOURCE), 8)
        self.read = nn.Embedding(len(Dates.TARGET), 8)
        self.out = nn.Linear(16, len(Dates.TARGET))
        if look_up is not None:
            self.look_up = look_up

    def look_up(self, states, memory, allowed=None):
        weights = (states @ memory.mT / 8**0.5).softmax(-1)
        return torch.cat((states, weights @ memory), -1), weights

    def forward(self, source, target, allowed=None):
        beside, weights = self.look_up(self.read(target), self.word(source), allowed)
        return self.out(beside), weights


def small(layers=1, seed=0):
    torch.manual_seed(seed)
    sizes = len(Dates.SOURCE), len(Dates.TARGET), 8, 2
    return EncoderDecoder(*sizes, num_layers=layers, positions=SinusoidalEncoding(8))


def said(explorer) -> str:
    assert explorer.weights is None and explorer.effect is None
    return explorer.heatmap.message


# ---------------------------------------------------------------- models whose effect is known


def test_a_model_that_copies_has_the_identity():
    explorer = TranslationExplorer(Copies(), "1998")
    assert explorer.answer == "1998" and explorer.written == 4
    assert torch.equal(explorer.effect, torch.eye(4)) and torch.equal(explorer.weights, torch.eye(4)[None])
    assert explorer.heatmap.query_labels == explorer.heatmap.key_labels == ["1", "9", "9", "8"]
    assert explorer.apart.content.plain == (
        "The maps differ most at “1”, letter 1 written, and “1”, letter 1 typed: "
        "1.00 of its attention, changed by 1.00 of the edits."
    )
    assert explorer.edits.map.reading.cell == "Replacing {key} changes {query} in {number} of the cases."


def test_a_model_that_never_looks_has_nothing():
    explorer = TranslationExplorer(Blind(), "3 may 1998")
    assert explorer.answer == "1998-03-03" and not explorer.effect.any()
    assert explorer.weights.shape == (3, 10, 10) and explorer.effect.shape == (10, 10)
    assert explorer.heatmap.key_labels == ["3", "␣", "m", "a", "y", "␣", "1", "9", "9", "8"]
    assert explorer.verdict.content.plain == "1998-03-03 is wrong: 1998-05-03 is right."
    assert "0.10 of its attention (mean of the heads), changed by 0.00" in explorer.apart.content.plain
    explorer.text = "3 march 1998"
    assert explorer.verdict.content.plain == "1998-03-03 is exactly right."


def test_the_share_is_that_of_the_replacements_and_they_are_of_its_kind():
    seen = []

    def even(source, target):
        seen.append(source)
        written = torch.full(target.shape, TASK.end)
        written[:, 0] = 4 + source[:, 0] % 2  # whether the first letter's number is even
        return one_hot(written), torch.full((*target.shape, source.shape[1]), 1 / source.shape[1])

    explorer = TranslationExplorer(even, "7 ")
    letters = [TASK.decode(row, Dates.SOURCE) for row in seen[-1]]
    digits, signs = letters[1 : 1 + EDITS], letters[1 + EDITS :]
    assert letters[0] == "7 " and len({*digits}) == EDITS and {*signs} == {"7,", "7.", "7-"}
    assert all(text[0].isdigit() and text[0] != "7" and text[1] == " " for text in digits)
    share = sum((int(text[0]) - 7) % 2 for text in digits) / EDITS
    assert explorer.effect.tolist() == [[pytest.approx(share), 0]]
    explorer.text = "q"
    others = [TASK.decode(row, Dates.SOURCE) for row in seen[-1][1:]]
    assert len({*others}) == EDITS and all(text.isalpha() and text != "q" for text in others)


def test_all_replacements_are_one_batch_and_the_slider_asks_nobody():
    model = Copies()
    explorer = TranslationExplorer(model, "1998")
    assert model.calls == [1] * 5 + [1 + 4 * EDITS]
    for explorer.written in (2, 0, 4):
        pass
    explorer.controls["written"].children[0].value = 1
    assert explorer.weights.shape == (1, 1, 4) and len(model.calls) == 6
    explorer.text = "199"
    assert model.calls[6:] == [1] * 4 + [1 + 3 * EDITS] and explorer.written == 3


@pytest.mark.parametrize(
    "rows", [None, lambda w: w[:, None], lambda w: {"cross": [w[:, None]]}, lambda w: {"cross": (w,)}]
)
def test_weights_of_any_form_are_the_same(rows):
    assert torch.equal(TranslationExplorer(Copies(rows), "1998").weights, torch.eye(4)[None])


def test_a_transformers_weights_are_its_own_and_so_is_its_answer():
    model, text = small(), "3 march 1998"
    source = TASK.encode(text)
    written = model.generate(source, TASK.start, TASK.end, TASK.most)
    target = torch.cat((torch.tensor([[TASK.start]]), written[:, :-1]), 1)
    explorer = TranslationExplorer(model, text)
    n = len(explorer.answer)
    logits, weights = model(source, target)
    assert torch.allclose(explorer.weights, weights["cross"][-1][0, :, :n], atol=1e-6)
    assert explorer.answer == "".join(Dates.TARGET[t] for t in logits.argmax(-1)[0].tolist()).split("$")[0]
    by_hand = TranslationExplorer(lambda source, target: model(source, target), text)  # it has no generate
    assert by_hand.answer == explorer.answer and torch.allclose(by_hand.effect, explorer.effect)


def test_there_is_a_choice_of_layers_only_where_there_are_several():
    assert list(TranslationExplorer(small()).controls) == ["text", "written"]
    explorer = TranslationExplorer(small(2))
    assert list(explorer.controls) == ["text", "written", "layer"] and explorer.layer == 1
    last = explorer.weights
    explorer.controls["layer"].index = 0
    assert explorer.layer == 0 and not torch.equal(explorer.weights, last)
    assert torch.equal(TranslationExplorer(small(2), layer=0).weights, explorer.weights)
    with pytest.raises(traitlets.TraitError, match="there is no layer 2: they are 0 to 1"):
        explorer.layer = 2
    assert explorer.layer == 0
    explorer.layer = 1
    explorer.model = small()
    assert explorer.layer == 0 and explorer.weights is not None
    late = TranslationExplorer(small(2), "")
    late.text = explorer.text
    assert torch.equal(late.weights, last) and list(late.controls) == ["text", "written"]


# ---------------------------------------------------------------- what is typed, and how far it is shown


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", EMPTY),
        ("a" * 60, f"60 letters are too many: the most is {MOST_LETTERS}."),
        ("3 märz", "“ä” is no letter of these dates: they have a to z, 0 to 9, and “ ,.-”"),
        ("🐈‍⬛", "“🐈” is no letter of these dates: they have a to z, 0 to 9, and “ ,.-”"),
        ("{x}", "“{” is no letter of these dates: they have a to z, 0 to 9, and “ ,.-”"),
        ("3_4", "“_” is no letter of these dates: they have a to z, 0 to 9, and “ ,.-”"),
    ],
)
def test_what_cannot_be_translated_is_said(text, why):
    explorer = TranslationExplorer(small(), text)
    assert said(explorer) == why and explorer.answer is None and explorer.written == 0
    assert repr(explorer) == f"TranslationExplorer(nothing to show: {why})"
    assert explorer.edits.map is None and explorer.edits.message and explorer.figure()
    explorer.text = "3 may 1998"
    assert explorer.weights is not None and explorer.edits.message == "" and explorer.written > 0


@pytest.mark.parametrize("text", ["3", " ", "-", "3 MARCH 1998", "31 february 1990", "x" * MOST_LETTERS])
def test_anything_else_is_translated(text):
    explorer = TranslationExplorer(small(), text)
    assert explorer.effect.shape == (explorer.written, len(text)) and explorer.figure()
    assert "\n" not in repr(explorer) and bool(((explorer.effect >= 0) & (explorer.effect <= 1)).all())


def test_what_is_no_date_has_no_right_answer():
    explorer = TranslationExplorer(Blind(), "31 february 1990")
    plain = explorer.verdict.content.plain
    assert (
        plain
        == "1998-03-03 was written. “31 february 1990” is not in the calendar: there is no right answer."
    )
    explorer.text = "soon"
    assert "“soon” is none of the six ways to write a date: there is no" in explorer.verdict.content.plain
    endless = TranslationExplorer(Copies(), "1" * 20)
    assert endless.answer == "1" * 11 and "cut off: the model did not end it" in endless.verdict.content.plain
    silent = TranslationExplorer(
        lambda s, t: (one_hot(torch.full(t.shape, TASK.end)), torch.ones(*t.shape, s.shape[1]))
    )
    assert said(silent) == "The model ended before it wrote a letter." and silent.answer == ""


def test_the_slider_the_buttons_and_the_trait_go_together():
    explorer = TranslationExplorer(Copies(), "1998", written=2)
    slider, play = explorer.controls["written"].children
    assert (explorer.written, slider.value, play.value, slider.max, play.max) == (2, 2, 2, 4, 4)
    assert explorer.heatmap.query_labels == ["1", "9"] and explorer.answer == "1998"
    explorer.written = 99
    assert (explorer.written, slider.value, play.value) == (4, 4, 4)
    slider.value = 0
    assert said(explorer) == "Nothing is written yet: press play, or move the slider."
    assert explorer.answer == "1998" and "is none of the six" in repr(explorer)
    explorer.text = "19"
    assert (explorer.written, slider.value, slider.max, play.max) == (2, 2, 2, 2)
    explorer.written = 1
    explorer.text = "1"
    assert (slider.max, play.max, explorer.written) == (1, 1, 1)
    with pytest.raises(traitlets.TraitError):
        explorer.written = -1
    explorer.written = None  # all that there is
    assert (explorer.written, slider.value, play.value) == (1, 1, 1)
    steps = [value for value, _ in explorer.dials["written"].steps()]
    assert steps == [0, 1]


def test_a_model_trained_on_is_asked_anew():
    model = small()
    explorer = TranslationExplorer(model, "3 may 1998")
    before = explorer.weights
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
    explorer.update()
    assert not torch.equal(explorer.weights, before)
    explorer.model = small()
    assert torch.equal(explorer.weights, before)


# ---------------------------------------------------------------- models and functions that break


def raising(source, target):
    raise ValueError("no {braces}")


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (raising, "The model stopped with ValueError: no {braces}\nin line"),
        (lambda s, t: None, "Not finished yet: the model returns nothing."),
        (lambda s, t: one_hot(t), "The model should return (logits, weights); it returned a Tensor"),
        (lambda s, t: (one_hot(t)[..., :4], None), "logits should have shape (1, 1, 14); it has (1, 1, 4)."),
        (lambda s, t: (one_hot(t), None), "Not finished yet: weights is still empty."),
        (lambda s, t: (one_hot(t), {"encoder": []}), "Not finished yet: weights is still empty."),
        (lambda s, t: (one_hot(t), torch.ones(1, 2)), "weights should have shape (1, 1, 4); it has (1, 2)."),
        (3, "The model stopped with TypeError: 'int' object is not callable"),
    ],
)
def test_a_broken_model_is_said_in_words(model, why):
    explorer = TranslationExplorer(model, "1998")
    message = said(explorer)
    assert message.lower().startswith(why.lower()) and explorer.edits.map is None
    explorer.model = Copies()
    assert explorer.answer == "1998" and explorer.heatmap.message == ""


def half(states, memory, allowed=None):
    weights = (states @ memory.mT / 8**0.5).softmax(-1)
    return torch.cat((states, 0 * (weights @ memory)), -1), weights


def stops(states, memory, allowed=None):
    return states @ memory


def no_end(states, memory, allowed=None):
    while True:
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("look_up", "why"),
    [
        (stops, "look_up: the function stopped with RuntimeError"),
        (
            lambda states, memory, allowed=None: ...,
            "look_up: not finished yet: the function returns nothing.",
        ),
        (
            lambda s, m, a=None: (s, s @ m.mT),
            "look_up: beside should have shape (1, 1, 16); it has (1, 1, 8).",
        ),
        (no_end, "look_up: the function was ended after 0.3 seconds"),
    ],
)
def test_a_broken_look_up_is_said_in_words(look_up, why, monkeypatch):
    monkeypatch.setattr(_calling, "LONGEST", 0.3)
    explorer = TranslationExplorer(Reader(), "1998", look_up=look_up)
    assert said(explorer).startswith(why)
    if look_up is stops:
        assert said(explorer).endswith(": return states @ memory")
    explorer.look_up = half
    assert explorer.weights is not None and not explorer.effect.any()  # what it looked up is not used


def test_look_up_takes_the_place_of_every_kind_of_attribute_and_only_meanwhile():
    class Part(nn.Module):
        def forward(self, *given):
            return Reader.look_up(None, *given)

    plain = TranslationExplorer(Reader(), "1998").weights.shape
    for own in (None, lambda *given: Reader.look_up(None, *given), Part()):
        torch.manual_seed(0)
        model = Reader(own)
        before, found = copy.copy(vars(model)), model.look_up
        explorer = TranslationExplorer(model, "1998")
        usual = explorer.effect
        explorer.look_up = half
        assert explorer.weights.shape[-1] == plain[-1] and not explorer.effect.any()
        assert vars(model) == before and model.look_up == found
        explorer.look_up = None
        assert torch.equal(explorer.effect, usual)
    without = TranslationExplorer(Copies(), "1998", look_up=half)
    assert said(without).startswith("The model has no attribute look_up")


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_a_look_up_of_another_precision_is_shown(dtype):
    def other(states, memory, allowed=None):
        beside, weights = Reader.look_up(None, states.to(dtype), memory.to(dtype))
        return beside, weights

    torch.manual_seed(0)
    explorer = TranslationExplorer(Reader(), "1998")
    usual = explorer.weights
    explorer.look_up = other
    assert torch.allclose(explorer.weights, usual, atol=1e-2)


def test_weights_that_are_no_numbers_differ_nowhere():
    explorer = TranslationExplorer(Copies(lambda weights: weights * torch.nan), "1998")
    assert "holds NaN" in explorer.heatmap.message and explorer.apart.content.plain == ""
    assert explorer.figure() and "NaN" not in repr(explorer)


def test_nothing_of_the_model_is_changed():
    model = nn.Sequential(nn.Dropout(0.5))
    inner = small()
    model.forward = lambda source, target: (model[0](inner(source, target)[0]), inner(source, target)[1])
    model[0].train()
    state, random = torch.get_rng_state(), []
    explorer = TranslationExplorer(model, "3 may 1998")
    model_again = translated(model, "3 may 1998", TASK)
    assert "".join(model_again.letters) == explorer.answer  # no dropout meanwhile
    assert model.training and model[0].training and torch.equal(torch.get_rng_state(), state) and not random
    assert all(parameter.grad is None for parameter in inner.parameters())


def test_wrong_weights_are_remarked():
    explorer = TranslationExplorer(Copies(lambda weights: weights / 2), "1998")
    assert explorer.heatmap.message == "The row of “1” sums to 0.50, not to 1."


# ---------------------------------------------------------------- the still twin, and the line


def test_the_still_picture_shows_both_maps_and_says_both_lines():
    explorer = TranslationExplorer(Blind(), "3 may 1998")
    figure = explorer.figure()
    drawn = {text.get_text() for text in figure.findobj(lambda a: hasattr(a, "get_text"))}
    assert {"Where the decoder looked", "What an edit changes", "head 0", "head 2", "␣", "1"} <= drawn
    assert "1998-05-03 is right" in figure.get_supxlabel() and "differ most" in figure.get_supxlabel()
    bundle, _ = explorer._repr_mimebundle_()
    assert bundle["image/png"] and bundle["text/plain"] == repr(explorer)
    assert repr(TranslationExplorer(Copies(), "1998")) == (
        "TranslationExplorer(1998 was written. “1998” is none of the six ways to write a date: there is no "
        "right answer; 4 queries × 4 keys, learned)"
    )
