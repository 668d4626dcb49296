"""How a check calls an answer: what is not started, what raises, and what an answer may do meanwhile."""

import math

import pytest
import torch
from answers.attention import no_scale_and_over_queries, written_in_place
from answers.multi_head import FromTheFunctions, RootOfTheHeads
from answers.self_attention import Plain, ThreeProjections
from cells import cell
from memory import shifted
from torch import nn

from attention_core import scaled_dot_product_attention
from attention_core._calling import Failed, call_attention
from attention_core.agreement import SAME, attention_rounding
from attention_core.live.remarks import instead
from attention_core.practice import check
from attention_core.practice.exercise import Exercise

# --- not started, not finished ------------------------------------------------------------------------


class Stub(nn.Module):
    def __init__(self, dim):
        super().__init__()
        ...

    def forward(self, x, allowed=None):
        """x (..., n, dim)"""
        ...


class StubOfALine(ThreeProjections):
    def forward(self, x, allowed=None):
        output = weights = ...
        return output, weights


class NoForward(nn.Module):
    def __init__(self, dim):
        super().__init__()


@pytest.mark.parametrize("answer", [Stub, NoForward, StubOfALine])
def test_an_untouched_class_is_not_started_yet(answer):
    result = check.self_attention(answer)
    assert result.status == "not started", result


def test_no_argument_is_not_started_either():
    assert check.attention().status == "not started"


def test_a_stub_of_several_lines_says_which_is_still_to_be_written():
    space = cell(
        "def attention(query, key, value, allowed=None):\n"
        "    scores = query @ key.mT  # = ...\n"
        "    weights = ...\n"
        "    return weights @ value, weights\n"
        "def pair(query, key, value, allowed=None):\n"
        "    output, weights = ..., ...\n"
        "    return output, weights\n"
    )
    result = check.attention(space["attention"])
    assert result.status == "not started"
    assert repr(result).splitlines() == [
        "○ attention: not finished yet: a line is still to be written",
        "  Look at line 3: weights = ...",
    ]
    assert check.attention(space["pair"]).where == (6, "output, weights = ..., ...")


def test_dots_that_are_no_stub_are_not_taken_for_one():
    def indexed(scores):
        shifted = scores[..., :] - scores.amax(-1, keepdim=True)[...]
        return shifted.softmax(-1)

    assert check.softmax(indexed)
    assert check.softmax(lambda s: None if s.ndim > 9 else s.exp()).bug == "not-normalised"


def test_dots_for_a_part_of_the_answer_are_not_started_yet():
    assert check.attention(lambda query, key, value, allowed=None: (value, ...)).status == "not started"


# --- exceptions ---------------------------------------------------------------------------------------


def test_an_exception_is_shown_with_the_learners_line_in_the_cell():
    space = cell(
        "# a first line\n"
        "def softmax(scores):\n"
        "    shifted = scores - scores.max()\n"
        "    return torch.softmaxx(shifted, dim=-1)\n"
    )
    result = check.softmax(space["softmax"])
    assert (result.status, result.bug) == ("error", None)
    assert result.where == (4, "return torch.softmaxx(shifted, dim=-1)")
    text = repr(result)
    assert text.startswith(
        "✗ softmax: it stopped with AttributeError: module 'torch' has no attribute 'softmaxx'"
    )
    assert "It was called with 2 rows of 3 scores." in text and "dim=-1" in text.splitlines()[-1]


def test_the_line_is_the_learners_even_when_our_code_or_torchs_raised():
    space = cell(
        "def attention(query, key, value, allowed=None):\n"
        "    mask = causal_mask('three')\n"
        "    return value, mask\n"
        "def other(query, key, value, allowed=None):\n"
        "    return torch.cat([query, key], dim=-1), value\n",
        causal_mask=check.causal_mask.reference,
    )
    assert check.attention(space["attention"]).where == (2, "mask = causal_mask('three')")
    assert check.attention(space["other"]).where[0] == 5
    with pytest.raises(Failed) as caught:
        call_attention(space["attention"], *(torch.ones(2, 2),) * 3)
    assert instead(caught.value).endswith("\nin line 2: mask = causal_mask('three')")


def test_a_call_that_fails_before_the_function_begins_shows_no_line_of_ours():
    result = check.softmax(lambda: 1)
    assert result.status == "error" and "TypeError" in result.headline and result.where is None
    with pytest.raises(Failed) as caught:
        call_attention(lambda: 1, *(torch.ones(2, 2),) * 3)
    assert "in line" not in instead(caught.value)


def test_a_hint_on_shapes_comes_with_an_error_of_shapes_and_not_with_a_misspelling():
    batch_only = check.attention(lambda q, k, v, a=None: (q @ k.permute(*range(k.ndim)[::-1]), v))
    assert "query @ key.transpose(-2, -1)" in repr(check.attention(lambda q, k, v, a=None: (q @ k, v)))
    assert batch_only.status == "wrong"
    misspelt = check.attention(lambda q, k, v, a=None: undefined)  # noqa: F821
    assert misspelt.details == ("It was called with 2 queries × 3 keys.",)


def test_an_error_in_a_late_stage_does_not_hide_an_early_mistake():
    def attention(query, key, value, allowed=None):
        if allowed is not None:
            raise KeyError("later")
        weights = (query @ key.mT).softmax(-1)
        return weights @ value, weights

    assert check.attention(attention).bug == "no-scale"


def test_making_a_module_can_fail_too():
    class Fails(Plain):
        def __init__(self, dim):
            super().__init__(dim)
            self.width = dim / 0

    result = check.self_attention(Fails)
    assert result.status == "error" and "ZeroDivisionError" in result.headline
    assert result.where[1] == "self.width = dim / 0"
    assert "dim = 4" in repr(result)


def test_a_failure_of_the_check_itself_is_not_blamed_on_the_learner():
    def broken(*_):
        raise RuntimeError("ours")

    exercise = Exercise("broken", ("x",), broken, check.softmax.cases, (), "")
    result = exercise(lambda scores: scores)
    assert result.status == "error" and "the check itself failed" in result.headline


# --- what it does to the answer -----------------------------------------------------------------------


def test_writing_into_the_arguments_is_survived_and_remarked():
    result = check.attention(written_in_place)
    assert result and "writes into its arguments" in repr(result)
    assert "writes into" not in repr(check.attention(scaled_dot_product_attention))


def test_what_the_answer_prints_does_not_bury_the_result(capsys):
    def talking(query, key, value, allowed=None):
        print("shape", query.shape)
        weights = (query @ key.mT).sigmoid()
        return weights @ value, weights

    assert check.attention(talking).evidence
    assert capsys.readouterr().out == ""


def test_a_sparse_tensor_is_refused_in_words():
    def sparse(query, key, value, allowed=None):
        output, weights = scaled_dot_product_attention(query, key, value, allowed)
        return output, weights.to_sparse()

    assert "a sparse one" in check.attention(sparse).headline


def test_torchs_dice_are_left_alone_and_a_module_is_not_changed():
    module = Plain(4)
    before = {name: p.clone() for name, p in module.named_parameters()}
    torch.manual_seed(1)
    expected = torch.rand(2)
    torch.manual_seed(1)
    assert check.self_attention(module)
    assert check.self_attention(Plain)
    assert torch.equal(torch.rand(2), expected)
    assert all(torch.equal(p, before[name]) for name, p in module.named_parameters())


def test_an_answer_that_rolls_dice_is_told_the_same_each_time():
    first = repr(check.softmax(torch.rand_like))
    torch.rand(1)
    second = repr(check.softmax(torch.rand_like))
    assert first == second and "is dropout, or another dice, on?" in first


def test_a_module_of_another_size_can_be_given_ready_made():
    assert check.self_attention(Plain(10))
    assert check.multi_head(FromTheFunctions(12, 3))
    assert check.multi_head(RootOfTheHeads(12, 4)).bug == "sqrt-num-heads"


# --- more than one mistake ----------------------------------------------------------------------------


def test_mistakes_at_two_stages_are_told_one_after_the_other():
    def both(query, key, value, allowed=None):
        scores = query @ key.mT
        if allowed is not None:
            scores = scores.masked_fill(~allowed, -1e9)
        return scores.softmax(-1) @ value, scores.softmax(-1)

    def one_left(query, key, value, allowed=None):
        return both(query * query.shape[-1] ** -0.5, key, value, allowed)

    assert check.attention(both).bug == "no-scale"
    assert check.attention(one_left).bug == "minus-1e9"


def test_two_mistakes_at_one_stage_are_both_named():
    result = check.attention(no_scale_and_over_queries)
    assert "two things at once" in result.headline
    assert "÷ √d_k" in result.headline and "over the queries" in result.headline


# --- rounding is not a mistake ------------------------------------------------------------------------


def test_right_answers_may_differ_by_what_rounding_explains_in_every_case():
    asked = 0
    for case in check.attention.cases():
        query, key, value = case.inputs[:3]
        asked += 1
        assert max(attention_rounding(query, key, value, dtype=torch.float32)) <= case.near, case.words
    assert asked >= 10


def test_where_scores_are_large_answers_may_differ_by_more():
    def attention(query, key, value, allowed=None):
        output, weights = scaled_dot_product_attention(query, key, value, allowed)
        return output, weights + 4 * SAME * (query.abs().max() > 100)

    assert max(case.near for case in check.attention.cases()) > 4 * SAME
    assert check.attention(attention)


@pytest.mark.parametrize("by", [1, 3, 5])
def test_right_answers_pass_wherever_their_numbers_stand(by):
    """A quarter power on each side: the same scores, rounded otherwise, from numbers at odd places."""

    def attention(query, key, value, allowed=None):
        query, key, value = (shifted(x, by) for x in (query, key, value))
        root = query.shape[-1] ** 0.25
        scores = torch.einsum("...qd,...kd->...qk", query / root, key / root)
        if allowed is not None:
            scores = scores.masked_fill(~allowed, -math.inf)
        weights = (scores.double() - scores.double().logsumexp(-1, keepdim=True)).exp().nan_to_num(0)
        return weights.to(value.dtype) @ value, weights.to(value.dtype)

    result = check.attention(attention)
    assert result.status == "passed", result
