"""What every exercise must fulfil, and every answer to it: all that there are, found and not listed."""

import math
import re
from collections import Counter
from dataclasses import replace

import pytest
import torch
from answers import ANSWERS, ROWS, judge
from found import found_exercises
from hypothesis import given, settings
from hypothesis import strategies as st

from attention_core.practice import check
from attention_core.practice.exercise import Bug, Exercise, parts, same

EXERCISES = found_exercises()
CLASSIC = {  # the fifteen of the lesson plan
    "no scale": ("attention", "no-scale"),
    "1/d_k": ("attention", "one-over-d-k"),
    "√d_model": ("attention", "sqrt-d-model"),
    "√num_heads": ("multi_head", "sqrt-num-heads"),
    "softmax over queries": ("attention", "over-queries"),
    "argmax": ("attention", "argmax"),
    "mask inverted": ("attention", "mask-inverted"),
    "causal diagonal off by one": ("attention", "diagonal-off-by-one"),
    "mask after softmax": ("attention", "mask-after-softmax"),
    "mask multiplied into scores": ("attention", "mask-multiplied"),
    "−1e9 fill": ("attention", "minus-1e9"),
    "split without transpose": ("multi_head", "split-without-transpose"),
    "merge without transpose": ("multi_head", "merge-without-transpose"),
    "V from W_K": ("self_attention", "value-from-key"),
    "W_O forgotten": ("multi_head", "output-not-projected"),
}
of_every_exercise = pytest.mark.parametrize("name", EXERCISES)


# --- the answers ----------------------------------------------------------------------------------------


def test_each_exercise_has_a_file_of_answers_and_each_file_an_exercise():
    assert set(ANSWERS) == set(EXERCISES)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.label)
def test_every_answer_is_judged_as_it_should_be(row):
    result, problem = judge(row)
    assert not problem, f"{problem}\n{result}"
    if result.example and result.example.again and row.exercise in dir(check) and row.bug != "not-repeatable":
        _try_again(row, result)
    assert bool(result) == (row.status == "passed")


def test_no_two_answers_to_an_exercise_have_one_name():
    assert [label for label, n in Counter(row.label for row in ROWS).items() if n > 1] == []


@pytest.mark.parametrize(
    "row, otherwise",
    [
        ("rotate-the_other_way_round", {"bug": "reflected"}),
        ("rotate-the_other_way_round", {"status": "passed"}),
        ("softmax-sigmoid", {"says": "evenness"}),
        ("softmax-sigmoid", {"true": lambda answer: False}),
        ("softmax-a_method_that_is_not_there", {"says": "NameError"}),
    ],
)
def test_an_answer_that_should_be_judged_otherwise_is_a_problem(row, otherwise):
    (row,) = [each for each in ROWS if each.label == row]
    assert judge(replace(row, **otherwise))[1]


@of_every_exercise
def test_there_are_right_answers_in_three_styles_and_two_wrong_ones_that_are_in_no_table(name):
    assert len(_right(name)) >= 3
    assert len(_unlisted(name)) >= 2


def test_the_main_exercises_have_a_fourth_style_and_attention_ten_mistakes_that_are_in_no_table():
    for name in ("softmax", "causal_mask", "attention", "self_attention", "multi_head"):
        assert len(_right(name)) >= 4, name
    assert len(_unlisted("attention")) >= 10


@pytest.mark.parametrize("row", [r for r in ROWS if r.status == "wrong" and not r.bug], ids=lambda r: r.label)
def test_what_is_said_of_an_unlisted_mistake_is_true_of_it_and_not_of_a_right_answer(row):
    assert row.true is not None, "nothing shows that it is so"
    assert not row.true(_right(row.exercise)[0].answer)


ONES = ["leave_one_out", "norms", "comprehensiveness", "patch", "previous", "same_word"]


@pytest.mark.parametrize("name", ONES)
def test_a_right_answer_would_not_be_told_what_an_unlisted_mistake_is(name):
    """Of these the evidence is asked of inputs of its own, and not only of the numbers that are wrong."""
    exercise, (right, *_), wrong = EXERCISES[name], _right(name), _unlisted(name)[0]
    trials = [t for subject in exercise.prepare(wrong.answer) for t in exercise._trials(subject)]
    assert list(exercise.explain(trials, wrong.answer))
    assert list(exercise.explain(trials, right.answer)) == []


@pytest.mark.parametrize("mistake", CLASSIC)
def test_the_classic_mistakes_are_among_the_answers(mistake):
    exercise, bug = CLASSIC[mistake]
    assert [row for row in ANSWERS[exercise] if row.bug == bug]


@pytest.mark.parametrize(
    "row", [row for rows in ANSWERS.values() for row in rows[::7]], ids=lambda row: row.label
)
def test_a_result_reads_the_same_each_time(row):
    first, second = (EXERCISES[row.exercise](row.answer) for _ in range(2))
    assert repr(first) == repr(second) and first._repr_html_() == second._repr_html_()
    assert not re.search(r"0x[0-9a-f]{6}", repr(first))


def _right(name: str) -> list:
    return [row for row in ANSWERS[name] if row.status == "passed"]


def _unlisted(name: str) -> list:
    return [row for row in ANSWERS[name] if row.status == "wrong" and not row.bug]


# --- the known mistakes -----------------------------------------------------------------------------------


@of_every_exercise
def test_each_known_mistake_is_seen_by_the_cases_and_no_two_are_the_same(name):
    exercise = EXERCISES[name]
    torch.manual_seed(0)  # a module's own parameters
    subjects = exercise.prepare(_right(name)[0].answer)
    right = _made(exercise, subjects, exercise.reference)
    assert None not in right
    seen: list[tuple[str, list]] = []
    for bug in _singles(exercise):
        for function in bug.functions:
            wrong = _made(exercise, subjects, function)
            off = [w is not None and not same(w, r) for w, r in zip(wrong, right, strict=True)]
            assert any(off), f"{bug.name} passes every case"
            for other, answers in seen:
                both = zip(wrong, answers, strict=True)
                alike = all(x is not None and y is not None and same(x, y) for x, y in both)
                assert other == bug.name or not alike, f"{bug.name} and {other} cannot be told apart"
            seen.append((bug.name, wrong))


def _try_again(row, result) -> None:
    """What a result says to try can be run, and gives what it shows."""
    example, name = result.example, row.answer.__name__
    assert example.again == f"{name}(*check.{row.exercise}.inputs)"
    made = eval(example.again, {"check": check, name: row.answer})
    assert getattr(check, row.exercise).inputs is example.inputs
    if not isinstance(example.got, torch.Tensor) or example.words.startswith("parameter"):
        return
    shown = [x for x in parts(made) if isinstance(x, torch.Tensor | float | int | bool)]
    got = example.got.detach().double().flatten()
    assert any(_holds(torch.as_tensor(x).detach().double().flatten(), got) for x in shown), (result, made)


def _holds(numbers: torch.Tensor, some: torch.Tensor) -> bool:
    """Whether these numbers are among the others, in one piece: of a batch a part is shown."""
    if some.numel() > numbers.numel():
        return numbers.numel() == 1 and same(numbers, some[:1], 1e-4)  # of several steps the first was run
    starts = range(0, numbers.numel() - some.numel() + 1, max(1, some.numel()))
    return any(same(numbers[i : i + some.numel()], some, 1e-4) for i in starts)


def _made(exercise: Exercise, subjects: list, function) -> list:
    """What a function answers to each case; None where it raises."""
    answers = []
    for first in (first for _, first in subjects):
        for case in exercise.cases(*first):
            try:
                answers.append(parts(function(*first, *case.inputs)))
            except Exception:
                answers.append(None)
    return answers


def _singles(exercise: Exercise) -> list[Bug]:
    return [bug for bug in exercise.bugs if " + " not in bug.name]


@of_every_exercise
def test_each_known_mistake_is_made_by_an_answer(name):
    """To this exercise, or to another that knows it by the same name and words."""
    for bug in _singles(EXERCISES[name]):
        sharing = [
            other
            for other, exercise in EXERCISES.items()
            if other == name or (bug.name, bug.words) in {(b.name, b.words) for b in exercise.bugs}
        ]
        assert any(row.bug == bug.name for other in sharing for row in ANSWERS[other]), bug.name


@of_every_exercise
def test_known_mistakes_have_names_of_their_own_and_short_words_that_end_as_sentences_do(name):
    names = [bug.name for bug in EXERCISES[name].bugs]
    assert len(set(names)) == len(names)
    for bug in _singles(EXERCISES[name]):
        assert len(bug.words) <= 100 and not bug.words.endswith("."), bug.words
        assert not bug.why or (len(bug.why) <= 100 and bug.why.endswith((".", "!"))), bug.why
        assert all(re.compile(pattern) for pattern in bug.look_at)


# --- whatever it is given ---------------------------------------------------------------------------------


def stub(query, key, value, allowed=None):
    """What it should do."""
    ...  # your lines here


def stub_that_returns(*arguments):
    return ...


def stub_that_passes(scores):
    pass


@pytest.mark.parametrize("answer", [..., None, stub, stub_that_returns, stub_that_passes, lambda *a: ...])
@of_every_exercise
def test_an_untouched_stub_is_not_started_yet(name, answer):
    result = EXERCISES[name](answer)
    assert (result.status, result.bug, bool(result)) == ("not started", None, False)
    said = "not started yet. Replace the ... above, run that cell, then this one."
    assert repr(result) == f"○ {EXERCISES[name].name}: {said}"


class Strange:
    """Calls itself a function, and answers whatever it holds."""

    def __init__(self, answer):
        self.answer = answer

    def __call__(self, *arguments):
        return self.answer


ODD = st.one_of(
    st.integers(), st.text(), st.floats(), st.booleans(), st.binary(),
    st.lists(st.integers(), max_size=3), st.dictionaries(st.text(), st.integers(), max_size=2),
    st.builds(lambda n: torch.zeros([2] * n), st.integers(0, 4)),
    st.builds(lambda n: (torch.full([2] * n, math.nan), torch.ones([2] * n).bool()), st.integers(0, 4)),
    st.builds(lambda x: (x, ..., None), st.text()),
    st.just((torch.zeros(2, 5, dtype=torch.complex64), torch.zeros(2, 3, dtype=torch.complex64))),
    st.just((torch.zeros(2, 5).to_sparse(), torch.zeros(2, 3).to_sparse())),
    st.just((torch.zeros(2, 5, requires_grad=True), torch.zeros(0))),
)  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(answer=ODD, called=st.booleans(), name=st.sampled_from(list(EXERCISES)))
def test_no_answer_makes_a_check_raise_or_pass(answer, called, name):
    result = EXERCISES[name](Strange(answer) if called else answer)
    assert result.status in ("wrong", "error", "not started")
    assert repr(result) and result._repr_html_()
    assert "the check itself failed" not in repr(result), result
