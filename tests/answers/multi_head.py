"""Answers to `MultiHeadAttention(dim, num_heads)`: split, attend, merge, project."""

import torch
from torch import nn

import attention_core
from answers import known, right, unlisted
from answers.attention import masked_softmax
from answers.merge_heads import reshape_alone, transpose_and_reshape
from answers.split_heads import view_alone, view_and_transpose
from attention_core.agreement import agree


class _FourProjections(nn.Module):
    """The four projections; the answers below differ in what they do with them."""

    def __init__(self, dim, num_heads):
        super().__init__()
        self.num_heads = num_heads
        self.to_query, self.to_key = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.to_value, self.to_output = nn.Linear(dim, dim), nn.Linear(dim, dim)

    def heads(self, x):
        return (view_and_transpose(f(x), self.num_heads) for f in (self.to_query, self.to_key, self.to_value))


@right
class FromTheFunctions(_FourProjections):
    def forward(self, x, allowed=None):
        q, k, v = self.heads(x)
        output, weights = attention_core.scaled_dot_product_attention(q, k, v, allowed)
        return self.to_output(transpose_and_reshape(output)), weights


@right
class HeadByHead(_FourProjections):
    def forward(self, x, allowed=None):
        outputs, weights = [], []
        for q, k, v in zip(*(part.unbind(1) for part in self.heads(x)), strict=True):
            w = masked_softmax(q @ k.mT / q.shape[-1] ** 0.5, allowed)
            outputs.append(w @ v)
            weights.append(w)
        return self.to_output(torch.cat(outputs, -1)), torch.stack(weights, 1)


@right
class WithEinsum(nn.Module):
    def __init__(self, dim, num_heads):
        super().__init__()
        self.num_heads = num_heads
        for name in ("to_query", "to_key", "to_value", "to_output"):
            setattr(self, name, nn.Linear(dim, dim))

    def forward(self, x, allowed=None):
        q, k, v = (
            f(x).unflatten(-1, (self.num_heads, -1)) for f in (self.to_query, self.to_key, self.to_value)
        )
        weights = masked_softmax(torch.einsum("bqhd,bkhd->bhqk", q, k) / q.shape[-1] ** 0.5, allowed)
        return self.to_output(torch.einsum("bhqk,bkhd->bqhd", weights, v).flatten(-2)), weights


@right
class WithTorchs(_FourProjections):
    def forward(self, x, allowed=None):
        layer = attention_core.MultiHeadAttention(x.shape[-1], self.num_heads)
        layer.load_state_dict(self.state_dict())
        return layer(x.double().float(), allowed=allowed)


def _attend(module, x, allowed, root, split=view_and_transpose, merge=transpose_and_reshape):
    q, k, v = (split(f(x), module.num_heads) for f in (module.to_query, module.to_key, module.to_value))
    weights = masked_softmax(q @ k.mT / root, allowed)
    return module.to_output(merge(weights @ v)), weights


@known("sqrt-num-heads")
class RootOfTheHeads(_FourProjections):
    def forward(self, x, allowed=None):
        return _attend(self, x, allowed, self.num_heads**0.5)


@known("sqrt-d-model")
class RootOfDim(_FourProjections):
    def forward(self, x, allowed=None):
        return _attend(self, x, allowed, x.shape[-1] ** 0.5)


@known("no-scale")
class NoRoot(_FourProjections):
    def forward(self, x, allowed=None):
        return _attend(self, x, allowed, 1)


@known("split-without-transpose")
class SplitByViewAlone(_FourProjections):
    def forward(self, x, allowed=None):
        return _attend(self, x, allowed, (x.shape[-1] / self.num_heads) ** 0.5, split=view_alone)


@known("merge-without-transpose")
class MergeByReshapeAlone(_FourProjections):
    def forward(self, x, allowed=None):
        return _attend(self, x, allowed, (x.shape[-1] / self.num_heads) ** 0.5, merge=reshape_alone)


@known("split-without-transpose + merge-without-transpose")
class BothByReshapeAlone(_FourProjections):
    def forward(self, x, allowed=None):
        return _attend(self, x, allowed, (x.shape[-1] / self.num_heads) ** 0.5, view_alone, reshape_alone)


@known("value-from-key")
class HeadsValuesFromToKey(_FourProjections):
    def forward(self, x, allowed=None):
        q, k, _ = self.heads(x)
        output, weights = attention_core.scaled_dot_product_attention(q, k, k, allowed)
        return self.to_output(transpose_and_reshape(output)), weights


@known("output-not-projected")
class OutputForgotten(_FourProjections):
    def forward(self, x, allowed=None):
        output, weights = attention_core.scaled_dot_product_attention(*self.heads(x), allowed)
        return transpose_and_reshape(output), weights


@known("averaged-weights")
class WeightsAveraged(_FourProjections):
    def forward(self, x, allowed=None):
        output, weights = attention_core.scaled_dot_product_attention(*self.heads(x), allowed)
        return self.to_output(transpose_and_reshape(output)), weights.mean(1)


@known("one-head")
class NeverSplit(_FourProjections):
    def forward(self, x, allowed=None):
        q, k, v = self.to_query(x), self.to_key(x), self.to_value(x)
        output, weights = attention_core.scaled_dot_product_attention(q, k, v, allowed)
        return self.to_output(output), weights


def _made(kind):
    torch.manual_seed(0)
    module = kind(8, 2)
    return module, torch.randn(1, 4, 8)


def _early_words_notice_the_last(kind):
    module, x = _made(kind)
    allowed = torch.ones(4, 4).tril().bool()
    before = module(x, allowed=allowed)[0]
    x[0, -1] += 1
    return not agree(module(x, allowed=allowed)[0][:, :-1], before[:, :-1], 8, 4, 4, 4, 8)


def _only_the_output_is_wrong(kind):
    module, x = _made(kind)
    right_one = FromTheFunctions(8, 2)
    right_one.load_state_dict(module.state_dict())
    (output, weights), (wanted, shares) = module(x), right_one(x)
    return agree(weights, shares, 8, 4, 4) and not agree(output, wanted, 8, 4, 4, 4, 8)


@unlisted("causality", _early_words_notice_the_last)
class HeadsPeek(_FourProjections):
    def forward(self, x, allowed=None):
        output, weights = attention_core.scaled_dot_product_attention(*self.heads(x), allowed)
        peek = 0 if allowed is None else 0.1 * x.mean(-2, keepdim=True)
        return self.to_output(transpose_and_reshape(output) + peek), weights


@known("mask-ignored")
class HeadsWithoutMask(_FourProjections):
    def forward(self, x, allowed=None):
        return _attend(self, x, None, (x.shape[-1] / self.num_heads) ** 0.5)


@known("output-twice")
class ProjectedTwice(_FourProjections):
    def forward(self, x, allowed=None):
        output, weights = FromTheFunctions.forward(self, x, allowed)
        return self.to_output(output), weights


@unlisted("output", _only_the_output_is_wrong)
class SquashedAtTheEnd(_FourProjections):
    def forward(self, x, allowed=None):
        output, weights = FromTheFunctions.forward(self, x, allowed)
        return output.tanh(), weights


def _heads_and_weights(module, x, allowed, *qkv):
    output, weights = attention_core.scaled_dot_product_attention(*(qkv or module.heads(x)), allowed)
    return module.to_output(transpose_and_reshape(output)), weights


@known("wrong-parameters")
class NoBias(FromTheFunctions):
    def __init__(self, dim, num_heads):
        super().__init__(dim, num_heads)
        self.to_output = nn.Linear(dim, dim, bias=False)


@known("residual")
class HeadsWithResidual(_FourProjections):
    def forward(self, x, allowed=None):
        output, weights = _heads_and_weights(self, x, allowed)
        return x + output, weights


@known("fixed-dim")
class SoftmaxOverTheHeads(_FourProjections):
    def forward(self, x, allowed=None):
        q, k, v = self.heads(x)
        weights = (q @ k.mT / q.shape[-1] ** 0.5).softmax(1)
        return self.to_output(transpose_and_reshape(weights @ v)), weights


@known("part-split-without-transpose")
class ValuesSplitByView(_FourProjections):
    def forward(self, x, allowed=None):
        q, k, _ = self.heads(x)
        return _heads_and_weights(self, x, allowed, q, k, view_alone(self.to_value(x), self.num_heads))


@known("first-slice-for-all")
class FirstSlice(_FourProjections):
    def forward(self, x, allowed=None):
        size = x.shape[-1] // self.num_heads
        parts = (f(x)[:, None, :, :size] for f in (self.to_query, self.to_key, self.to_value))
        return _heads_and_weights(self, x, allowed, *(p.expand(-1, self.num_heads, -1, -1) for p in parts))


@known("fixed-heads")
class TwoHeads(_FourProjections):
    def forward(self, x, allowed=None):
        parts = (view_and_transpose(f(x), 2) for f in (self.to_query, self.to_key, self.to_value))
        return _heads_and_weights(self, x, allowed, *parts)


@known("features-for-heads")
class HeadsAndFeaturesMixedUp(FromTheFunctions):
    def __init__(self, dim, num_heads):
        super().__init__(dim, num_heads)
        self.num_heads = dim // num_heads


@known("one-map-for-all")
class OneMap(_FourProjections):
    def forward(self, x, allowed=None):
        q, k = self.to_query(x).unsqueeze(1), self.to_key(x).unsqueeze(1)
        v = view_and_transpose(self.to_value(x), self.num_heads)
        output, weights = _heads_and_weights(self, x, allowed, q, k, v)
        return output, weights.repeat(1, self.num_heads, 1, 1)


@known("heads-look-at-heads")
class HeadsLookAtHeads(_FourProjections):
    def forward(self, x, allowed=None):
        parts = (
            f(x).unflatten(-1, (self.num_heads, -1)) for f in (self.to_query, self.to_key, self.to_value)
        )
        output, weights = attention_core.scaled_dot_product_attention(*parts, None)
        return self.to_output(output.flatten(2)), weights


@known("across-the-batch")
class AcrossTheBatch(_FourProjections):
    def forward(self, x, allowed=None):
        output, weights = _heads_and_weights(self, x.transpose(0, 1), None)
        return output.transpose(0, 1), weights


@known("slices-before-projecting")
class SlicesOfX(_FourProjections):
    def forward(self, x, allowed=None):
        size = x.shape[-1] // self.num_heads
        parts = []
        for f in (self.to_query, self.to_key, self.to_value):
            own = [slice(i * size, (i + 1) * size) for i in range(self.num_heads)]
            cut = [nn.functional.linear(x[..., s], f.weight[s, s], f.bias[s]) for s in own]
            parts.append(torch.stack(cut, 1))
        return _heads_and_weights(self, x, allowed, *parts)


@known("mask-in-one-head")
class MaskForTheFirstHead(_FourProjections):
    def forward(self, x, allowed=None):
        if allowed is not None:
            others = torch.arange(self.num_heads)[:, None, None] > 0
            allowed = allowed | others
        return _heads_and_weights(self, x, allowed)


@known("last-head-missing")
class OneHeadTooFew(_FourProjections):
    def forward(self, x, allowed=None):
        q, k, v = self.heads(x)
        output, weights = torch.zeros_like(q), torch.zeros(*q.shape[:3], x.shape[1])
        for i in range(self.num_heads - 1):
            weights[:, i] = masked_softmax(q[:, i] @ k[:, i].mT / q.shape[-1] ** 0.5, allowed)
            output[:, i] = weights[:, i] @ v[:, i]
        return self.to_output(transpose_and_reshape(output)), weights


@known("one-heads-weights")
class WeightsOfTheFirstHead(_FourProjections):
    def forward(self, x, allowed=None):
        output, weights = _heads_and_weights(self, x, allowed)
        return output, weights[:, 0]


@known("weights-listed")
class WeightsInAList(_FourProjections):
    def forward(self, x, allowed=None):
        output, weights = _heads_and_weights(self, x, allowed)
        return output, [weights[:, i] for i in range(self.num_heads)]


@known("weights-summed")
class WeightsAddedUp(_FourProjections):
    def forward(self, x, allowed=None):
        output, weights = _heads_and_weights(self, x, allowed)
        return output, weights.sum(1)


@known("heads-before-batch")
class HeadsFirst(_FourProjections):
    def forward(self, x, allowed=None):
        output, weights = _heads_and_weights(self, x, allowed)
        return output, weights.transpose(0, 1)


@known("value-and-output-swapped")
class ValueAndOutputSwapped(_FourProjections):
    def forward(self, x, allowed=None):
        self.to_value, self.to_output = self.to_output, self.to_value
        output, weights = _heads_and_weights(self, x, allowed)
        self.to_value, self.to_output = self.to_output, self.to_value
        return output, weights


@known("value-from-output")
class ValuesFromToOutput(_FourProjections):
    def forward(self, x, allowed=None):
        q, k, _ = self.heads(x)
        v = view_and_transpose(self.to_output(x), self.num_heads)
        return _heads_and_weights(self, x, allowed, q, k, v)


@known("batch-of-one")
class OneSentence(_FourProjections):
    def forward(self, x, allowed=None):
        parts = [
            f(x).view(1, x.shape[1], self.num_heads, x.shape[2] // self.num_heads).transpose(1, 2)
            for f in (self.to_query, self.to_key, self.to_value)
        ]
        return _heads_and_weights(self, x, allowed, *parts)


@known("truth-of-a-mask")
class IfAllowed(_FourProjections):
    def forward(self, x, allowed=None):
        return _heads_and_weights(self, x, allowed if allowed else None)


def split_not_written_yet(x, num_heads): ...


@known("argument-that-is-none")
class SplitReturnsNothing(_FourProjections):
    def forward(self, x, allowed=None):
        q, k, v = (split_not_written_yet(x, self.num_heads) for _ in range(3))
        heads, weights = attention_core.scaled_dot_product_attention(q, k, v, allowed)
        return self.to_output(heads), weights
