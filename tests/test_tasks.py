"""Toy tasks: exact answers, the same data for the same seed, and errors in words."""

import datetime

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from attention_core.agreement import agree, rounding
from attention_core.tasks import IGNORE, Copy, Dates, Repeat, Reverse, Sentences, Sort, Task, accuracy
from attention_core.tasks.dates import _PATTERNS

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


# ---------------------------------------------------------------- copies


def test_a_copy_is_the_sequence_and_each_batch_may_have_its_own_length():
    for x, y in Copy(5).batches(3, 4, seed=0):
        assert x.shape == (4, 5) and torch.equal(x, y) and x is not y
    lengths = {x.shape[1] for x, _ in Copy(8, shortest=3).batches(60, 2, seed=0)}
    assert lengths == {3, 4, 5, 6, 7, 8}
    for shortest in (0, 9, 2.5, True):
        with pytest.raises(ValueError, match="shortest must be a whole number from 1 to 8"):
            Copy(8, shortest=shortest)


# ---------------------------------------------------------------- dates


def test_dates_by_hand():
    for text in (
        "3 March 1998",
        "March 3, 1998",
        "3 Mar 1998",
        "Tuesday, 3 March 1998",
        "03.03.1998",
        "the 3. of March 1998",
    ):
        assert Dates().translate(text) == "1998-03-03"
    assert Dates().translate("29 february 2000") == "2000-02-29"


def test_a_batch_of_dates_is_letters_with_exact_answers():
    dates = Dates()
    seen, years = set(), set()
    for x, y in dates.batches(40, 32, seed=0):
        assert y.shape == (32, dates.most) and (y[:, -1] == dates.end).all()
        assert (x != dates.pad).any(0).all()  # filled up to the longest, no further
        for row, answer in zip(x, y, strict=True):
            text = dates.decode(row, dates.SOURCE)
            assert dates.pad not in row[: len(text)].tolist() and not row[len(text) :].any()
            assert dates.decode(answer) == dates.translate(text)
            assert torch.equal(dates.encode(text)[0], row[: len(text)])
            seen.add(next(i for i, pattern in enumerate(_PATTERNS) if pattern.fullmatch(text)))
            years.add(text[-4:])
    assert seen == set(range(6))
    assert {min(years), max(years)} == {"1950", "2023"} or len(years) > 60


def test_every_day_in_every_format_is_read_back():
    dates = Dates()
    for day in range(datetime.date(1999, 12, 20).toordinal(), datetime.date(2001, 1, 10).toordinal()):
        for form in range(6):
            wanted = datetime.date.fromordinal(day).isoformat()
            assert dates.translate(dates.written(day, form)) == wanted


def test_the_same_seed_gives_the_same_dates():
    one, other = (next(iter(Dates().batches(1, 8, seed=5))) for _ in range(2))
    assert all(map(torch.equal, one, other))
    assert not torch.equal(one[1], next(iter(Dates().batches(1, 8, seed=6)))[1])
    x, _ = next(iter(Dates(2001, 2001).batches(1, 50, seed=0)))
    assert {Dates().decode(row, Dates.SOURCE)[-4:] for row in x} == {"2001"}


def test_small_and_strange_texts():
    dates = Dates()
    assert dates.encode("").shape == (1, 0) and dates.encode([]).shape == (0, 0)
    assert dates.encode(["3", "12 "]).tolist() == [[8, 0, 0], [6, 7, 1]]
    assert torch.equal(dates.encode("MAY"), dates.encode("may"))
    assert dates.decode(torch.tensor([1, 5, 6, 2, 9, 9])) == "12"
    for text, words in (
        ("3 März 1998", "“ä” is no letter of these dates"),
        ("3_3", "“_” is no letter"),
        ("🙂", "“🙂” is no letter"),
    ):
        with pytest.raises(ValueError, match=words):
            dates.encode(text)
    for text, words in (
        ("", "is none of the six ways to write a date"),
        ("3 march 98", "“3 march 98” is none of the six ways"),
        ("31 february 1998", "“31 february 1998” is not in the calendar"),
        ("03.13.1998", "“03.13.1998” is not in the calendar"),
    ):
        with pytest.raises(ValueError, match=words):
            dates.translate(text)
    with pytest.raises(ValueError, match="last_year must be a whole number from 1990 to 9999, got 1980"):
        Dates(1990, 1980)
    with pytest.raises(ValueError, match="first_year must be a whole number from 1000 to 9999, got 98"):
        Dates(98, 1999)


# ---------------------------------------------------------------- sentences


def test_sentences_say_the_names_again():
    task, said = Sentences(), 0
    assert len(task.words) == task.vocabulary == 35
    for x, y in task.batches(10, 16, seed=0):
        assert x.shape == y.shape == (16, 32) and (y[:, -1] == IGNORE).all()
        assert torch.equal(y[:, :-1], x[:, 1:])
        for row in x:
            for sentence in task.decode(row).split(" . "):
                words = sentence.removesuffix(" .").split()
                if "follows" in words[:-1] and words[1] == "meets":
                    assert words[words.index("follows") + 1] == words[0]
                    said += 1
                if "hear" in words[:-1] and words[1] == "calls":
                    assert words[words.index("hear") + 1] == words[0]
                    assert words[2] == words[4] != words[0]
                    said += 1
    assert said > 100


def test_sentences_to_tokens_and_back():
    task, text = Sentences(), "ben calls anna but anna does not hear ben ."
    assert task.decode(task.encode(text)[0]) == text and task.encode("").shape == (1, 0)
    drawn = [task.decode(x.flatten()) for x, _ in task.batches(20, 32, seed=1)]
    assert set(" ".join(drawn).split()) == set(task.words)
    with pytest.raises(ValueError, match="“hamster” is none of the 35 words"):
        task.encode("the hamster sleeps")
    one, other = (next(iter(task.batches(1, 8, seed=5)))[0] for _ in range(2))
    assert torch.equal(one, other)
