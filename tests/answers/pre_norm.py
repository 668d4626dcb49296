"""Answers to `PreNormBlock(dim, num_heads)`: norms before the parts, sums around them."""

import torch
from torch import nn

import attention_core
from answers import known, right, unlisted
from attention_core.agreement import agree
from attention_core.transformer import TransformerBlock


class _Parts(nn.Module):
    def __init__(self, dim, num_heads):
        super().__init__()
        self.attention = attention_core.MultiHeadAttention(dim, num_heads)
        self.norm_1, self.norm_2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.feed_forward = nn.Linear(dim, dim)


@right
class TwoSums(_Parts):
    def forward(self, x, allowed=None):
        attended, weights = self.attention(self.norm_1(x), allowed=allowed)
        x = x + attended
        return x + self.feed_forward(self.norm_2(x)), weights


@right
class InPlaceOnACopy(_Parts):
    def forward(self, x, allowed=None):
        x = x.clone()
        attended, weights = self.attention(self.norm_1(x), None, None, allowed)
        x += attended
        x += self.feed_forward(self.norm_2(x))
        return x, weights


@right
class NormsByHand(_Parts):
    def forward(self, x, allowed=None):
        def normed(x, norm):
            off = x - x.mean(-1, keepdim=True)
            return off / (off.square().mean(-1, keepdim=True) + norm.eps).sqrt() * norm.weight + norm.bias

        attended, weights = self.attention(normed(x, self.norm_1), allowed=allowed)
        middle = x + attended
        return middle + self.feed_forward(normed(middle, self.norm_2)), weights


@known("post-norm")
class NormAfterTheSum(_Parts):
    def forward(self, x, allowed=None):
        attended, weights = self.attention(x, allowed=allowed)
        x = self.norm_1(x + attended)
        return self.norm_2(x + self.feed_forward(x)), weights


@known("norm-both-ways")
class NormsEverywhere(_Parts):
    def forward(self, x, allowed=None):
        attended, weights = self.attention(self.norm_1(x), allowed=allowed)
        x = self.norm_1(x + attended)
        return self.norm_2(x + self.feed_forward(self.norm_2(x))), weights


@known("no-norm")
class NoNorms(_Parts):
    def forward(self, x, allowed=None):
        attended, weights = self.attention(x, allowed=allowed)
        x = x + attended
        return x + self.feed_forward(x), weights


@known("one-norm-missing")
class OnlyTheFirstNorm(_Parts):
    def forward(self, x, allowed=None):
        attended, weights = self.attention(self.norm_1(x), allowed=allowed)
        x = x + attended
        return x + self.feed_forward(x), weights


@known("one-norm-twice")
class FirstNormTwice(_Parts):
    def forward(self, x, allowed=None):
        attended, weights = self.attention(self.norm_1(x), allowed=allowed)
        x = x + attended
        return x + self.feed_forward(self.norm_1(x)), weights


@known("norms-swapped")
class NormsSwapped(_Parts):
    def forward(self, x, allowed=None):
        attended, weights = self.attention(self.norm_2(x), allowed=allowed)
        x = x + attended
        return x + self.feed_forward(self.norm_1(x)), weights


@known("sum-of-normed")
class AddedToTheNormed(_Parts):
    def forward(self, x, allowed=None):
        x = self.norm_1(x)
        attended, weights = self.attention(x, allowed=allowed)
        x = self.norm_2(x + attended)
        return x + self.feed_forward(x), weights


@known("not-added")
class FeedForwardReplaces(_Parts):
    def forward(self, x, allowed=None):
        attended, weights = self.attention(self.norm_1(x), allowed=allowed)
        return self.feed_forward(self.norm_2(x + attended)), weights


@known("mask-ignored")
class BlockWithoutMask(_Parts):
    def forward(self, x, allowed=None):
        attended, weights = self.attention(self.norm_1(x))
        x = x + attended
        return x + self.feed_forward(self.norm_2(x)), weights


def _gives_another_output(kind):
    """Than our own block with the same parts, by more than rounding explains."""
    torch.manual_seed(0)
    module, ours = kind(8, 2), TransformerBlock(8, 2)
    for name, part in module.named_children():
        setattr(ours, name, part)
    x = 3 * torch.randn(1, 2, 8)
    return not agree(module(x)[0], ours(x)[0], *(8,) * 8)


@unlisted("not right yet: output differs", _gives_another_output)
class FeedForwardTwice(_Parts):
    def forward(self, x, allowed=None):
        x, weights = TwoSums.forward(self, x, allowed)
        return x + self.feed_forward(self.norm_2(x)), weights


@unlisted("not right yet: output differs", _gives_another_output)
class NormBeforeTheSum(_Parts):
    def forward(self, x, allowed=None):
        attended, weights = self.attention(x, allowed=allowed)
        x = x + self.norm_1(attended)
        return x + self.norm_2(self.feed_forward(x)), weights
