"""The bug hunt: three suspects that look right, each exposed by a probe of its own."""

import re

import numpy as np
import pytest
import torch
from answers import ANSWERS

from attention_core import probes
from attention_core.practice import check, suspects
from attention_core.practice.exercises import load_layer

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


# --- loading a layer: what each sentence says of the first parameter that differs


def _answer(name: str):
    (answer,) = [row.answer for row in ANSWERS["load_layer"] if row.answer.__name__ == name]
    return answer


def _loaded(name: str):
    return check.load_layer(_answer(name))


def test_each_mistake_that_loading_has_a_sentence_for_is_made_by_an_answer():
    made = {row.bug for row in ANSWERS["load_layer"]}
    assert set(load_layer._SAID) - {"other-numbers"} <= made
    assert made >= {"aliased", "frozen", "needs-no-grad", "no-parameter", "new-block", "weights-changed"}


@pytest.mark.parametrize(
    "name, words",
    [
        ("every_matrix_turned", "layer 0: attention.to_query.weight is transposed"),
        ("one_matrix_turned", "layer 0: feed_forward.2.weight is transposed"),
        ("value_for_key", "attention.to_key.weight is encoder.layer.0.attention.self.value.weight"),
        ("one_bias_forgotten", "layer 0: attention.to_value.bias is not loaded"),
        ("layer_0_each_time", "layer 1: attention.to_query.weight is that of layer 0, as in every layer"),
        ("counted_from_1", "layer 0: attention.to_query.weight is that of layer 1"),
        ("begins_alike", "layer 1: attention.to_query.weight is that of layer 1"),
        (
            "the_last_that_ends_so",
            "attention.to_output.weight is encoder.layer.0.output.dense.weight; it should",
        ),
        ("a_bias_in_every_row", "It stands there in every row"),
        ("scale_folded_in", "is the file's times 0.71"),
        ("one_matrix_turned", "On 5 words this layer's output is off by"),
        ("the_bias_that_is_not_seen", "On 5 words this layer's output is the same but for rounding."),
        ("without_self", "The nearest name that it has: encoder.layer.0.attention.self.query.weight."),
        ("names_as_they_are", "the first that is missing: attention.to_query.weight"),
    ],
)
def test_the_first_layer_and_parameter_that_differ_are_named_and_how(name, words):
    assert words in repr(_loaded(name))


def test_a_bias_of_the_keys_changes_no_output_and_one_of_the_values_does():
    block, weights, i = check.load_layer.cases()[0].repeat()
    x, made = torch.randn(1, 5, 4, generator=torch.Generator().manual_seed(0)), []
    for name in ("part_by_part", "the_bias_that_is_not_seen", "one_bias_forgotten"):
        block.load_state_dict(check.load_layer.cases()[0].repeat()[0].state_dict())  # as it was made
        _answer(name)(block, weights, i)
        made.append(block(x)[0])
    assert torch.allclose(made[0], made[1], atol=1e-5) and not torch.allclose(made[0], made[2], atol=1e-2)


def test_what_is_aliased_would_be_written_into_by_training():
    for name, moves in (("data_itself", True), ("part_by_part", False)):
        block, weights, i = check.load_layer.cases()[0].repeat()
        _answer(name)(block, weights, i)
        kept = weights["encoder.layer.0.attention.self.query.weight"].clone()
        block.attention.to_query.weight.data += 1
        assert torch.equal(weights["encoder.layer.0.attention.self.query.weight"], kept) != moves
