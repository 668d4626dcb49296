"""The explorer of explanations: strips, the planted truth, words taken away, and what it says of bad ones."""

import re
import threading

import pytest
import torch
import traitlets
from torch import nn

from attention_core import _calling, explain
from attention_core.live import ExplanationExplorer
from attention_core.tasks import Opinions

TASK = Opinions()
SENTENCE = "the music was dull but in the end the film was not bad ."
BAD, GOOD = 0, 1


class Knows(nn.Module):
    """Answers by the rule, of the words that it may see, and looks with .9 at the opinion that counts."""

    reads = -1

    def __init__(self):
        super().__init__()
        self.sure = nn.Parameter(torch.tensor(6.0))
        self.calls = 0

    def forward(self, tokens, allowed=None):
        self.calls += 1
        n = tokens.shape[1]
        seen = tokens if allowed is None else tokens.masked_fill(~allowed[:, 0], TASK.words.index("the"))
        logits = torch.zeros(len(tokens), n, len(TASK.words))
        answer = TASK.solve(seen)[:, -1]
        for row, one in enumerate(answer.tolist()):
            if one >= 0:
                logits[row, -1, one] = self.sure
        weights = torch.full((len(tokens), 1, n, n), 0.1 / (n - 1))
        at = TASK.decides(tokens).long().cumsum(-1).argmax(-1)  # the last that decides
        weights[torch.arange(len(tokens)), 0, :, at] = 0.9
        return logits, [weights]


SOME = {"weights": explain.weights, "leave one out": explain.leave_one_out}


def shown(model=None, **traits) -> ExplanationExplorer:
    return ExplanationExplorer(model or Knows(), SENTENCE, **{"explanations": SOME, **traits})


def row(explorer, name: str) -> list[float]:
    return explorer.weights[explorer.heatmap.map.queries.index(name)].tolist()


# ---------------------------------------------------------------- what is shown


def test_a_strip_for_each_explanation_below_the_truth():
    explorer = shown()
    assert explorer.heatmap.map.queries == ("the truth", "weights", "leave one out")
    assert explorer.heatmap.map.keys == tuple(SENTENCE.split())
    assert row(explorer, "the truth") == [0.0] * 11 + [1, 1, 0]
    assert explorer.truth.nonzero()[:, 0].tolist() == [11, 12]
    assert row(explorer, "weights") == pytest.approx([0.1 / 13 / 0.9] * 12 + [1, 0.1 / 13 / 0.9])
    scores = explorer.scores["leave one out"]
    assert scores.equal(explain.leave_one_out(Knows(), TASK.encode(SENTENCE)))
    assert row(explorer, "leave one out") == pytest.approx((scores / scores.max()).tolist())


def test_all_explanations_there_are_stand_there_unless_others_are_given():
    explorer = ExplanationExplorer()
    assert list(explorer.scores) == list(explain.EXPLANATIONS)


def test_answer_and_rule_are_said():
    explorer = shown()
    p = torch.tensor([6.0] + [0.0] * (len(TASK.words) - 1)).softmax(0)[0].item()
    assert explorer.answer == GOOD and explorer.probability == pytest.approx(p)
    assert (
        "It says **good**" in explorer.verdict.content.said
        and "rule says **good**" in explorer.verdict.content.said
    )


def test_where_the_rule_has_no_answer_there_is_no_truth():
    explorer = shown()
    explorer.sentence = "the film was good ."
    assert "no answer here" in explorer.verdict.content.plain
    assert explorer.heatmap.map.queries == ("weights", "leave one out") and explorer.found.content.words == ()


def test_words_are_taken_away_as_an_explanation_says():
    explorer = shown(by="leave one out", k=1)
    expected = explain.deletion_curve(Knows(), TASK.encode(SENTENCE), explorer.scores["leave one out"], GOOD)
    assert explorer.curve.equal(expected) and len(expected) == 14
    first = explorer.scores["leave one out"][:-1].argmax()
    assert f"Without “{SENTENCE.split()[first]}”" in explorer.left.content.plain
    (curve,) = explorer.deletion.content
    assert list(curve.y) == pytest.approx(expected.tolist()) and curve.at == 1
    explorer.k = 0
    assert "Without nothing" in explorer.left.content.plain and explorer.deletion.content[0].at == 0


def test_how_much_of_the_truth_each_finds():
    explorer = shown()
    found = dict(zip(explorer.found.content.words, explorer.found.content.shares, strict=True))
    assert found["weights"] == pytest.approx(0.5 + 0.5 / 12)  # one of two; the other is one of twelve alike
    assert list(found) == ["weights", "leave one out"]


def test_the_truth_is_taken_away_where_there_is_one():
    explorer = shown(k=5)
    explorer.take_the_truth()
    assert explorer.k == 2 and explorer.by == "the truth"
    assert "Without “not”, “bad”: “good” has" in explorer.left.content.plain
    explorer.sentence = "the film was good ."  # of which no truth is known
    assert "the truth" not in explorer.names and explorer.by == "weights"
    before = explorer.k
    explorer.take_the_truth()
    assert (explorer.by, explorer.k) == ("weights", before)


# ---------------------------------------------------------------- the hand


def test_a_word_is_replaced_and_all_follows():
    explorer = shown()
    assert (explorer.place, explorer.word) == (12, "bad")
    explorer.word = "lovely"
    assert explorer.sentence.endswith("not lovely .") and explorer.answer == BAD
    explorer.place = 11
    assert explorer.word == "not" and explorer.answer == BAD
    explorer.word = "the"
    assert explorer.answer == GOOD and row(explorer, "the truth") == [0.0] * 12 + [1, 0]


def test_typing_moves_the_word_that_is_replaced():
    explorer = shown()
    explorer.sentence = "dull but lovely ."
    assert (explorer.place, explorer.word) == (3, ".") and explorer.places["2 lovely"] == 2
    assert explorer.k == 2 and explorer.most == 3


def test_what_is_no_word_is_left_out_and_named():
    explorer = shown()
    explorer.sentence = SENTENCE + " gre"
    assert explorer.heatmap.map.keys == tuple(SENTENCE.split()) and explorer.answer == GOOD
    assert "“gre”: is none of the words, and left out" in explorer.heatmap.message
    explorer.sentence = SENTENCE.upper()
    assert explorer.answer == GOOD and explorer.heatmap.message == "" and explorer.word == "bad"


def test_what_was_wished_for_comes_back_when_a_sentence_has_been_typed():
    explorer = shown(by="leave one out", k=3, place=5)
    for typed in ("d", "dull", "dull but", "dull but not", "dull but not lovely", SENTENCE):
        explorer.sentence = typed
    assert (explorer.k, explorer.place, explorer.word) == (3, 5, "in")
    explorer.k = 1
    explorer.sentence = "dull"
    explorer.sentence = SENTENCE
    assert explorer.k == 1


def test_a_stop_at_the_end_of_a_word_is_a_word_itself():
    texts = "The film was bad.", "the film was bad ."
    typed, apart = (ExplanationExplorer(sentence=text) for text in texts)
    assert typed.heatmap.map.keys == apart.heatmap.map.keys == ("the", "film", "was", "bad", ".")
    assert not typed.heatmap.message and [*typed.places] == [*apart.places]
    typed.place = 3
    typed.word = "good"
    assert typed.sentence == "the film was good ."


def test_many_strangers_are_named_in_one_line():
    explorer = shown()
    explorer.sentence = SENTENCE + "".join(f" zz{i}" for i in range(9))
    assert "“zz0”, “zz1”, “zz2”, “zz3”, “zz4” and 4 more: are none of the words" in explorer.heatmap.message
    assert explorer.heatmap.message.count("\n") == 0


class Loops(Knows):
    """Never ends where words are taken away."""

    def forward(self, tokens, allowed=None):
        while allowed is not None:
            pass
        return super().forward(tokens)


def test_a_model_that_never_ends_without_a_word_is_ended_and_its_strips_stay(monkeypatch):
    monkeypatch.setattr(_calling, "LONGEST", 0.3)
    explorer = shown(Loops())
    assert row(explorer, "the truth") and row(explorer, "weights")
    assert "Words cannot be taken away: " in explorer.left.content.plain and explorer.curve is None
    assert "ended after 0.3 seconds" in explorer.heatmap.message
    assert explorer.figure()


def test_a_model_that_trains_meanwhile_is_not_seen_by_its_explanations():
    """The page moves an explorer in a thread of its own while a cell runs."""
    task, model = Opinions(), ExplanationExplorer().model
    explorer, problems = ExplanationExplorer(model, SENTENCE), []
    adam = torch.optim.Adam(model.parameters())

    def train() -> None:
        try:
            for x, y in task.batches(60, 16, 0):
                loss = nn.functional.cross_entropy(model(x)[0][:, -1], y[:, -1])
                adam.zero_grad()
                loss.backward()
                adam.step()
        except Exception as problem:
            problems.append(problem)

    training = threading.Thread(target=train)
    training.start()
    said = set()
    while training.is_alive():
        for word in ("good", "bad"):
            explorer.word = word
            said.add(explorer.heatmap.message)
    training.join()
    assert problems == []
    assert said == {""}
    explorer.update()
    assert explorer.heatmap.message == ""


def test_a_model_that_cannot_be_copied_is_explained_all_the_same():
    model = ExplanationExplorer().model
    model.notes = (note for note in "as somebody keeps them")
    explorer = ExplanationExplorer(model, SENTENCE)
    assert explorer.heatmap.message == "" and set(explorer.scores) >= {"weights", "norms", "leave one out"}


def test_of_fewer_words_fewer_are_taken_away():
    explorer = shown(k=9)
    explorer.sentence = "dull but lovely ."
    assert explorer.k == 3


def test_an_explanation_that_is_gone_gives_way():
    explorer = shown(by="leave one out")
    explorer.explanations = {"norms": lambda model, x: torch.arange(14.0)}
    assert explorer.by == "norms" and "Without “not”, “bad”" in explorer.left.content.plain


def test_a_model_is_asked_once_for_a_sentence():
    model = Knows()
    explorer = shown(model)
    calls = model.calls
    explorer.own = None
    assert model.calls == calls
    with torch.no_grad():
        model.sure.fill_(1.0)
    explorer.k = 3
    assert explorer.probability < 0.2


# ---------------------------------------------------------------- the learner's own, and what is broken


def test_the_learners_own_is_one_more_strip():
    explorer = shown(own=lambda model, x: (x[0] < 6).float() - 0.5)
    assert row(explorer, "yours") == [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]
    explorer.by = "yours"
    assert "“dull”, “bad”" in explorer.left.content.plain


@pytest.mark.parametrize(
    "own, message",
    [
        (lambda model, x: None, "yours: Not finished yet: it returns nothing"),
        (lambda model, x: 1 / 0, "yours: It stopped with ZeroDivisionError: division by zero\nin line"),
        (lambda model, x: torch.zeros(3), r"yours: the explanation should have shape \(14,\); it has \(3,\)"),
        (lambda model, x: torch.full((14,), float("nan")), "yours: it holds NaN"),
        (lambda model, x: [0.0] * 14, "yours: the explanation should be a tensor; it is a list"),
    ],
)
def test_one_that_fails_is_told_of_and_the_others_stay(own, message):
    explorer = shown(own=own)
    assert re.search(message, explorer.heatmap.message), explorer.heatmap.message
    assert explorer.heatmap.map.queries == ("the truth", "weights", "leave one out")


def test_an_explanation_that_a_model_has_no_parts_for_is_left_out_with_its_reason():
    explorer = ExplanationExplorer(Knows(), SENTENCE)
    assert "norms: this needs the part model.blocks" in explorer.heatmap.message
    assert "weights" in explorer.scores and "norms" not in explorer.scores


@pytest.mark.parametrize(
    "sentence, message",
    [
        ("", "Type a word or two of these: bad good"),
        ("cat dog", "Type a word or two of these"),
        ("the " * 41, "41 words are too many: the most is 40"),
    ],
)
def test_what_is_no_sentence_is_said(sentence, message):
    explorer = shown()
    explorer.sentence = sentence
    assert message in explorer.heatmap.message and explorer.weights is None and explorer.answer is None
    explorer.sentence = SENTENCE
    assert explorer.answer == GOOD


@pytest.mark.parametrize("model", [lambda tokens: None, nn.Linear(2, 2), object()])
def test_what_is_no_model_is_said(model):
    explorer = shown()
    explorer.model = model
    assert explorer.heatmap.message and explorer.weights is None
    explorer.model = Knows()
    assert explorer.answer == GOOD


def test_what_cannot_be_is_refused():
    explorer = shown()
    for name, value in (("k", -1), ("place", -1), ("own", 3)):
        with pytest.raises(traitlets.TraitError):
            setattr(explorer, name, value)
    assert explorer.answer == GOOD


def test_a_task_without_a_truth_has_strips_alone():
    class Plain:
        words, encode = TASK.words, staticmethod(TASK.encode)

    explorer = shown(task=Plain())
    assert explorer.heatmap.map.queries == ("weights", "leave one out") and explorer.truth is None
    assert "It says good" in explorer.verdict.content.plain and "rule" not in explorer.verdict.content.plain


def test_its_line_is_the_same_on_every_machine():
    facts = f"“{SENTENCE}”; 2 words taken away, as weights says; 3 queries × 14 keys, learned"
    assert repr(shown()) == f"ExplanationExplorer({facts})"


def test_its_still_picture_has_all():
    explorer = shown()
    texts = [text.get_text() for text in explorer.figure().findobj(lambda x: hasattr(x, "get_text"))]
    for part in ("It says good", "leave one out", "Without"):
        assert any(part in text for text in texts), part
    explorer.sentence = ""
    assert explorer.figure()


def test_it_draws_lots_for_nobody_else():
    torch.manual_seed(5)
    first = torch.rand(1)
    torch.manual_seed(5)
    ExplanationExplorer()
    assert torch.rand(1).equal(first)
