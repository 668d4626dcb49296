"""Measures of explanations: by hand, between bounds, and what is refused."""

import math

import pytest
import torch
from explained import Plain, one_head

from attention_core import TinyTransformer, explain
from attention_core.agreement import agree
from attention_core.explain.measures import FEW

FOUR = torch.tensor([0, 1, 2, 3])
BEST = torch.tensor([4.0, 1.0, 3.0, 9.0])  # word 3 is read: its number counts for nothing


def question():
    """The difference of the logits is the mean of what is looked at: 6, 0, 3, −1; it is read at word 3."""
    values = [[6.0, 0, 0, 0], [0.0] * 4, [3.0, 0, 0, 0], [-1.0, 0, 0, 0]]
    return Plain([[1.0, 0, 0, 0], [0.0] * 4], one_head(values))


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def close(made, by_hand, size=6.0):
    assert agree(torch.as_tensor(made).float(), torch.tensor(by_hand), 4, 4, 4, size=size)


def test_deletion_curve_by_hand():
    """Of 6, 0, 3, −1 the mean is 2; without 6 it is 2/3, without 3, too, −1/2, and of −1 alone −1."""
    falls = [sigmoid(2), sigmoid(2 / 3), sigmoid(-1 / 2), sigmoid(-1)]
    close(explain.deletion_curve(question(), FOUR, BEST), falls)
    close(explain.deletion_curve(question(), FOUR, BEST, 1), [1 - p for p in falls])
    # the other way round: without 0 it is 8/3, without 3, too, 5/2
    rises = [sigmoid(2), sigmoid(8 / 3), sigmoid(5 / 2), sigmoid(-1)]
    close(explain.deletion_curve(question(), FOUR, -BEST), rises)
    close(explain.deletion_curve(question(), FOUR, torch.ones(4)), [falls[0], falls[1], sigmoid(1), falls[3]])


def test_comprehensiveness_by_hand():
    falls = [0, *(sigmoid(2) - sigmoid(x) for x in (2 / 3, -1 / 2, -1))]
    for k, fall in enumerate(falls):
        close(explain.comprehensiveness(question(), FOUR, BEST, k), fall)
        close(explain.comprehensiveness(question(), FOUR, BEST, k, target=1), -fall)
    close(explain.comprehensiveness(question(), FOUR, BEST, [1, 3]), (falls[1] + falls[3]) / 2)
    assert FEW == (1, 2, 3)
    close(explain.comprehensiveness(question(), FOUR, BEST), sum(falls) / 3)


def test_sufficiency_by_hand():
    """Of the best and the word that is read, 6 and −1, the mean is 5/2; with 3, too, 8/3; without, −1."""
    falls = [sigmoid(2) - sigmoid(x) for x in (-1, 5 / 2, 8 / 3, 2)]
    for k, fall in enumerate(falls):
        close(explain.sufficiency(question(), FOUR, BEST, k), fall)
        close(explain.sufficiency(question(), FOUR, BEST, k, target=1), -fall)
    close(explain.sufficiency(question(), FOUR, BEST, (0, 2)), (falls[0] + falls[2]) / 2)
    close(explain.sufficiency(question(), FOUR, BEST), sum(falls[1:]) / 3)


def test_a_mean_is_read_at_no_word_and_all_can_be_taken_away():
    model = question()
    model.reads = "mean"
    assert explain.deletion_curve(model, FOUR, BEST).shape == (5,)
    # of none, nothing is left: both logits are 0
    close(explain.deletion_curve(model, FOUR, BEST)[-1], 0.5)
    with pytest.raises(ValueError, match="k must be a whole number from 0 to 4, got 5"):
        explain.sufficiency(model, FOUR, BEST, 5)


def test_measures_leave_a_model_as_it_was():
    torch.manual_seed(0)
    model = TinyTransformer(9, dim=8).train()
    before = torch.get_rng_state()
    x, e = torch.tensor([[1, 2, 3, 4]]), torch.rand(4, generator=torch.Generator().manual_seed(0))
    curve = explain.deletion_curve(model, x, e)
    whole = model(x)[0][0, -1].softmax(-1).max()
    assert not curve.requires_grad and agree(curve[0], whole, *[8] * 6)
    made = [explain.comprehensiveness(model, x, e, k) for k in range(4)]
    assert agree(torch.tensor(made), curve[0] - curve, *[8] * 6)
    kept = explain.sufficiency(model, x, e, 0)
    assert agree(torch.tensor(kept), curve[0] - curve[3], *[8] * 6)
    assert model.training and torch.equal(torch.get_rng_state(), before)


# ---------------------------------------------------------------- recall


@pytest.mark.parametrize(
    ("explanation", "decides", "wanted"),
    [
        ([0.1, 0.9, 0.3], [0, 1, 0], 1),
        ([0.1, 0.9, 0.3], [1, 0, 1], 1 / 2),
        ([0.1, 0.9, 0.3], [0, 1, 1], 1),
        ([0.1, 0.9, 0.3], [1, 0, 0], 0),
        ([0.1, 0.9, 0.3], [1, 1, 1], 1),
        ([-3.0, -1.0, -2.0], [0, 1, 0], 1),
        ([0.5, 0.5, 0.5, 0.5], [0, 1, 0, 0], 1 / 4),  # who says nothing gets what guessing would
        ([0.5, 0.5, 0.5, 0.5], [0, 1, 1, 0], 1 / 2),
        ([0.9, 0.5, 0.5, 0.1], [0, 1, 1, 0], 1 / 2),  # one place for two words, each of which decides
        ([0.9, 0.5, 0.5, 0.1], [1, 1, 0, 0], 3 / 4),
        ([[0.1, 0.9], [0.1, 0.9]], [[0, 1], [1, 0]], 1 / 2),
        ([[0.1, 0.9, 0.2], [0.5, 0.4, 0.1]], [[0, 1, 0], [1, 0, 1]], 3 / 4),  # rows count alike
    ],
)
def test_recall_by_hand(explanation, decides, wanted):
    made = explain.recall(torch.tensor(explanation), torch.tensor(decides).bool())
    assert isinstance(made, float) and abs(made - wanted) < 1e-6


def test_recall_of_the_truth_is_whole():
    decides = torch.rand(50, 9, generator=torch.Generator().manual_seed(0)) < 0.4
    decides[:, 0] = True
    assert explain.recall(decides.float(), decides) == 1
    assert explain.recall(-decides.float(), decides) < 0.5


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("measure", "message"),
    [
        (lambda m: explain.deletion_curve(m, FOUR, BEST[:3]), r"a tensor of shape \(4,\), .*got \(3,\)"),
        (lambda m: explain.deletion_curve(m, FOUR, BEST[None]), r"of shape \(4,\), .*got \(1, 4\)"),
        (lambda m: explain.comprehensiveness(m, FOUR, [1, 2, 3, 4]), r"of shape \(4,\), .*got list"),
        (lambda m: explain.sufficiency(m, FOUR, BEST / 0 * 0), "explanation has 4 numbers that are NaN"),
        (lambda m: explain.comprehensiveness(m, FOUR, BEST, 4), "k must be a whole .* from 0 to 3, got 4"),
        (lambda m: explain.comprehensiveness(m, FOUR, BEST, [1, -1]), "k must be a whole .*, got -1"),
        (lambda m: explain.sufficiency(m, FOUR, BEST, 1.5), "k must be a whole .* from 0 to 3, got 1.5"),
        (lambda m: explain.sufficiency(m, FOUR, BEST, []), "k is empty: there must be a number of words"),
        (lambda m: explain.deletion_curve(m, FOUR, BEST, 2), "target must be a whole .* 0 to 1, got 2"),
        (lambda m: explain.recall(BEST, BEST), "decides must be a boolean tensor .*, got torch.float32"),
        (lambda m: explain.recall(BEST, [True]), "decides must be a boolean tensor .*, got list"),
        (lambda m: explain.recall(BEST[:3], BEST > 0), r"of shape \(4,\), one number a word, got \(3,\)"),
        (lambda m: explain.recall(BEST, BEST < 0), "a row in which no word decides"),
        (lambda m: explain.recall(torch.ones(2, 2), torch.eye(2).bool() & False), "a row in which no word"),
        (lambda m: explain.recall(torch.ones(0, 2), torch.ones(0, 2).bool()), "a row in which no word"),
    ],
)  # fmt: skip
def test_errors_in_words(measure, message):
    with pytest.raises(ValueError, match=message):
        measure(question())
