"""The bug hunt: three suspects that look right, each exposed by a probe of its own."""

import re

import numpy as np
import pytest
import torch
from answers import ANSWERS

from attention_core import probes
from attention_core.practice import check, suspects

SOLVED = {
    "suspect_a": probes.causality,
    "suspect_b": probes.rows_sum_to_one,
    "suspect_c": probes.fully_masked_row,
}


def test_the_hunt_is_solved_by_three_different_probes_and_only_by_what_exposes():
    result = check.hunt(**SOLVED)
    assert result and all(result.evidence)
    for name, right in SOLVED.items():
        for probe in probes.ALL:
            exposes = probe(getattr(suspects, name)).holds is False and probe is not probes.parity
            one = check.hunt(**{**SOLVED, name: probe})
            assert bool(one) == exposes, (name, probe.__name__)
        others = [p for p in SOLVED.values() if p is not right]
        assert not any(check.hunt(**{**SOLVED, name: p}) for p in others)


def test_each_suspect_looks_right_without_a_probe():
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    for name in SOLVED:
        suspect = getattr(suspects, name)
        output, weights = suspect(x, x, x)
        assert output.shape == (5, 4) and weights.shape == (5, 5) and weights.isfinite().all()
        assert probes.permutation_equivariance(suspect) and probes.rectangular(suspect)
        assert not re.search("leak|wrong|bug|axis|queries", suspect.__doc__)


def test_the_hunt_before_and_on_the_way():
    assert check.hunt().status == "not started"
    assert check.hunt(**dict.fromkeys(SOLVED, ...)).status == "not started"
    result = check.hunt(suspect_a=probes.parity, suspect_b=probes.causality, suspect_c=...)
    assert result.status == "wrong" and "0 of 3" in result.headline
    said = [v.evidence for v in result.evidence]
    assert (
        "Which property" in said[0]
        and "not exposed: causality holds" in said[1]
        and said[2] == "still at large"
    )
    assert "this is an int" in repr(check.hunt(suspect_a=3))
    assert "without brackets" in repr(check.hunt(suspect_a=probes.causality(suspects.suspect_a)))
    assert "there is no suspect_d" in repr(check.hunt(suspect_d=probes.causality))
    for odd in (np.arange(2), torch.arange(2), [probes.causality], {}):
        assert "name a probe" in repr(check.hunt(suspect_a=odd)), odd


# --- the checks whose answers are given a model: what they say is so, and they point at the mistake


def _line_of(exercise: str, name: str) -> str:
    (row,) = [row for row in ANSWERS[exercise] if row.answer.__name__ == name]
    where = getattr(check, exercise)(row.answer).where
    return where[1] if where else ""


@pytest.mark.parametrize(
    "name, line",
    [
        ("cleared_after_backward", "optimiser.zero_grad()"),
        ("step_before_backward", "optimiser.step()"),
        ("step_without_brackets", "optimiser.step"),
        ("asked_under_no_grad", "with torch.no_grad():"),
        ("back_from_a_number", "loss = _loss(model, x, y).item()"),
        ("not_unpacked", "logits = model(x)"),
        ("without_the_answers", "def without_the_answers(model, optimiser, x):"),
        ("gradients_add_up", ""),  # a line that is missing: none that is there is wrong
        ("no_backward", ""),
        ("told_after_the_step", ""),
    ],
)
def test_the_line_to_look_at_is_the_one_that_is_wrong(name, line):
    assert _line_of("training_step", name) == line


@pytest.mark.parametrize(
    "name, words",
    [
        ("no_backward", "there is no loss.backward() before it"),
        ("cleared_after_backward", "cleared between loss.backward() and optimiser.step()"),
        ("step_before_backward", "comes before loss.backward()"),
        ("step_without_brackets", "is not called"),
        ("a_step_every_fourth_time", "is not called"),
        ("cut_off", "reaches no parameter"),
        ("two_steps", "called 2 times"),
    ],
)
def test_what_is_said_of_a_step_is_what_its_calls_were(name, words):
    (row,) = [row for row in ANSWERS["training_step"] if row.answer.__name__ == name]
    assert words in check.training_step(row.answer).headline


def test_of_answers_that_are_not_determined_only_a_note_speaks():
    said = {
        row.answer.__name__: repr(check.training_step(row.answer)) for row in ANSWERS["training_step"][:1]
    }
    assert all("One thing to know" not in text for text in said.values())
    (row,) = [row for row in ANSWERS["training_step"] if row.answer.__name__ == "gathered_by_hand"]
    assert "there this step stops with RuntimeError" in repr(check.training_step(row.answer))
    (row,) = [row for row in ANSWERS["training_step"] if row.answer.__name__ == "each_sequence_alone"]
    assert "this step does not" in repr(check.training_step(row.answer))


@pytest.mark.parametrize(
    "name, words",
    [
        ("the_same_tokens_twice", "the same tokens each time"),
        ("the_first_token_changed", "the first token differs"),
        ("one_token_each", "texts of one token"),
        ("weights_above_the_diagonal", "follows the weights"),
        ("sums_of_probabilities", "says False of every model"),
    ],
)
def test_what_is_said_of_a_probe_is_what_it_asked_and_said(name, words):
    (row,) = [row for row in ANSWERS["looks_ahead"] if row.answer.__name__ == name]
    assert words in check.looks_ahead(row.answer).headline
