# ruff: noqa
# fmt: off
import torch
from torch.nn import functional as F
from attention_core import MultiHeadAttention


class SaysPreNorm(torch.nn.Module):  # as the notebook has it
    """Pre-norm: x + attention(norm(x)), then x + feed_forward(norm(x))."""

    def __init__(self, dim, num_heads):
        super().__init__()
        self.attention = MultiHeadAttention(dim, num_heads)
        self.norm_1, self.norm_2 = torch.nn.LayerNorm(dim), torch.nn.LayerNorm(dim)
        self.feed_forward = torch.nn.Linear(dim, dim)

    def forward(self, x, allowed=None, *, need_weights=True):
        attended, weights = self.attention(x, allowed=allowed)
        x = self.norm_1(x + attended)
        return self.norm_2(x + self.feed_forward(x)), weights


# WRONG: still post-norm: the sums are normed
# SHOWS: silent parts: the block must give x back
class StillPostNorm(SaysPreNorm):
    def forward(self, x, allowed=None, *, need_weights=True):
        attended, weights = self.attention(x, allowed=allowed)
        x = self.norm_1(x + attended)
        x = self.norm_2(x + self.feed_forward(x))
        return x, weights


# WRONG: what the part says is normed, not what it reads: x + norm(attention(x))
# SHOWS: random x
class NormsWhatThePartSays(SaysPreNorm):
    def forward(self, x, allowed=None, *, need_weights=True):
        attended, weights = self.attention(x, allowed=allowed)
        x = x + self.norm_1(attended)
        x = x + self.norm_2(self.feed_forward(x))
        return x, weights


# WRONG: norm_1 in both places, norm_2 is not used
# SHOWS: norms with different weights
class FirstNormTwice(SaysPreNorm):
    def forward(self, x, allowed=None, *, need_weights=True):
        attended, weights = self.attention(self.norm_1(x), allowed=allowed)
        x = x + attended
        return x + self.feed_forward(self.norm_1(x)), weights


# WRONG: the two norms are interchanged
# SHOWS: norms with different weights
class NormsInterchanged(SaysPreNorm):
    def forward(self, x, allowed=None, *, need_weights=True):
        attended, weights = self.attention(self.norm_2(x), allowed=allowed)
        x = x + attended
        return x + self.feed_forward(self.norm_1(x)), weights


# WRONG: x itself is replaced by its norm, and the sum starts from there
# SHOWS: silent parts, x with spread 3: x does not come back
class SumStartsFromTheNorm(SaysPreNorm):
    def forward(self, x, allowed=None, *, need_weights=True):
        x = self.norm_1(x)
        attended, weights = self.attention(x, allowed=allowed)
        x = x + attended
        x = self.norm_2(x)
        return x + self.feed_forward(x), weights


# WRONG: the second sum alone starts from the norm
# SHOWS: silent parts, x with spread 3
class SecondSumFromTheNorm(SaysPreNorm):
    def forward(self, x, allowed=None, *, need_weights=True):
        attended, weights = self.attention(self.norm_1(x), allowed=allowed)
        h = self.norm_2(x + attended)
        return h + self.feed_forward(h), weights


# WRONG: the mask is not handed on
# SHOWS: a causal mask: a change of the last word moves earlier ones
class MaskForgotten(SaysPreNorm):
    def forward(self, x, allowed=None, *, need_weights=True):
        attended, weights = self.attention(self.norm_1(x))
        x = x + attended
        return x + self.feed_forward(self.norm_2(x)), weights


# WRONG: the mask is handed on as second argument, which is not the mask
# SHOWS: a causal mask
class MaskInTheWrongPlace(SaysPreNorm):
    def forward(self, x, allowed=None, *, need_weights=True):
        attended, weights = self.attention(self.norm_1(x), allowed)
        x = x + attended
        return x + self.feed_forward(self.norm_2(x)), weights


# WRONG: the mask is turned round: True is taken for "hidden"
# SHOWS: a causal mask
class MaskTurnedRound(SaysPreNorm):
    def forward(self, x, allowed=None, *, need_weights=True):
        hidden = None if allowed is None else ~allowed
        attended, weights = self.attention(self.norm_1(x), allowed=hidden)
        x = x + attended
        return x + self.feed_forward(self.norm_2(x)), weights


# WRONG: always a causal mask, whatever is allowed
# SHOWS: no mask: the weights above the diagonal are 0
class AlwaysCausal(SaysPreNorm):
    def forward(self, x, allowed=None, *, need_weights=True):
        n = x.shape[1]
        causal = torch.ones(n, n, dtype=torch.bool).tril()
        attended, weights = self.attention(self.norm_1(x), allowed=causal)
        x = x + attended
        return x + self.feed_forward(self.norm_2(x)), weights


# WRONG: only x is returned, without the weights
# SHOWS: output, weights = block(x): an error
class OnlyTheOutput(SaysPreNorm):
    def forward(self, x, allowed=None, *, need_weights=True):
        x = x + self.attention(self.norm_1(x), allowed=allowed)[0]
        return x + self.feed_forward(self.norm_2(x))


# WRONG: weights first, then x
# SHOWS: the shapes
class WeightsFirst(SaysPreNorm):
    def forward(self, x, allowed=None, *, need_weights=True):
        attended, weights = self.attention(self.norm_1(x), allowed=allowed)
        x = x + attended
        return weights, x + self.feed_forward(self.norm_2(x))


# WRONG: attention's answer replaces x, the first sum is missing
# SHOWS: silent parts: only 0 is left
class FirstSumForgotten(SaysPreNorm):
    def forward(self, x, allowed=None, *, need_weights=True):
        x, weights = self.attention(self.norm_1(x), allowed=allowed)
        return x + self.feed_forward(self.norm_2(x)), weights


# WRONG: the second sum is missing: feed-forward replaces x
# SHOWS: silent parts: 0
class SecondSumForgotten(SaysPreNorm):
    def forward(self, x, allowed=None, *, need_weights=True):
        attended, weights = self.attention(self.norm_1(x), allowed=allowed)
        x = x + attended
        return self.feed_forward(self.norm_2(x)), weights


# WRONG: both parts read the x at the beginning: feed-forward does not hear what attention said (side by side)
# SHOWS: random x; with one part silent it is right
class PartsSideBySide(SaysPreNorm):
    def forward(self, x, allowed=None, *, need_weights=True):
        attended, weights = self.attention(self.norm_1(x), allowed=allowed)
        return x + attended + self.feed_forward(self.norm_2(x)), weights


# WRONG: the second sum starts from the x at the beginning: what attention said is heard, but not kept
# SHOWS: feed-forward silent: attention's part is missing
class AttentionNotKept(SaysPreNorm):
    def forward(self, x, allowed=None, *, need_weights=True):
        attended, weights = self.attention(self.norm_1(x), allowed=allowed)
        h = x + attended
        return x + self.feed_forward(self.norm_2(h)), weights


# WRONG: one more norm at the end, as after the last block of a model
# SHOWS: silent parts, x with spread 3
class NormAtTheEnd(SaysPreNorm):
    def forward(self, x, allowed=None, *, need_weights=True):
        attended, weights = self.attention(self.norm_1(x), allowed=allowed)
        x = x + attended
        x = x + self.feed_forward(self.norm_2(x))
        return self.norm_2(x), weights


# WRONG: feed-forward reads x without its norm
# SHOWS: x with spread 3; attention silent
class SecondNormForgotten(SaysPreNorm):
    def forward(self, x, allowed=None, *, need_weights=True):
        attended, weights = self.attention(self.norm_1(x), allowed=allowed)
        x = x + attended
        return x + self.feed_forward(x), weights


# WRONG: attention reads x without its norm
# SHOWS: x with spread 3; the weights differ
class FirstNormForgotten(SaysPreNorm):
    def forward(self, x, allowed=None, *, need_weights=True):
        attended, weights = self.attention(x, allowed=allowed)
        x = x + attended
        return x + self.feed_forward(self.norm_2(x)), weights


# WRONG: only the queries are normed, keys and values are taken from x as it is
# SHOWS: x with spread 3
class OnlyQueriesNormed(SaysPreNorm):
    def forward(self, x, allowed=None, *, need_weights=True):
        attended, weights = self.attention(self.norm_1(x), x, x, allowed=allowed)
        x = x + attended
        return x + self.feed_forward(self.norm_2(x)), weights


# WRONG: a norm without the learned weight and bias of norm_1 and norm_2
# SHOWS: norms whose weight is not 1; a new block is right
class NormsWithoutTheirWeights(SaysPreNorm):
    def forward(self, x, allowed=None, *, need_weights=True):
        def norm(x):
            return F.layer_norm(x, x.shape[-1:])

        attended, weights = self.attention(norm(x), allowed=allowed)
        x = x + attended
        return x + self.feed_forward(norm(x)), weights


# WRONG: the norm by hand runs over the words, not over a word's features
# SHOWS: random x
class NormOverTheWords(SaysPreNorm):
    def forward(self, x, allowed=None, *, need_weights=True):
        def norm(x, layer):
            mean, var = x.mean(dim=1, keepdim=True), x.var(dim=1, keepdim=True, correction=0)
            return (x - mean) / (var + layer.eps).sqrt() * layer.weight + layer.bias

        attended, weights = self.attention(norm(x, self.norm_1), allowed=allowed)
        x = x + attended
        return x + self.feed_forward(norm(x, self.norm_2)), weights


# WRONG: x is added once too often
# SHOWS: silent parts: 2x
class AddedOnceTooOften(SaysPreNorm):
    def forward(self, x, allowed=None, *, need_weights=True):
        attended, weights = self.attention(self.norm_1(x), allowed=allowed)
        h = x + attended
        return x + h + self.feed_forward(self.norm_2(h)), weights


# WRONG: += writes into the caller's x (the result is right)
# SHOWS: compare x before and after
class WritesIntoItsArgument(SaysPreNorm):
    def forward(self, x, allowed=None, *, need_weights=True):
        attended, weights = self.attention(self.norm_1(x), allowed=allowed)
        x += attended
        x += self.feed_forward(self.norm_2(x))
        return x, weights


# WRONG: feed-forward comes first, attention second
# SHOWS: random x
class FeedForwardFirst(SaysPreNorm):
    def forward(self, x, allowed=None, *, need_weights=True):
        x = x + self.feed_forward(self.norm_2(x))
        attended, weights = self.attention(self.norm_1(x), allowed=allowed)
        return x + attended, weights


# WRONG: feed-forward reads only what attention said, without x
# SHOWS: attention silent, bias of the norm 0: feed-forward hears nothing of x
class FeedForwardReadsAttendedOnly(SaysPreNorm):
    def forward(self, x, allowed=None, *, need_weights=True):
        attended, weights = self.attention(self.norm_1(x), allowed=allowed)
        return x + attended + self.feed_forward(self.norm_2(attended)), weights


# WRONG: the weights are averaged over the heads: (batch, n, n)
# SHOWS: the shape of the weights
class WeightsAveraged(SaysPreNorm):
    def forward(self, x, allowed=None, *, need_weights=True):
        attended, weights = self.attention(self.norm_1(x), allowed=allowed)
        x = x + attended
        return x + self.feed_forward(self.norm_2(x)), weights.mean(dim=1)


# WRONG: 32 features are written in, as in the lesson
# SHOWS: a block with dim=16: an error
class ThirtyTwoFeatures(SaysPreNorm):
    def forward(self, x, allowed=None, *, need_weights=True):
        y = F.layer_norm(x, (32,), self.norm_1.weight, self.norm_1.bias)
        attended, weights = self.attention(y, allowed=allowed)
        x = x + attended
        y = F.layer_norm(x, (32,), self.norm_2.weight, self.norm_2.bias)
        return x + self.feed_forward(y), weights


# WRONG: the weights are never returned, always None
# SHOWS: need_weights=True (which is the default)
class WeightsThrownAway(SaysPreNorm):
    def forward(self, x, allowed=None, *, need_weights=True):
        attended, _ = self.attention(self.norm_1(x), allowed=allowed)
        x = x + attended
        return x + self.feed_forward(self.norm_2(x)), None


# WRONG: the sum is detached: no gradient comes back to attention or to the layers before
# SHOWS: gradient of attention's parameters after backward: None
class SumDetached(SaysPreNorm):
    def forward(self, x, allowed=None, *, need_weights=True):
        attended, weights = self.attention(self.norm_1(x), allowed=allowed)
        x = (x + attended).detach()
        return x + self.feed_forward(self.norm_2(x)), weights


# WRONG: a relu that the class does not have
# SHOWS: feed-forward with negative results
class ReluAdded(SaysPreNorm):
    def forward(self, x, allowed=None, *, need_weights=True):
        attended, weights = self.attention(self.norm_1(x), allowed=allowed)
        x = x + attended
        return x + self.feed_forward(self.norm_2(x)).relu(), weights


# WRONG: attention is asked a second time for the weights, with x as it is: the weights are not those used
# SHOWS: x with spread 3: the weights (the output is right)
class WeightsOfAnotherQuestion(SaysPreNorm):
    def forward(self, x, allowed=None, *, need_weights=True):
        y = x + self.attention(self.norm_1(x), allowed=allowed)[0]
        _, weights = self.attention(x, allowed=allowed)
        return y + self.feed_forward(self.norm_2(y)), weights


# WRONG: need_weights is dropped from the parameters: who asks for it by name gets an error
# SHOWS: block(x, need_weights=False)
class NoNeedWeights(SaysPreNorm):
    def forward(self, x, allowed=None):
        attended, weights = self.attention(self.norm_1(x), allowed=allowed)
        x = x + attended
        return x + self.feed_forward(self.norm_2(x)), weights


# WRONG: an axis of length 1 is squeezed away: one sentence loses its batch axis
# SHOWS: x (1, 5, 32): the shape
class BatchOfOneSqueezed(SaysPreNorm):
    def forward(self, x, allowed=None, *, need_weights=True):
        attended, weights = self.attention(self.norm_1(x), allowed=allowed)
        x = x + attended
        return (x + self.feed_forward(self.norm_2(x))).squeeze(0), weights


# WRONG: pre-norm for attention, post-norm for feed-forward
# SHOWS: silent parts, x with spread 3
class HalfMended(SaysPreNorm):
    def forward(self, x, allowed=None, *, need_weights=True):
        attended, weights = self.attention(self.norm_1(x), allowed=allowed)
        x = x + attended
        return self.norm_2(x + self.feed_forward(x)), weights


# RIGHT: two lines and the return
class TwoLines(SaysPreNorm):
    def forward(self, x, allowed=None, *, need_weights=True):
        attended, weights = self.attention(self.norm_1(x), allowed=allowed)
        x = x + attended
        return x + self.feed_forward(self.norm_2(x)), weights


# RIGHT: each step has a name of its own, nothing is overwritten
class EveryStepNamed(SaysPreNorm):
    def forward(self, x, allowed=None, *, need_weights=True):
        normed_for_attention = self.norm_1(x)
        attended, weights = self.attention(
            normed_for_attention, normed_for_attention, normed_for_attention, allowed=allowed
        )
        after_attention = torch.add(x, attended)
        normed_for_feed_forward = self.norm_2(after_attention)
        said = self.feed_forward(normed_for_feed_forward)
        after_feed_forward = torch.add(after_attention, said)
        return after_feed_forward, weights


# RIGHT: functional norms with the layers' weights
class FunctionalNorms(SaysPreNorm):
    def forward(self, x, allowed=None, *, need_weights=True):
        def norm(layer, x):
            return F.layer_norm(x, layer.normalized_shape, layer.weight, layer.bias, layer.eps)

        attended, weights = self.attention(norm(self.norm_1, x), allowed=allowed)
        x = x + attended
        return x + F.linear(
            norm(self.norm_2, x), self.feed_forward.weight, self.feed_forward.bias
        ), weights


# RIGHT: norms by hand: mean 0 and spread 1, then weight and bias
class NormsByHand(SaysPreNorm):
    @staticmethod
    def normed(x, layer):
        centred = x - x.mean(dim=-1, keepdim=True)
        spread = (centred.square().mean(dim=-1, keepdim=True) + layer.eps).sqrt()
        return centred / spread * layer.weight + layer.bias

    def forward(self, x, allowed=None, *, need_weights=True):
        attended, weights = self.attention(self.normed(x, self.norm_1), allowed=allowed)
        x = x + attended
        x = x + self.feed_forward(self.normed(x, self.norm_2))
        return x, weights


# RIGHT: a loop over parts, with lambdas, the weights kept aside
class LoopOverParts(SaysPreNorm):
    def forward(self, x, allowed=None, *, need_weights=True):
        kept = []

        def attend(x):
            attended, weights = self.attention(x, allowed=allowed)
            kept.append(weights)
            return attended

        for norm, part in ((self.norm_1, attend), (self.norm_2, lambda x: self.feed_forward(x))):
            x = x + part(norm(x))
        return x, kept[0]


# RIGHT: no weights if nobody needs them
class WeightsOnlyIfNeeded(SaysPreNorm):
    def forward(self, x, allowed=None, *, need_weights=True):
        attended, weights = self.attention(self.norm_1(x), allowed=allowed)
        x = x + attended
        x = x + self.feed_forward(self.norm_2(x))
        return (x, weights) if need_weights else (x, None)


# RIGHT: a copy of x, to which is added in place
class AddsToACopy(SaysPreNorm):
    def forward(self, x, allowed=None, *, need_weights=True):
        out = x.clone()
        attended, weights = self.attention(self.norm_1(x), allowed=allowed)
        out += attended
        said = self.feed_forward(self.norm_2(out.clone()))
        out += said
        return out, weights


# RIGHT: one expression with := and einsum for the feed-forward
class OneExpression(SaysPreNorm):
    def forward(self, x, allowed=None, *, need_weights=True):
        return (
            (h := x + (answer := self.attention(self.norm_1(x), allowed=allowed))[0])
            + torch.einsum("oi,bni->bno", self.feed_forward.weight, self.norm_2(h))
            + self.feed_forward.bias
        ), answer[1]


# RIGHT: two methods, one for each part, and the sum of all that was said
class TwoMethods(SaysPreNorm):
    def hear(self, x, allowed):
        return self.attention(self.norm_1(x), allowed=allowed)

    def think(self, x):
        return self.feed_forward(self.norm_2(x))

    def forward(self, x, allowed=None, *, need_weights=True):
        heard, weights = self.hear(x, allowed)
        thought = self.think(x + heard)
        return torch.stack([x, heard, thought]).sum(dim=0), weights
