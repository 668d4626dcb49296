"""Answers to `look_up(states, memory, allowed=None)`: `(beside, weights)`."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from answers import known, right, unlisted
from attention_core import scaled_dot_product_attention


@right
def with_our_attention(states, memory, allowed=None):
    context, weights = scaled_dot_product_attention(states, memory, memory, allowed)
    return torch.cat((states, context), -1), weights


@right
def by_hand(states, memory, allowed=None):
    scores = states @ memory.transpose(1, 2) / math.sqrt(states.shape[-1])
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -math.inf)
    weights = scores.softmax(dim=-1).nan_to_num(0.0)
    context = weights @ memory
    return torch.cat([states, context], dim=2), weights


@right
def with_einsum_and_a_large_price(states, memory, allowed=None):
    scores = torch.einsum("btd,bsd->bts", states, memory) * states.shape[-1] ** -0.5
    if allowed is not None:
        scores = torch.where(allowed, scores, -1e30)
    weights = scores.softmax(-1)
    if allowed is not None:
        weights = weights * allowed
    return torch.dstack((states, torch.einsum("bts,bsd->btd", weights, memory))), weights


@right
def sentence_by_sentence(states, memory, allowed=None):
    answers = []
    for i in range(len(states)):
        mask = None if allowed is None else allowed[i]
        context, weights = scaled_dot_product_attention(states[i], memory[i], memory[i], mask)
        answers.append((torch.cat((states[i], context), dim=-1), weights))
    return tuple(torch.stack(each) for each in zip(*answers, strict=True))


@right
def step_by_step(states, memory, allowed=None):
    beside, weights = [], []
    for state in states.unbind(1):
        scores = (state[:, None] * memory).sum(-1) / state.shape[-1] ** 0.5
        if allowed is not None:
            scores = scores.masked_fill(~allowed[:, 0], -math.inf)
        shares = scores.softmax(-1).nan_to_num(0)
        beside.append(torch.cat((state, (shares[..., None] * memory).sum(1)), -1))
        weights.append(shares)
    return torch.stack(beside, 1), torch.stack(weights, 1)


@right
def mask_by_name_only(states, memory, *, allowed=None):
    answer = states.new_empty(*states.shape[:2], 2 * states.shape[2])
    answer[..., : states.shape[2]] = states
    answer[..., states.shape[2] :], weights = scaled_dot_product_attention(states, memory, memory, allowed)
    return [answer, weights]


def attend(states, memory, allowed=None):
    """What the answers below do where they are right."""
    return scaled_dot_product_attention(states, memory, memory, allowed)


def masked(scores, allowed):
    if allowed is None:
        return scores.softmax(-1)
    return scores.masked_fill(~allowed, -torch.inf).softmax(-1).nan_to_num(0)


# --- who looks at whom -------------------------------------------------------------------------------------


@known("source-unused")
def states_among_themselves(states, memory, allowed=None):
    context, weights = scaled_dot_product_attention(states, states, states)
    return torch.cat((states, context), -1), weights


@known("source-unused")
def weights_of_states_on_memory(states, memory, allowed=None):
    weights = masked(states @ states.mT / states.shape[-1] ** 0.5, allowed)
    return torch.cat((states, weights @ memory), -1), weights


@known("states-unused")
def memory_among_itself(states, memory, allowed=None):
    context, weights = scaled_dot_product_attention(memory, memory, memory, allowed)
    return torch.cat((states, context), -1), weights


@known("query-and-key-swapped")
def memory_asks(states, memory, allowed=None):
    context, weights = scaled_dot_product_attention(memory, states, states)
    return torch.cat((states, context), -1), weights


@known("query-and-key-swapped")
def arguments_exchanged(states, memory, allowed=None):
    states, memory = memory, states
    context, weights = scaled_dot_product_attention(states, memory, memory)
    return torch.cat((states, context), -1), weights


@known("state-before")
def asked_a_step_before(states, memory, allowed=None):
    before = torch.cat((torch.zeros_like(states[:, :1]), states[:, :-1]), dim=1)
    context, weights = attend(before, memory, allowed)
    return torch.cat((states, context), -1), weights


@known("states-averaged")
def values_from_the_decoder(states, memory, allowed=None):
    context, weights = scaled_dot_product_attention(states, memory, states, allowed)
    return torch.cat((states, context), -1), weights


@known("even-weights")
def the_mean_of_the_memory(states, memory, allowed=None):
    weights = torch.ones(len(states), states.shape[1], memory.shape[1]) / memory.shape[1]
    context = memory.mean(1, keepdim=True).expand_as(states)
    return torch.cat((states, context), -1), weights


@known("over-queries")
def softmax_over_the_steps(states, memory, allowed=None):
    weights = torch.softmax(states @ memory.mT / states.shape[-1] ** 0.5, dim=1)
    return torch.cat((states, weights @ memory), -1), weights


@known("over-batch")
def softmax_over_the_sentences(states, memory, allowed=None):
    weights = torch.softmax(states @ memory.mT / states.shape[-1] ** 0.5, dim=0)
    return torch.cat((states, weights @ memory), -1), weights


@known("no-scale")
def not_scaled(states, memory, allowed=None):
    weights = masked(states @ memory.mT, allowed)
    return torch.cat((states, weights @ memory), -1), weights


@known("output-scaled")
def context_scaled(states, memory, allowed=None):
    context, weights = attend(states, memory, allowed)
    return torch.cat((states, context / states.shape[-1] ** 0.5), -1), weights


# --- the mask ----------------------------------------------------------------------------------------------


@known("mask-ignored")
def padding_counts(states, memory, allowed=None):
    context, weights = scaled_dot_product_attention(states, memory, memory)
    return torch.cat((states, context), -1), weights


@known("mask-inverted")
def only_padding_counts(states, memory, allowed=None):
    context, weights = attend(states, memory, None if allowed is None else ~allowed)
    return torch.cat((states, context), -1), weights


@known("mask-after-softmax")
def mask_last(states, memory, allowed=None):
    _, weights = attend(states, memory)
    if allowed is not None:
        weights = weights * allowed
    return torch.cat((states, weights @ memory), -1), weights


@known("minus-1e9")
def a_large_price(states, memory, allowed=None):
    scores = states @ memory.mT / states.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -1e9)
    weights = scores.softmax(-1)
    return torch.cat((states, weights @ memory), -1), weights


@known("nan-row")
def nowhere_is_nan(states, memory, allowed=None):
    scores = states @ memory.mT / states.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    weights = scores.softmax(-1)
    return torch.cat((states, weights @ memory), -1), weights


@known("mask-of-another-sentence")
def allowed_squeezed(states, memory, allowed=None):
    allowed = None if allowed is None else allowed.squeeze(1)
    context, weights = attend(states, memory, allowed)
    return torch.cat((states, context), -1), weights


@known("mask-of-another-sentence")
def the_first_one_for_all(states, memory, allowed=None):
    weights = masked(states @ memory.mT / states.shape[-1] ** 0.5, None if allowed is None else allowed[0])
    return torch.cat((states, weights @ memory), -1), weights


@known("a-dimension-too-many")
def allowed_for_heads(states, memory, allowed=None):
    if allowed is not None:
        allowed = allowed.unsqueeze(1)
    context, weights = attend(states, memory, allowed)
    return torch.cat((states, context), -1), weights


@known("no-mask-argument")
def no_third_argument(states, memory):
    context, weights = attend(states, memory)
    return torch.cat((states, context), -1), weights


@known("output-unmasked")
def masked_only_in_what_is_returned(states, memory, allowed=None):
    context, _ = attend(states, memory)
    return torch.cat((states, context), -1), attend(states, memory, allowed)[1]


# --- the context, and what it stands beside ----------------------------------------------------------------


@known("unpacked-the-other-way")
def weights_taken_for_context(states, memory, allowed=None):
    weights, context = scaled_dot_product_attention(states, memory, memory, allowed)
    return torch.cat((states, context), -1), weights


@known("no-value")
def weights_beside(states, memory, allowed=None):
    _, weights = attend(states, memory, allowed)
    return torch.cat((states, weights), -1), weights


@known("output-from-scores")
def scores_average(states, memory, allowed=None):
    scores = states @ memory.mT / states.shape[-1] ** 0.5
    return torch.cat((states, scores @ memory), -1), masked(scores, allowed)


@known("weights-transposed")
def columns_average(states, memory, allowed=None):
    _, weights = attend(states, memory, allowed)
    return torch.cat((states, weights.mT @ memory), -1), weights


@known("context-unused")
def states_alone(states, memory, allowed=None):
    _context, weights = attend(states, memory, allowed)
    return states, weights


@known("context-unused")
def states_twice(states, memory, allowed=None):
    _context, weights = attend(states, memory, allowed)
    return torch.cat((states, states), -1), weights


@known("context-alone")
def as_attention_gives_it(states, memory, allowed=None):
    return scaled_dot_product_attention(states, memory, memory, allowed)


@known("context-alone")
def only_the_context(states, memory, allowed=None):
    return attend(states, memory, allowed)[0]


@known("memory-for-states")
def memory_and_context(states, memory, allowed=None):
    context, weights = attend(states, memory, allowed)
    return torch.cat((memory, context), -1), weights


@known("memory-beside")
def states_and_memory(states, memory, allowed=None):
    _context, weights = attend(states, memory, allowed)
    return torch.cat((states, memory), -1), weights


@known("states-changed")
def states_scaled_and_kept(states, memory, allowed=None):
    states = states / math.sqrt(states.shape[-1])
    weights = masked(states @ memory.mT, allowed)
    return torch.cat((states, weights @ memory), -1), weights


@known("context-first")
def context_before_states(states, memory, allowed=None):
    context, weights = attend(states, memory, allowed)
    return torch.cat((context, states), -1), weights


@known("added")
def a_sum(states, memory, allowed=None):
    context, weights = attend(states, memory, allowed)
    return states + context, weights


@known("wrong-axis")
def one_after_the_other(states, memory, allowed=None):
    context, weights = attend(states, memory, allowed)
    return torch.cat((states, context), dim=1), weights


@known("wrong-axis")
def a_second_batch(states, memory, allowed=None):
    context, weights = attend(states, memory, allowed)
    return torch.cat((states, context)), weights


@known("taking-turns")
def feature_by_feature(states, memory, allowed=None):
    context, weights = attend(states, memory, allowed)
    return torch.stack((states, context), -1).flatten(-2), weights


@known("not-joined")
def three_things(states, memory, allowed=None):
    context, weights = attend(states, memory, allowed)
    return states, context, weights


@known("not-joined")
def a_pair_and_weights(states, memory, allowed=None):
    context, weights = attend(states, memory, allowed)
    return (states, context), weights


@known("swapped")
def weights_first(states, memory, allowed=None):
    beside, weights = with_our_attention(states, memory, allowed)
    return weights, beside


@known("output-alone")
def only_beside(states, memory, allowed=None):
    return with_our_attention(states, memory, allowed)[0]


@known("weights-alone")
def only_weights(states, memory, allowed=None):
    return attend(states, memory, allowed)[1]


@known("no-return")
def nothing_comes_back(states, memory, allowed=None):
    context, weights = attend(states, memory, allowed)
    torch.cat((states, context), -1), weights


@known("no-gradient")
def memory_detached(states, memory, allowed=None):
    return with_our_attention(states, memory.detach(), allowed)


# --- known by the error ------------------------------------------------------------------------------------


@known("value-left-out")
def memory_once(states, memory, allowed=None):
    context, weights = scaled_dot_product_attention(states, memory, allowed)
    return torch.cat((states, context), -1), weights


@known("not-unpacked")
def attention_whole(states, memory, allowed=None):
    context = scaled_dot_product_attention(states, memory, memory, allowed)
    return torch.cat((states, context), -1), context


@known("attention-of-torch")
def attention_of_torch(states, memory, allowed=None):
    context, weights = F.scaled_dot_product_attention(states, memory, memory, attn_mask=allowed)
    return torch.cat((states, context), -1), weights


@known("memory-not-transposed")
def memory_as_it_is(states, memory, allowed=None):
    weights = masked(states @ memory / states.shape[-1] ** 0.5, allowed)
    return torch.cat((states, weights @ memory), -1), weights


@known("factors-swapped")
def memory_times_weights(states, memory, allowed=None):
    weights = masked(states @ memory.mT / states.shape[-1] ** 0.5, allowed)
    return torch.cat((states, memory @ weights), -1), weights


@known("truth-of-a-mask")
def if_allowed(states, memory, allowed=None):
    scores = states @ memory.mT / states.shape[-1] ** 0.5
    if allowed:
        scores = scores.masked_fill(~allowed, -torch.inf)
    weights = scores.softmax(-1)
    return torch.cat((states, weights @ memory), -1), weights


# --- and some that are in no table -------------------------------------------------------------------------


def _sample() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    states, memory = (torch.randn(2, n, 4, generator=generator) for n in (3, 5))
    return states, memory, torch.tensor([[[1, 1, 1, 0, 0]], [[1, 1, 1, 1, 1]]]).bool()


@unlisted("the states come first", lambda f: not torch.allclose(f(*_sample())[0][..., :4], _sample()[0]))
def through_a_tanh(states, memory, allowed=None):
    context, weights = attend(states, memory, allowed)
    return torch.tanh(torch.cat((states, context), -1)), weights


@unlisted("padding gets no weight", lambda f: bool((f(*_sample())[1][0, :, 3:] > 0.01).any()))
def memory_hidden_by_zeros(states, memory, allowed=None):
    if allowed is not None:
        memory = memory * allowed.mT
    context, weights = attend(states, memory)
    return torch.cat((states, context), -1), weights


@unlisted("rows sum to one", lambda f: bool(((f(*_sample())[1].sum(-1) - 1).abs() > 0.05).all()))
def nine_tenths(states, memory, allowed=None):
    weights = attend(states, memory, allowed)[1] * 0.9
    return torch.cat((states, weights @ memory), -1), weights


@unlisted(
    "sharpness",
    lambda f: torch.allclose(
        f(*_sample()[:2])[1], (_sample()[0] @ _sample()[1].mT / 8**0.5).softmax(-1), atol=1e-5
    ),
)
def of_twice_as_many_features(states, memory, allowed=None):
    weights = masked(states @ memory.mT / math.sqrt(2 * states.shape[-1]), allowed)
    return torch.cat((states, weights @ memory), -1), weights


@unlisted(
    "context = weights @ memory",
    lambda f: not torch.allclose(f(*_sample())[0][..., 4:], f(*_sample())[1] @ _sample()[1], atol=0.01),
)
def memory_centred(states, memory, allowed=None):
    _, weights = attend(states, memory, allowed)
    return torch.cat((states, weights @ (memory - memory.mean(1, keepdim=True))), -1), weights


@unlisted(
    "beside should have shape (1, 2, 8); it has (1, 2, 12)", lambda f: f(*_sample())[0].shape == (2, 3, 12)
)
def with_their_product(states, memory, allowed=None):
    context, weights = attend(states, memory, allowed)
    return torch.cat((states, context, states * context), -1), weights


@unlisted(
    "weights should have shape (2, 3, 5); it has (2, 3, 3)", lambda f: f(*_sample())[1].shape == (2, 3, 3)
)
def padding_cut_off(states, memory, allowed=None):
    if allowed is not None:
        n = int(allowed[0].sum())
        memory, allowed = memory[:, :n], allowed[..., :n]
    context, weights = attend(states, memory, allowed)
    return torch.cat((states, context), -1), weights
