"""Toy tasks: exact answers, the same data for the same seed, and errors in words."""

import datetime

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from attention_core import to_patches
from attention_core.agreement import agree, rounding
from attention_core.tasks import (
    IGNORE,
    Arrows,
    Copy,
    Dates,
    MarkedDigits,
    Repeat,
    Reverse,
    Sentences,
    Sort,
    Task,
    accuracy,
)
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


# ---------------------------------------------------------------- pictures

PICTURES = (MarkedDigits(), Arrows(), Arrows(anywhere=True))
DIGITS = [3, 1, 4, 1, 5, 9, 2, 6, 5]
AROUND_THE_MIDDLE = [1, 2, 5, 8, 7, 6, 3, 0]  # clockwise, from above


def cells(image):
    """`(…, 1, 24, 24)` as `(…, 9, 8, 8)`."""
    return to_patches(image, 8).unflatten(-1, (8, 8))


def drawn(task, n=300, seed=0):
    return task.sample(n, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("task", PICTURES, ids=repr)
def test_a_batch_of_pictures_is_what_the_task_says(task):
    made = drawn(task)
    assert len(made) == 300 and made.images.shape == (300, 1, 24, 24) and made.images.dtype == torch.float32
    assert made.images.min() == 0 and made.images.max() == 1
    assert made.digits.shape == (300, 9) and set(made.digits.unique().tolist()) == set(range(10))
    rows = torch.arange(300)
    truth = made.digits[rows, made.decides]
    if isinstance(task, MarkedDigits):
        assert torch.equal(made.answers, truth) and torch.equal(made.asks, made.decides)
        assert set(made.decides.tolist()) == set(range(9))
    else:
        assert made.answers.shape == (300, 9) and ((made.answers == IGNORE).sum(-1) == 8).all()
        assert torch.equal(made.answers[rows, made.asks], truth)
        assert set(made.asks.tolist()) == (set(range(9)) if task.anywhere else {4})
        down, right = made.decides // 3 - made.asks // 3, made.decides % 3 - made.asks % 3
        assert (torch.maximum(down.abs(), right.abs()) == 1).all()
        assert len({*zip(down.tolist(), right.tolist(), strict=True)}) == 8  # in every direction


@pytest.mark.parametrize("task", PICTURES, ids=repr)
def test_batches_of_pictures_are_the_same_again(task):
    batches = task.batches(3, 4, seed=1)
    once = list(batches)
    torch.manual_seed(99)
    assert len(batches) == len(once) == 3
    for (x, y), (again, answers) in zip(once, batches, strict=True):
        torch.rand(3)
        assert torch.equal(x, again) and torch.equal(y, answers)
    assert not torch.equal(once[0][0], once[1][0])
    assert not torch.equal(once[0][0], next(iter(task.batches(1, 4, seed=2)))[0])
    made = drawn(task, 4, seed=1)
    assert torch.equal(once[0][0], made.images) and torch.equal(once[0][1], made.answers)
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    drawn(task, 2)
    task.draw(DIGITS)
    assert torch.equal(torch.rand(1), expected)


def test_the_first_pictures_are_these():
    made = drawn(MarkedDigits(), 2)
    assert made.digits.tolist() == [[4, 9, 3, 0, 3, 9, 7, 3, 7], [3, 1, 6, 6, 9, 8, 6, 6, 8]]
    assert made.decides.tolist() == [5, 3]


def test_each_digit_is_drawn_whole_somewhere_in_its_cell_and_no_two_look_alike():
    task, glyphs = MarkedDigits(noise=0), []
    for digit in range(10):
        found, corners = set(), set()
        for seed in range(12):
            for cell in cells(task.draw([digit] * 9, None, seed=seed))[0]:
                (up, left), (down, right) = cell.nonzero().amin(0).tolist(), cell.nonzero().amax(0).tolist()
                corners.add((up, left))
                bright = cell[cell > 0].unique()
                assert len(bright) == 1 and 0.6 <= float(bright) <= 1
                found.add(str((cell[up : down + 1, left : right + 1] > 0).int().tolist()))
        assert len(found) == 1 and len(corners) == 8  # at each of 2 × 4 places
        glyphs += found
    assert len(set(glyphs)) == 10
    assert glyphs[7] == str(
        [[int(x) for x in row] for row in ["11111", "00001", "00010", "00100", "01000", "01000", "01000"]]
    )


@pytest.mark.parametrize("framed", range(9))
def test_the_frame_can_be_drawn_elsewhere_and_nothing_else_moves(framed):
    task = MarkedDigits()
    plain, marked = (cells(task.draw(DIGITS, where, seed=3))[0] for where in (None, framed))
    inside, other = (slice(None), slice(1, -1), slice(1, -1)), torch.arange(9) != framed
    assert torch.equal(plain[inside], marked[inside]) and torch.equal(plain[other], marked[other])
    on = marked[framed]
    assert on[0].min() == on[-1].min() == on[:, 0].min() == on[:, -1].min() == 1
    assert plain[framed, 0].min() < 1
    assert not torch.equal(plain, cells(task.draw(DIGITS, None, seed=4))[0])


def test_another_digit_leaves_the_others_as_they_are():
    for task in (MarkedDigits(), Arrows()):
        one, other = (cells(task.draw([*DIGITS[:8], last], seed=7))[0] for last in (5, 8))
        assert torch.equal(one[:8], other[:8]) and not torch.equal(one[8], other[8])


def test_several_frames_and_none():
    task = MarkedDigits()
    two = cells(task.draw(DIGITS, (1, 7)))[0]
    framed = [i for i in range(9) if two[i, 0].min() == 1]
    assert framed == [1, 7] and torch.equal(task.draw(DIGITS, ()), task.draw(DIGITS, None))
    assert torch.equal(task.draw(DIGITS), task.draw(DIGITS, 4))


def test_arrows_point_where_they_say():
    """From the middle of its cell on, more of an arrow lies towards the cell to which it points."""
    task = Arrows(noise=0)
    assert Arrows.around() == AROUND_THE_MIDDLE == task.around(4)
    seen = []
    for target in task.around():
        picture = cells(task.draw(DIGITS, target, seed=5))[0]
        arrow = picture[4]
        across = torch.stack(((arrow != 0).nonzero()[:, 0], (arrow != 0).nonzero()[:, 1])).double() - 3
        wanted = torch.tensor([[target // 3 - 1], [target % 3 - 1]]).double()
        along = (across.mean(1, keepdim=True) * wanted).sum()
        assert along > 0 and set(arrow.unique().tolist()) == {0, 1}
        seen.append(arrow)
        others = torch.arange(9) != 4
        assert torch.equal(
            picture[others], cells(MarkedDigits(noise=0).draw(DIGITS, None, seed=5))[0, others]
        )
    assert len({str(arrow.tolist()) for arrow in seen}) == 8
    for i, arrow in enumerate(seen):  # a quarter turn further
        assert torch.equal(arrow[:7, :7].rot90(-1), seen[(i + 2) % 8][:7, :7])


@pytest.mark.parametrize(
    ("arrow", "around"), [(0, [1, 4, 3]), (1, [2, 5, 4, 3, 0]), (5, [2, 8, 7, 4, 1]), (8, [5, 7, 4])]
)
def test_from_a_corner_an_arrow_points_into_the_picture(arrow, around):
    assert Arrows.around(arrow) == around
    for target in around:
        one = cells(Arrows(noise=0).draw(DIGITS, target, arrow=arrow))[0, arrow]
        row, column = target // 3 - arrow // 3 + 1, target % 3 - arrow % 3 + 1
        middle = cells(Arrows(noise=0).draw(DIGITS, 3 * row + column))[0, 4]
        assert torch.equal(one, middle)


def test_an_arrow_is_turned_under_the_same_noise():
    task = Arrows()
    one, other, none = (cells(task.draw(DIGITS, where, seed=2))[0] for where in (0, 5, None))
    others = torch.arange(9) != 4
    assert torch.equal(one[others], other[others]) and torch.equal(one[others], none[others])
    assert not torch.equal(one[4], other[4]) and not torch.equal(one[4], none[4])


def test_a_picture_of_ones_own_is_as_one_that_was_drawn():
    """The same dice, the same picture: a task's pictures can be taken apart and put together again."""
    for task in PICTURES[:2]:
        noise = task.draw(DIGITS, None)
        assert noise.shape == (1, 1, 24, 24) and noise.dtype == torch.float32
        assert abs(float(noise.mean()) - float(drawn(task).images.mean())) < 0.1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MarkedDigits().draw([1, 2, 3]), "there must be 9 digits, one a cell, got 3"),
        (lambda: Arrows().draw([*range(8), 10]), "each of the digits must be a whole .* 0 to 9, got 10"),
        (lambda: MarkedDigits().draw(DIGITS, 9), "framed must be a whole number from 0 to 8, got 9"),
        (lambda: MarkedDigits().draw(DIGITS, (1, -1)), "framed must be a whole number from 0 to 8, got -1"),
        (lambda: Arrows().draw(DIGITS, 4), r"from cell 4 an arrow can point to \[1, 2, 5, .*but not to 4"),
        (lambda: Arrows().draw(DIGITS, 8, arrow=0), r"from cell 0 .* \[1, 4, 3\], but not to 8"),
        (lambda: Arrows().draw(DIGITS, arrow=9), "arrow must be a whole number from 0 to 8, got 9"),
        (lambda: Arrows().draw(DIGITS, seed=-1), "seed must be a whole number, 0 or more, got -1"),
        (lambda: Arrows().around(1.5), "arrow must be a whole number from 0 to 8, got 1.5"),
        (lambda: MarkedDigits(noise=-0.1), "noise must be a number, 0 or more, got -0.1"),
        (lambda: Arrows(noise=float("nan")), "noise must be a number, 0 or more, got nan"),
        (lambda: MarkedDigits().batches(1, 0), "batch_size must be a whole number, 1 or more, got 0"),
    ],
)  # fmt: skip
def test_errors_of_pictures_in_words(make, message):
    with pytest.raises(ValueError, match=message):
        make()
