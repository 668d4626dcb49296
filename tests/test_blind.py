"""What the checks say of answers by people who had seen only the notebooks: `tests/answers/_blind`."""

import importlib
import inspect
import pkgutil
import re

import pytest
from answers import _blind

from attention_core.practice import check

EXERCISES = [found.name for found in pkgutil.iter_modules(_blind.__path__)]
WRITES = "it writes into its arguments"  # right numbers, and a word to the learner: no check calls that wrong


def answers(exercise: str) -> dict[str, list]:
    """Its answers by what their writers say of them: WRONG or RIGHT, in the comment above each."""
    module = importlib.import_module(f"{_blind.__name__}.{exercise}")
    lines, found = inspect.getsource(module).splitlines(), {"WRONG": [], "RIGHT": []}
    for i, line in enumerate(lines):
        if not (told := re.match(r"# (WRONG|RIGHT):", line)):
            continue
        made = next(
            m for x in lines[i:] if (m := re.match(r"(?:def |class )?(\w+)[ (:]", x)) and m[1] != "import"
        )
        found[told[1]].append(getattr(module, made[1]))
    return found


@pytest.mark.parametrize("exercise", EXERCISES)
def test_no_wrong_answer_passes_no_right_one_fails_and_most_mistakes_have_a_name(exercise):
    judge, given = getattr(check, exercise), answers(exercise)
    assert min(map(len, given.values())) >= 5
    rejected = [result for answer in given["RIGHT"] if not (result := judge(answer))]
    assert rejected == []
    results = [judge(answer) for answer in given["WRONG"]]
    assert [result for result in results if result and WRITES not in repr(result)] == []
    assert 2 * sum(result.bug is not None for result in results) > len(results)
    for result in results:  # no check of ours is shown as the learner's
        assert "the check itself failed" not in result.headline, result


def test_there_are_as_many_as_were_written():
    every = [answers(exercise) for exercise in EXERCISES]
    assert [sum(len(one[kind]) for one in every) for kind in ("WRONG", "RIGHT")] == [444, 122]
