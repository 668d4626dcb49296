"""Answers to `SelfAttention(dim)`: three projections of the words, then attention."""

import math

import torch
from torch import nn

import attention_core
from answers import known, right, unlisted
from answers.attention import masked_softmax
from attention_core.agreement import agree


class ThreeProjections(nn.Module):
    """The three projections; the answers below differ in what they do with them."""

    def __init__(self, dim):
        super().__init__()
        self.to_query = nn.Linear(dim, dim, bias=False)
        self.to_key = nn.Linear(dim, dim, bias=False)
        self.to_value = nn.Linear(dim, dim, bias=False)


@right
class Plain(ThreeProjections):
    def forward(self, x, allowed=None):
        q, k, v = self.to_query(x), self.to_key(x), self.to_value(x)
        return attention_core.scaled_dot_product_attention(q, k, v, allowed)


@right
class WrittenOut(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.to_value, self.to_key, self.to_query = (nn.Linear(dim, dim, False) for _ in range(3))
        self.scale = dim**-0.5

    def forward(self, x, allowed=None):
        scores = torch.einsum("...id,...jd->...ij", self.to_query(x) * self.scale, self.to_key(x))
        weights = masked_softmax(scores, allowed)
        return torch.einsum("...ij,...jd->...id", weights, self.to_value(x)), weights


@right
class MatricesByHand(ThreeProjections):
    def forward(self, x, allowed=None):
        q = x @ self.to_query.weight.T
        k = x @ self.to_key.weight.T
        v = x @ self.to_value.weight.T
        q /= x.shape[-1] ** 0.5
        weights = masked_softmax(q @ k.mT, allowed)
        return weights @ v, weights


@right
class InFloat64(ThreeProjections):
    def forward(self, x, *, allowed=None):
        q, k, v = (f(x).double() for f in (self.to_query, self.to_key, self.to_value))
        output, weights = attention_core.scaled_dot_product_attention(q, k, v, allowed)
        return output.float(), weights.float()


@known("value-from-key")
class ValuesFromToKey(ThreeProjections):
    def forward(self, x, allowed=None):
        q = self.to_query(x)
        k = self.to_key(x)
        v = self.to_key(x)
        return attention_core.scaled_dot_product_attention(q, k, v, allowed)


@known("key-from-query")
class KeysFromToQuery(ThreeProjections):
    def forward(self, x, allowed=None):
        q, v = self.to_query(x), self.to_value(x)
        return attention_core.scaled_dot_product_attention(q, q, v, allowed)


@known("value-from-query")
class ValuesFromToQuery(ThreeProjections):
    def forward(self, x, allowed=None):
        q, k = self.to_query(x), self.to_key(x)
        return attention_core.scaled_dot_product_attention(q, k, q, allowed)


@known("query-from-key")
class QueriesFromToKey(ThreeProjections):
    def forward(self, x, allowed=None):
        k, v = self.to_key(x), self.to_value(x)
        return attention_core.scaled_dot_product_attention(k, k, v, allowed)


@known("query-key-swapped")
class QueriesAndKeysSwapped(ThreeProjections):
    def forward(self, x, allowed=None):
        q, k, v = self.to_key(x), self.to_query(x), self.to_value(x)
        return attention_core.scaled_dot_product_attention(q, k, v, allowed)


@known("one-projection")
class OneForAll(ThreeProjections):
    def forward(self, x, allowed=None):
        q = k = v = self.to_query(x)
        return attention_core.scaled_dot_product_attention(q, k, v, allowed)


@known("no-projection")
class WordsAsTheyAre(ThreeProjections):
    def forward(self, x, allowed=None):
        return attention_core.scaled_dot_product_attention(x, x, x, allowed)


@known("value-not-projected")
class ValuesNotProjected(ThreeProjections):
    def forward(self, x, allowed=None):
        return attention_core.scaled_dot_product_attention(self.to_query(x), self.to_key(x), x, allowed)


@known("query-not-projected")
class QueriesNotProjected(ThreeProjections):
    def forward(self, x, allowed=None):
        return attention_core.scaled_dot_product_attention(x, self.to_key(x), self.to_value(x), allowed)


@known("key-not-projected")
class KeysNotProjected(ThreeProjections):
    def forward(self, x, allowed=None):
        return attention_core.scaled_dot_product_attention(self.to_query(x), x, self.to_value(x), allowed)


@known("mask-ignored")
class MaskNotHandedOn(ThreeProjections):
    def forward(self, x, allowed=None):
        q, k, v = self.to_query(x), self.to_key(x), self.to_value(x)
        return attention_core.scaled_dot_product_attention(q, k, v)


@known("no-scale")
class NotScaled(ThreeProjections):
    def forward(self, x, allowed=None):
        weights = masked_softmax(self.to_query(x) @ self.to_key(x).mT, allowed)
        return weights @ self.to_value(x), weights


@known("value-from-key + no-scale")
class ValuesFromToKeyNotScaled(ThreeProjections):
    def forward(self, x, allowed=None):
        weights = masked_softmax(self.to_query(x) @ self.to_key(x).mT, allowed)
        return weights @ self.to_key(x), weights


@known("nan-row")
class NotANumber(ThreeProjections):
    def forward(self, x, allowed=None):
        scores = self.to_query(x) @ self.to_key(x).mT / x.shape[-1] ** 0.5
        if allowed is not None:
            scores = scores.masked_fill(~allowed, -math.inf)
        weights = scores.softmax(-1)
        return weights @ self.to_value(x), weights


@known("wrong-parameters")
class WithBias(Plain):
    def __init__(self, dim):
        super().__init__(dim)
        self.to_key = nn.Linear(dim, dim)


@known("wrong-parameters")
class WithAFourth(Plain):
    def __init__(self, dim):
        super().__init__(dim)
        self.to_output = nn.Linear(dim, dim)


@known("shared-projection")
class Shared(Plain):
    def __init__(self, dim):
        super().__init__(dim)
        self.to_key = self.to_query


@known("no-projection-layer")
class NamedOtherwise(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.w_q, self.w_k, self.w_v = (nn.Linear(dim, dim, bias=False) for _ in range(3))

    def forward(self, x, allowed=None):
        return attention_core.scaled_dot_product_attention(self.w_q(x), self.w_k(x), self.w_v(x), allowed)


@known("projection-shape")
class HalfTheFeatures(Plain):
    def __init__(self, dim):
        super().__init__(dim)
        self.to_query = nn.Linear(dim, dim // 2, bias=False)


def _made(kind):
    """A module, a right one with its parameters, and some words."""
    torch.manual_seed(0)
    module, right_one = kind(4), Plain(4)
    right_one.load_state_dict(module.state_dict())
    return module, right_one, torch.randn(5, 4)


def _only_the_output_is_wrong(kind):
    module, right_one, x = _made(kind)
    (output, weights), (wanted, shares) = module(x), right_one(x)
    return agree(weights, shares, 4, 4, 5) and not agree(output, wanted, 4, 4, 5, 5)


def _notices_the_order(kind):
    module, _, x = _made(kind)
    return not agree(module(x.flip(0))[0].flip(0), module(x)[0], 4, 4, 5, 5)


@known("residual")
class WithResidual(Plain):
    def forward(self, x, allowed=None):
        output, weights = super().forward(x, allowed)
        return output + x, weights


@unlisted("permutation equivariance", _notices_the_order)
class FavoursLateWords(Plain):
    def forward(self, x, allowed=None):
        scores = self.to_query(x) @ self.to_key(x).mT / x.shape[-1] ** 0.5
        weights = masked_softmax(scores + 0.2 * torch.arange(x.shape[-2]), allowed)
        return weights @ self.to_value(x), weights


@unlisted("RuntimeError", None, status="error")
class NeverInitialised(nn.Module):
    def __init__(self, dim):
        self.dim = dim
        self.to_query = torch.randn(dim, dim) @ torch.randn(dim + 1, dim)

    def forward(self, x, allowed=None):
        return x, x


@unlisted("output", _only_the_output_is_wrong)
class Doubled(Plain):
    def forward(self, x, allowed=None):
        output, weights = super().forward(x, allowed)
        return 2 * output, weights


@known("activation")
class WithRelu(ThreeProjections):
    def forward(self, x, allowed=None):
        q, k, v = (torch.relu(f(x)) for f in (self.to_query, self.to_key, self.to_value))
        return attention_core.scaled_dot_product_attention(q, k, v, allowed)


@known("weight-not-transposed")
class NotTransposed(ThreeProjections):
    def forward(self, x, allowed=None):
        q, k, v = (x @ f.weight for f in (self.to_query, self.to_key, self.to_value))
        return attention_core.scaled_dot_product_attention(q, k, v, allowed)


@known("one-after-the-other")
class InAChain(ThreeProjections):
    def forward(self, x, allowed=None):
        q = self.to_query(x)
        k = self.to_key(q)
        return attention_core.scaled_dot_product_attention(q, k, self.to_value(k), allowed)


@known("words-changed-first")
class NormalisedFirst(Plain):
    def forward(self, x, allowed=None):
        return super().forward(nn.functional.layer_norm(x, x.shape[-1:]), allowed)


@known("fixed-scale")
class DividedBy2(ThreeProjections):
    def forward(self, x, allowed=None):
        weights = masked_softmax(self.to_query(x) @ self.to_key(x).mT / 2, allowed)
        return weights @ self.to_value(x), weights


@known("always-causal")
class CausalUnlessTold(Plain):
    def forward(self, x, allowed=None):
        if allowed is None:
            allowed = torch.ones(x.shape[-2], x.shape[-2]).tril().bool()
        return super().forward(x, allowed)


@known("no-mask-argument")
class NoMask(ThreeProjections):
    def forward(self, x):
        return attention_core.scaled_dot_product_attention(self.to_query(x), self.to_key(x), self.to_value(x))


@known("mask-unsqueezed")
class MaskWithOneMore(Plain):
    def forward(self, x, allowed=None):
        return super().forward(x, None if allowed is None else allowed[:, None])


@known("small-fill")
class Minus100(ThreeProjections):
    def forward(self, x, allowed=None):
        weights = self.to_query(x) @ self.to_key(x).mT / x.shape[-1] ** 0.5
        if allowed is not None:
            weights = weights.masked_fill(~allowed, -100)
        weights = weights.softmax(-1)
        if allowed is not None:
            weights = weights.masked_fill(~allowed.any(-1, keepdim=True), 0)
        return weights @ self.to_value(x), weights


@known("mask-keyword")
class MaskByAnotherName(ThreeProjections):
    def forward(self, x, allowed=None):
        q, k, v = self.to_query(x), self.to_key(x), self.to_value(x)
        return attention_core.scaled_dot_product_attention(q, k, v, attn_mask=allowed)


@known("no-super")
class WithoutSuper(nn.Module):
    def __init__(self, dim):
        self.to_query = nn.Linear(dim, dim, bias=False)

    def forward(self, x, allowed=None):
        return x, x


@known("no-gradient")
class NoGradInForward(Plain):
    @torch.no_grad()
    def forward(self, x, allowed=None):
        return super().forward(x, allowed)


@known("no-gradient")
class DataOfTheWeights(ThreeProjections):
    def forward(self, x, allowed=None):
        q, k, v = (x @ f.weight.data.T for f in (self.to_query, self.to_key, self.to_value))
        return attention_core.scaled_dot_product_attention(q, k, v, allowed)


@known("sentences-mixed")
class SentencesMixed(Plain):
    def forward(self, x, allowed=None):
        output, weights = super().forward(x.reshape(-1, x.shape[-1]), allowed)
        return output.view(x.shape), weights
