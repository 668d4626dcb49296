"""Toy tasks: exact answers, the same data for the same seed, and errors in words."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from attention_core.agreement import agree, rounding
from attention_core.tasks import IGNORE, Repeat, Reverse, Sort, Task, accuracy

TASKS = (Reverse(6), Sort(6), Repeat(length=12, vocabulary=8, shortest=3, longest=5))


def first(task: Task, batch_size: int = 200, seed: int = 0):
    return next(iter(task.batches(1, batch_size, seed)))


# ---------------------------------------------------------------- answers


def test_answers_by_hand():
    x = torch.tensor([[3, 1, 4, 1, 5]])
    assert Reverse(5).solve(x).tolist() == [[5, 1, 4, 1, 3]]
    assert Sort(5).solve(x).tolist() == [[1, 1, 3, 4, 5]]
    x = torch.tensor([[7, 2, 9, 7, 2, 9, 7]])
    assert Repeat().solve(x).tolist() == [[IGNORE] * 3 + [2, 9, 7, 2]]
    assert Repeat().solve(torch.tensor([[7, 2, 7, 3, 7]])).tolist() == [
        [IGNORE, IGNORE, 2, IGNORE, 3]
    ]  # the last copy
    assert Repeat().solve(torch.tensor([[7, 7, 7]])).tolist() == [[IGNORE, 7, 7]]
    assert Repeat().solve(torch.tensor([[7]])).tolist() == [[IGNORE]]


@settings(deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=9))
def test_repeat_against_a_search_backwards(tokens):
    wanted = []
    for i, token in enumerate(tokens):
        earlier = [j for j in range(i) if tokens[j] == token]
        wanted.append(tokens[earlier[-1] + 1] if earlier else IGNORE)
    assert Repeat().solve(torch.tensor([tokens])).tolist() == [wanted]


@pytest.mark.parametrize("task", TASKS, ids=repr)
def test_a_batch_is_what_the_task_says(task):
    x, y = first(task)
    assert x.shape == y.shape == (200, task.length)
    assert x.dtype == y.dtype == torch.int64
    assert set(x.unique().tolist()) == set(range(task.vocabulary))  # every token occurs, and no other
    assert torch.equal(y, task.solve(x))


def test_repeats_are_repeats_of_different_tokens_with_changing_periods():
    task = TASKS[2]
    x, y = first(task)
    periods = []
    for row in x.tolist():
        period = next(p for p in range(1, 13) if row[p:] == row[:-p])
        assert len(set(row[:period])) == period
        periods.append(period)
    assert set(periods) == {3, 4, 5}
    undetermined = torch.tensor(periods)[:, None] > torch.arange(12)
    assert torch.equal(y == IGNORE, undetermined)
    assert torch.equal(y[:, :-1][~undetermined[:, :-1]], x[:, 1:][~undetermined[:, :-1]])  # the next token


# ---------------------------------------------------------------- seeds


@pytest.mark.parametrize("task", TASKS, ids=repr)
def test_the_same_seed_gives_the_same_data_whatever_else_is_drawn(task):
    batches = task.batches(3, 4, seed=1)
    assert len(batches) == 3
    once = [x for x, _ in batches]
    torch.manual_seed(99)
    again = []
    for x, _ in batches:
        torch.rand(3)
        again.append(x)
    assert all(torch.equal(a, b) for a, b in zip(once, again, strict=True))
    assert not torch.equal(once[0], once[1])
    assert not torch.equal(once[0], first(task, 4, seed=2)[0])


def test_drawing_leaves_torchs_own_generator_alone():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    for task in TASKS:
        first(task)
    assert torch.equal(torch.rand(1), expected)


def test_the_first_numbers_are_these():
    x, _ = first(Reverse(6), 1, seed=0)
    assert x.tolist() == [[4, 9, 3, 0, 3, 9]]


# ---------------------------------------------------------------- accuracy


def test_accuracy_counts_determined_answers_only():
    y = torch.tensor([[0, 1, IGNORE, 2]])
    logits = F.one_hot(torch.tensor([[0, 1, 1, 0]]), 3).float()
    assert accuracy(logits, y) == pytest.approx(2 / 3, abs=rounding(torch.float32, 3))
    with pytest.raises(ValueError, match="none of the 4 answers is determined"):
        accuracy(logits, torch.full((1, 4), IGNORE))
    with pytest.raises(ValueError, match=r"logits answer for \(1, 4\) but y is \(1, 3\)"):
        accuracy(logits, y[:, :3])


def test_cross_entropy_leaves_out_what_is_not_determined():
    x, y = first(TASKS[2], 5)
    logits = torch.randn(*x.shape, 8, generator=torch.Generator().manual_seed(0))
    kept = y != IGNORE
    one, other = F.cross_entropy(logits.flatten(0, 1), y.flatten()), F.cross_entropy(logits[kept], y[kept])
    assert agree(one, other, 8, y.numel())  # a sum over the tokens, then one over the answers


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Reverse(0), "length must be a whole number, 1 or more, got 0"),
        (lambda: Sort(2.5), "length must be a whole number, 1 or more, got 2.5"),
        (lambda: Reverse(4, vocabulary=1), "vocabulary must be a whole number, 2 or more, got 1"),
        (lambda: Repeat(shortest=1), "shortest must be a whole number, 2 or more, got 1"),
        (lambda: Repeat(shortest=6, longest=5), "longest must be a whole number, 6 or more, got 5"),
        (lambda: Repeat(vocabulary=8), "longest=10 different tokens, but vocabulary=8"),
        (lambda: Repeat(length=10), "longest=10 leaves nothing to repeat within length=10"),
        (lambda: Reverse().batches(-1), "steps must be a whole number, 0 or more, got -1"),
        (lambda: Reverse().batches(1, 0), "batch_size must be a whole number, 1 or more, got 0"),
        (lambda: Reverse().batches(1, seed=True), "seed must be a whole number, 0 or more, got True"),
        (lambda: Reverse().solve([[1]]), "x must be whole numbers of shape .batch, n., got list"),
        (lambda: Sort().solve(torch.zeros(2, 3)), r"got \(2, 3\) of torch.float32"),
        (lambda: Repeat().solve(torch.zeros(3, dtype=torch.long)), r"got \(3,\) of torch.int64"),
    ],
)
def test_errors_in_words(make, message):
    with pytest.raises(ValueError, match=message):
        make()
