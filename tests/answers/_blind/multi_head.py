# ruff: noqa
# fmt: off
import attention_core
import torch
from torch import nn
from torch.nn import functional as F


class _Four(nn.Module):
    def __init__(self, dim, num_heads):
        super().__init__()
        self.num_heads = num_heads
        self.to_query = nn.Linear(dim, dim)
        self.to_key = nn.Linear(dim, dim)
        self.to_value = nn.Linear(dim, dim)
        self.to_output = nn.Linear(dim, dim)


def _split(x, num_heads):
    return x.unflatten(-1, (num_heads, -1)).transpose(1, 2)


def _merge(x):
    return x.transpose(1, 2).flatten(2)


# WRONG: the output layer exists but is never used
# SHOWS: to_output.weight.grad stays None
class OutputLayerUnused(_Four):
    def forward(self, x, allowed=None):
        q, k, v = (
            _split(f(x), self.num_heads)
            for f in (self.to_query, self.to_key, self.to_value)
        )
        heads, weights = attention_core.scaled_dot_product_attention(q, k, v, allowed)
        return _merge(heads), weights


# WRONG: bias=False everywhere, copied from lesson 01
# SHOWS: number of parameters, 4 dim² instead of 4 dim² + 4 dim
class NoBiases(nn.Module):
    def __init__(self, dim, num_heads):
        super().__init__()
        self.num_heads = num_heads
        self.to_query = nn.Linear(dim, dim, bias=False)
        self.to_key = nn.Linear(dim, dim, bias=False)
        self.to_value = nn.Linear(dim, dim, bias=False)
        self.to_output = nn.Linear(dim, dim, bias=False)

    def forward(self, x, allowed=None):
        q, k, v = (
            _split(f(x), self.num_heads)
            for f in (self.to_query, self.to_key, self.to_value)
        )
        heads, weights = attention_core.scaled_dot_product_attention(q, k, v, allowed)
        return self.to_output(_merge(heads)), weights


# WRONG: only the output layer lacks its bias
# SHOWS: to_output.bias is None
class NoBiasAtTheEnd(nn.Module):
    def __init__(self, dim, num_heads):
        super().__init__()
        self.num_heads = num_heads
        self.to_query = nn.Linear(dim, dim)
        self.to_key = nn.Linear(dim, dim)
        self.to_value = nn.Linear(dim, dim)
        self.to_output = nn.Linear(dim, dim, bias=False)

    def forward(self, x, allowed=None):
        q, k, v = (
            _split(f(x), self.num_heads)
            for f in (self.to_query, self.to_key, self.to_value)
        )
        heads, weights = attention_core.scaled_dot_product_attention(q, k, v, allowed)
        return self.to_output(_merge(heads)), weights


# WRONG: splits with view alone, merges rightly
# SHOWS: two heads: permuting the words does not permute the output
class SplitByViewAlone(_Four):
    def forward(self, x, allowed=None):
        batch, n, dim = x.shape
        shape = batch, self.num_heads, n, dim // self.num_heads
        q = self.to_query(x).view(shape)
        k = self.to_key(x).view(shape)
        v = self.to_value(x).view(shape)
        heads, weights = attention_core.scaled_dot_product_attention(q, k, v, allowed)
        return self.to_output(_merge(heads)), weights


# WRONG: splits rightly, merges with reshape alone: answers go to the wrong words
# SHOWS: two heads: weights are right, the output is not
class MergedByReshapeAlone(_Four):
    def forward(self, x, allowed=None):
        q, k, v = (
            _split(f(x), self.num_heads)
            for f in (self.to_query, self.to_key, self.to_value)
        )
        heads, weights = attention_core.scaled_dot_product_attention(q, k, v, allowed)
        return self.to_output(heads.reshape(x.shape)), weights


# WRONG: query and key are split rightly, the value with view alone (copied line, half mended)
# SHOWS: two heads: weights are right, the output is not
class OnlyTheValueSplitByView(_Four):
    def forward(self, x, allowed=None):
        batch, n, dim = x.shape
        q = _split(self.to_query(x), self.num_heads)
        k = _split(self.to_key(x), self.num_heads)
        v = self.to_value(x).view(batch, self.num_heads, n, -1)
        heads, weights = attention_core.scaled_dot_product_attention(q, k, v, allowed)
        return self.to_output(_merge(heads)), weights


# WRONG: divides by the root of the whole width dim, not of a head's d_k
# SHOWS: num_heads = 4 (right for one head)
class RootOfTheWholeWidth(_Four):
    def forward(self, x, allowed=None):
        q, k, v = (
            _split(f(x), self.num_heads)
            for f in (self.to_query, self.to_key, self.to_value)
        )
        scores = q @ k.mT / x.shape[-1] ** 0.5
        if allowed is not None:
            scores = scores.masked_fill(~allowed, -torch.inf)
        weights = scores.softmax(dim=-1).nan_to_num(0.0)
        return self.to_output(_merge(weights @ v)), weights


# WRONG: the argument allowed is ignored
# SHOWS: a causal mask
class MaskIgnored(_Four):
    def forward(self, x, allowed=None):
        q, k, v = (
            _split(f(x), self.num_heads)
            for f in (self.to_query, self.to_key, self.to_value)
        )
        heads, weights = attention_core.scaled_dot_product_attention(q, k, v)
        return self.to_output(_merge(heads)), weights


# WRONG: returns the mean map instead of one map a head
# SHOWS: weights (batch, n, n)
class MeanMapReturned(_Four):
    def forward(self, x, allowed=None):
        q, k, v = (
            _split(f(x), self.num_heads)
            for f in (self.to_query, self.to_key, self.to_value)
        )
        heads, weights = attention_core.scaled_dot_product_attention(q, k, v, allowed)
        return self.to_output(_merge(heads)), weights.mean(dim=1)


# WRONG: all heads work with the first slice
# SHOWS: two heads: all maps of one sentence are equal
class AllHeadsUseSliceZero(_Four):
    def forward(self, x, allowed=None):
        d_k = x.shape[-1] // self.num_heads
        q, k, v = (
            f(x)[..., :d_k].unsqueeze(1).repeat(1, self.num_heads, 1, 1)
            for f in (self.to_query, self.to_key, self.to_value)
        )
        heads, weights = attention_core.scaled_dot_product_attention(q, k, v, allowed)
        return self.to_output(_merge(heads)), weights


# WRONG: two heads are built in, the argument is ignored
# SHOWS: num_heads = 4: weights (batch, 2, n, n)
class TwoHeadsAlways(_Four):
    def forward(self, x, allowed=None):
        q, k, v = (
            _split(f(x), 2) for f in (self.to_query, self.to_key, self.to_value)
        )
        heads, weights = attention_core.scaled_dot_product_attention(q, k, v, allowed)
        return self.to_output(_merge(heads)), weights


# WRONG: weights first, output second
# SHOWS: any x
class WeightsFirst(_Four):
    def forward(self, x, allowed=None):
        q, k, v = (
            _split(f(x), self.num_heads)
            for f in (self.to_query, self.to_key, self.to_value)
        )
        heads, weights = attention_core.scaled_dot_product_attention(q, k, v, allowed)
        return weights, self.to_output(_merge(heads))


# WRONG: does not split at all: one head of full width, with an axis of heads put in for show
# SHOWS: num_heads = 2: weights (batch, 1, n, n); right for one head
class OneWideHead(_Four):
    def forward(self, x, allowed=None):
        q, k, v = (
            f(x).unsqueeze(1) for f in (self.to_query, self.to_key, self.to_value)
        )
        heads, weights = attention_core.scaled_dot_product_attention(q, k, v, allowed)
        return self.to_output(heads.squeeze(1)), weights


# WRONG: one map of full width, repeated for every head: no head chooses for itself
# SHOWS: num_heads = 2: all maps are equal
class OneMapForAllHeads(_Four):
    def forward(self, x, allowed=None):
        q, k = self.to_query(x).unsqueeze(1), self.to_key(x).unsqueeze(1)
        v = _split(self.to_value(x), self.num_heads)
        heads, weights = attention_core.scaled_dot_product_attention(q, k, v, allowed)
        weights = weights.expand(-1, self.num_heads, -1, -1)
        return self.to_output(_merge(heads)), weights


# WRONG: unsqueeze on the wrong side: (n, n) becomes (n, 1, n), whose first axis meets the heads
# SHOWS: a causal mask with n = 5, 2 heads raises; with n = num_heads each head hides other keys
class MaskUnsqueezedInTheMiddle(_Four):
    def forward(self, x, allowed=None):
        q, k, v = (
            _split(f(x), self.num_heads)
            for f in (self.to_query, self.to_key, self.to_value)
        )
        if allowed is not None:
            allowed = allowed.unsqueeze(-2)
        heads, weights = attention_core.scaled_dot_product_attention(q, k, v, allowed)
        return self.to_output(_merge(heads)), weights


# WRONG: the mask is applied in head 0 only
# SHOWS: a causal mask, two heads: head 1 sees the future
class MaskForHeadZeroOnly(_Four):
    def forward(self, x, allowed=None):
        q, k, v = (
            _split(f(x), self.num_heads)
            for f in (self.to_query, self.to_key, self.to_value)
        )
        if allowed is not None:
            full = torch.ones(*q.shape[:3], x.shape[1], dtype=torch.bool)
            full[:, 0] = allowed.expand(full.shape)[:, 0]
            allowed = full
        heads, weights = attention_core.scaled_dot_product_attention(q, k, v, allowed)
        return self.to_output(_merge(heads)), weights


# WRONG: adds x to the output
# SHOWS: same parameters as a right layer
class ResidualAdded(_Four):
    def forward(self, x, allowed=None):
        q, k, v = (
            _split(f(x), self.num_heads)
            for f in (self.to_query, self.to_key, self.to_value)
        )
        heads, weights = attention_core.scaled_dot_product_attention(q, k, v, allowed)
        return x + self.to_output(_merge(heads)), weights


# WRONG: the value comes from the key layer
# SHOWS: to_value.weight.grad stays None
class ValuesFromKeyLayer(_Four):
    def forward(self, x, allowed=None):
        q, k, v = (
            _split(f(x), self.num_heads)
            for f in (self.to_query, self.to_key, self.to_key)
        )
        heads, weights = attention_core.scaled_dot_product_attention(q, k, v, allowed)
        return self.to_output(_merge(heads)), weights


# WRONG: query and key are one layer
# SHOWS: number of parameters is 3 dim² + 3 dim
class QueryAndKeyShareALayer(nn.Module):
    def __init__(self, dim, num_heads):
        super().__init__()
        self.num_heads = num_heads
        self.to_query = self.to_key = nn.Linear(dim, dim)
        self.to_value = nn.Linear(dim, dim)
        self.to_output = nn.Linear(dim, dim)

    def forward(self, x, allowed=None):
        q, k, v = (
            _split(f(x), self.num_heads)
            for f in (self.to_query, self.to_key, self.to_value)
        )
        heads, weights = attention_core.scaled_dot_product_attention(q, k, v, allowed)
        return self.to_output(_merge(heads)), weights


# WRONG: the merged heads are detached: only the output layer learns
# SHOWS: to_query.weight.grad stays None after backward
class OnlyTheOutputLayerLearns(_Four):
    def forward(self, x, allowed=None):
        q, k, v = (
            _split(f(x), self.num_heads)
            for f in (self.to_query, self.to_key, self.to_value)
        )
        heads, weights = attention_core.scaled_dot_product_attention(q, k, v, allowed)
        return self.to_output(_merge(heads).detach()), weights


# WRONG: every head gets projections of full width: num_heads times the parameters
# SHOWS: to_query.weight.shape is (num_heads · dim, dim); right for one head
class FullWidthForEveryHead(nn.Module):
    def __init__(self, dim, num_heads):
        super().__init__()
        self.num_heads = num_heads
        self.to_query = nn.Linear(dim, dim * num_heads)
        self.to_key = nn.Linear(dim, dim * num_heads)
        self.to_value = nn.Linear(dim, dim * num_heads)
        self.to_output = nn.Linear(dim * num_heads, dim)

    def forward(self, x, allowed=None):
        q, k, v = (
            _split(f(x), self.num_heads)
            for f in (self.to_query, self.to_key, self.to_value)
        )
        heads, weights = attention_core.scaled_dot_product_attention(q, k, v, allowed)
        return self.to_output(_merge(heads)), weights


# WRONG: averages the heads instead of laying them side by side
# SHOWS: to_output.weight.shape is (dim, d_k)
class HeadsAveraged(nn.Module):
    def __init__(self, dim, num_heads):
        super().__init__()
        self.num_heads = num_heads
        self.to_query = nn.Linear(dim, dim)
        self.to_key = nn.Linear(dim, dim)
        self.to_value = nn.Linear(dim, dim)
        self.to_output = nn.Linear(dim // num_heads, dim)

    def forward(self, x, allowed=None):
        q, k, v = (
            _split(f(x), self.num_heads)
            for f in (self.to_query, self.to_key, self.to_value)
        )
        heads, weights = attention_core.scaled_dot_product_attention(q, k, v, allowed)
        return self.to_output(heads.mean(dim=1)), weights


# WRONG: returns the weights with the heads before the batch
# SHOWS: batch 3, 2 heads: (2, 3, n, n)
class HeadsBeforeBatch(_Four):
    def forward(self, x, allowed=None):
        q, k, v = (
            _split(f(x), self.num_heads)
            for f in (self.to_query, self.to_key, self.to_value)
        )
        heads, weights = attention_core.scaled_dot_product_attention(q, k, v, allowed)
        return self.to_output(_merge(heads)), weights.transpose(0, 1)


# WRONG: softmax over the heads: the heads share a budget, rows do not sum to 1
# SHOWS: row sums; with one head all weights are 1
class HeadsShareABudget(_Four):
    def forward(self, x, allowed=None):
        q, k, v = (
            _split(f(x), self.num_heads)
            for f in (self.to_query, self.to_key, self.to_value)
        )
        scores = q @ k.mT / q.shape[-1] ** 0.5
        if allowed is not None:
            scores = scores.masked_fill(~allowed, -torch.inf)
        weights = scores.softmax(dim=1).nan_to_num(0.0)
        return self.to_output(_merge(weights @ v)), weights


# WRONG: takes num_heads for the width of a head; right where d_k = num_heads
# SHOWS: dim = 12, num_heads = 2: weights (batch, 6, n, n)
class WidthAndNumberMistaken(_Four):
    def forward(self, x, allowed=None):
        q, k, v = (
            f(x).unflatten(-1, (-1, self.num_heads)).transpose(1, 2)
            for f in (self.to_query, self.to_key, self.to_value)
        )
        heads, weights = attention_core.scaled_dot_product_attention(q, k, v, allowed)
        return self.to_output(_merge(heads)), weights


# WRONG: batch and words mistaken: attends across the sentences of the batch
# SHOWS: batch 3, n 5: weights (5, heads, 3, 3); a sentence's output depends on the others
class AttendsAcrossTheBatch(_Four):
    def forward(self, x, allowed=None):
        q, k, v = (
            _split(f(x).transpose(0, 1), self.num_heads)
            for f in (self.to_query, self.to_key, self.to_value)
        )
        heads, weights = attention_core.scaled_dot_product_attention(q, k, v, allowed)
        return self.to_output(_merge(heads).transpose(0, 1)), weights


# WRONG: forgets the transpose, so heads attend to heads within one word
# SHOWS: n = 5, 2 heads: weights (batch, 5, 2, 2)
class HeadsAttendToHeads(_Four):
    def forward(self, x, allowed=None):
        q, k, v = (
            f(x).unflatten(-1, (self.num_heads, -1))
            for f in (self.to_query, self.to_key, self.to_value)
        )
        heads, weights = attention_core.scaled_dot_product_attention(q, k, v, allowed)
        return self.to_output(heads.flatten(2)), weights


# WRONG: slices x before projecting with slices of the matrices: a head sees only its own features of the word
# SHOWS: changing feature 0 of every word moves the map of head 0 only
class SlicesCutBeforeProjecting(_Four):
    def forward(self, x, allowed=None):
        d_k = x.shape[-1] // self.num_heads
        projected = []
        for layer in (self.to_query, self.to_key, self.to_value):
            parts = []
            for i in range(self.num_heads):
                own = slice(i * d_k, (i + 1) * d_k)
                parts.append(
                    F.linear(x[..., own], layer.weight[own, own], layer.bias[own])
                )
            projected.append(torch.stack(parts, dim=1))
        heads, weights = attention_core.scaled_dot_product_attention(
            *projected, allowed
        )
        return self.to_output(_merge(heads)), weights


# WRONG: batch size 1 is built in
# SHOWS: batch 2: RuntimeError or one long sentence
class OneSentenceOnly(_Four):
    def forward(self, x, allowed=None):
        n, dim = x.shape[-2:]
        q, k, v = (
            f(x).view(1, n, self.num_heads, dim // self.num_heads).transpose(1, 2)
            for f in (self.to_query, self.to_key, self.to_value)
        )
        heads, weights = attention_core.scaled_dot_product_attention(q, k, v, allowed)
        return self.to_output(_merge(heads)), weights


# WRONG: causal when no mask is given
# SHOWS: no mask: weights[..., 0, 1] is 0
class CausalByDefault(_Four):
    def forward(self, x, allowed=None):
        q, k, v = (
            _split(f(x), self.num_heads)
            for f in (self.to_query, self.to_key, self.to_value)
        )
        if allowed is None:
            allowed = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril()
        heads, weights = attention_core.scaled_dot_product_attention(q, k, v, allowed)
        return self.to_output(_merge(heads)), weights


# WRONG: `if allowed:` asks a tensor for its truth: RuntimeError
# SHOWS: any mask of more than one cell
class TruthOfATensor(_Four):
    def forward(self, x, allowed=None):
        q, k, v = (
            _split(f(x), self.num_heads)
            for f in (self.to_query, self.to_key, self.to_value)
        )
        scores = q @ k.mT / q.shape[-1] ** 0.5
        if allowed:
            scores = scores.masked_fill(~allowed, -torch.inf)
        weights = scores.softmax(dim=-1).nan_to_num(0.0)
        return self.to_output(_merge(weights @ v)), weights


# WRONG: -100 is not minus infinity: forbidden words get a share when scores are very negative
# SHOWS: a causal mask and parameters or x so large that allowed scores lie near -100 or below
class MinusAHundred(_Four):
    def forward(self, x, allowed=None):
        q, k, v = (
            _split(f(x), self.num_heads)
            for f in (self.to_query, self.to_key, self.to_value)
        )
        scores = q @ k.mT / q.shape[-1] ** 0.5
        if allowed is not None:
            scores = scores.masked_fill(~allowed, -100.0)
        weights = scores.softmax(dim=-1)
        if allowed is not None:
            weights = weights * allowed.any(dim=-1, keepdim=True)
        return self.to_output(_merge(weights @ v)), weights


# WRONG: its own attention gives NaN for a word that may look nowhere
# SHOWS: allowed with one row of False
class EmptyRowIsNan(_Four):
    def forward(self, x, allowed=None):
        q, k, v = (
            _split(f(x), self.num_heads)
            for f in (self.to_query, self.to_key, self.to_value)
        )
        scores = q @ k.mT / q.shape[-1] ** 0.5
        if allowed is not None:
            scores = scores.masked_fill(~allowed, -torch.inf)
        weights = scores.softmax(dim=-1)
        return self.to_output(_merge(weights @ v)), weights


# WRONG: the loop over heads ends one too early: the last head answers nothing
# SHOWS: any x: weights of the last head are 0; with one head everything is
class LastHeadLeftOut(_Four):
    def forward(self, x, allowed=None):
        q, k, v = (
            _split(f(x), self.num_heads)
            for f in (self.to_query, self.to_key, self.to_value)
        )
        weights = q.new_zeros(*q.shape[:3], x.shape[1])
        heads = torch.zeros_like(q)
        for i in range(self.num_heads - 1):
            may = None if allowed is None else allowed.expand(weights.shape)[:, i]
            heads[:, i], weights[:, i] = attention_core.scaled_dot_product_attention(
                q[:, i], k[:, i], v[:, i], may
            )
        return self.to_output(_merge(heads)), weights


# WRONG: returns the weights of the last head only (the loop variable after the loop)
# SHOWS: two heads: weights (batch, n, n)
class LastMapReturned(_Four):
    def forward(self, x, allowed=None):
        q, k, v = (
            _split(f(x), self.num_heads)
            for f in (self.to_query, self.to_key, self.to_value)
        )
        outputs = []
        for i in range(self.num_heads):
            may = allowed
            if may is not None:
                may = may.expand(*q.shape[:3], x.shape[1])[:, i]
            head, weights = attention_core.scaled_dot_product_attention(
                q[:, i], k[:, i], v[:, i], may
            )
            outputs.append(head)
        return self.to_output(torch.cat(outputs, dim=-1)), weights


# WRONG: returns the maps as a list, one a head, instead of one tensor
# SHOWS: any x: weights has no shape
class MapsAsAList(_Four):
    def forward(self, x, allowed=None):
        q, k, v = (
            _split(f(x), self.num_heads)
            for f in (self.to_query, self.to_key, self.to_value)
        )
        heads, weights = attention_core.scaled_dot_product_attention(q, k, v, allowed)
        return self.to_output(_merge(heads)), list(weights.unbind(dim=1))


# WRONG: a learned layer for every head in a plain list: their parameters are not collected
# SHOWS: number of parameters: only to_output's
class HeadsInAPlainList(nn.Module):
    def __init__(self, dim, num_heads):
        super().__init__()
        self.num_heads = num_heads
        d_k = dim // num_heads
        self.to_query = [nn.Linear(dim, d_k) for _ in range(num_heads)]
        self.to_key = [nn.Linear(dim, d_k) for _ in range(num_heads)]
        self.to_value = [nn.Linear(dim, d_k) for _ in range(num_heads)]
        self.to_output = nn.Linear(dim, dim)

    def forward(self, x, allowed=None):
        q, k, v = (
            torch.stack([layer(x) for layer in layers], dim=1)
            for layers in (self.to_query, self.to_key, self.to_value)
        )
        heads, weights = attention_core.scaled_dot_product_attention(q, k, v, allowed)
        return self.to_output(_merge(heads)), weights


# WRONG: PyTorch's layer inside, without batch_first: it takes the batch for the words; names differ, too
# SHOWS: layer.to_query: AttributeError; a sentence's output depends on the other sentences
class TorchLayerWithoutBatchFirst(nn.Module):
    def __init__(self, dim, num_heads):
        super().__init__()
        self.num_heads = num_heads
        self.attention = nn.MultiheadAttention(dim, num_heads)

    def forward(self, x, allowed=None):
        mask = None if allowed is None else ~allowed
        return self.attention(x, x, x, attn_mask=mask, average_attn_weights=False)


# WRONG: self.num_heads is overwritten with d_k in __init__; right where both are equal
# SHOWS: dim = 12, num_heads = 2: 6 heads
class NumHeadsOverwritten(nn.Module):
    def __init__(self, dim, num_heads):
        super().__init__()
        self.num_heads = dim // num_heads
        self.to_query = nn.Linear(dim, dim)
        self.to_key = nn.Linear(dim, dim)
        self.to_value = nn.Linear(dim, dim)
        self.to_output = nn.Linear(dim, dim)

    def forward(self, x, allowed=None):
        q, k, v = (
            _split(f(x), self.num_heads)
            for f in (self.to_query, self.to_key, self.to_value)
        )
        heads, weights = attention_core.scaled_dot_product_attention(q, k, v, allowed)
        return self.to_output(_merge(heads)), weights


# WRONG: the output layer is applied twice
# SHOWS: same parameters as a right layer
class OutputLayerTwice(_Four):
    def forward(self, x, allowed=None):
        q, k, v = (
            _split(f(x), self.num_heads)
            for f in (self.to_query, self.to_key, self.to_value)
        )
        heads, weights = attention_core.scaled_dot_product_attention(q, k, v, allowed)
        output = self.to_output(_merge(heads))
        return self.to_output(output), weights


# WRONG: splits once and stacks the answers of heads in one map: weights are multiplied over the heads
# SHOWS: two heads: row sums of the weights are not 1
class MapsMultiplied(_Four):
    def forward(self, x, allowed=None):
        q, k, v = (
            _split(f(x), self.num_heads)
            for f in (self.to_query, self.to_key, self.to_value)
        )
        heads, weights = attention_core.scaled_dot_product_attention(q, k, v, allowed)
        joint = weights.prod(dim=1, keepdim=True).expand(weights.shape)
        return self.to_output(_merge(heads)), joint


# WRONG: the words of x are not projected for the query (x itself asks)
# SHOWS: to_query.weight.grad stays None
class QueryNotProjected(_Four):
    def forward(self, x, allowed=None):
        q = _split(x, self.num_heads)
        k = _split(self.to_key(x), self.num_heads)
        v = _split(self.to_value(x), self.num_heads)
        heads, weights = attention_core.scaled_dot_product_attention(q, k, v, allowed)
        return self.to_output(_merge(heads)), weights


# WRONG: projects the values with the output layer and the answer with the value layer
# SHOWS: same parameters as a right layer
class ValueAndOutputLayersSwapped(_Four):
    def forward(self, x, allowed=None):
        q, k, v = (
            _split(f(x), self.num_heads)
            for f in (self.to_query, self.to_key, self.to_output)
        )
        heads, weights = attention_core.scaled_dot_product_attention(q, k, v, allowed)
        return self.to_value(_merge(heads)), weights


# RIGHT: a loop over heads, each on its slice; the maps are stacked
class LoopOverHeads(_Four):
    def forward(self, x, allowed=None):
        batch, n, dim = x.shape
        d_k = dim // self.num_heads
        q, k, v = self.to_query(x), self.to_key(x), self.to_value(x)
        if allowed is not None:
            allowed = allowed.expand(batch, self.num_heads, n, n)
        answers, maps = [], []
        for i in range(self.num_heads):
            own = slice(i * d_k, (i + 1) * d_k)
            answer, map_ = attention_core.scaled_dot_product_attention(
                q[..., own],
                k[..., own],
                v[..., own],
                None if allowed is None else allowed[:, i],
            )
            answers.append(answer)
            maps.append(map_)
        return self.to_output(torch.cat(answers, dim=-1)), torch.stack(maps, dim=1)


# RIGHT: einsum throughout, no transpose at all, own attention
class EinsumThroughout(_Four):
    def forward(self, x, allowed=None):
        q, k, v = (
            f(x).unflatten(-1, (self.num_heads, -1))
            for f in (self.to_query, self.to_key, self.to_value)
        )
        scores = torch.einsum("bihd,bjhd->bhij", q, k) / q.shape[-1] ** 0.5
        if allowed is not None:
            scores = scores.masked_fill(~allowed, -torch.inf)
        weights = scores.softmax(dim=-1).nan_to_num(0.0)
        heads = torch.einsum("bhij,bjhd->bihd", weights, v)
        return self.to_output(heads.reshape(x.shape)), weights


# RIGHT: keeps its last maps; helper methods split and merge
class KeepsLastMaps(_Four):
    def split(self, x):
        batch, n, dim = x.shape
        return x.view(batch, n, self.num_heads, dim // self.num_heads).transpose(1, 2)

    @staticmethod
    def merge(x):
        batch, num_heads, n, d_k = x.shape
        return x.transpose(1, 2).contiguous().view(batch, n, num_heads * d_k)

    def forward(self, x, allowed=None):
        heads, self.last_maps = attention_core.scaled_dot_product_attention(
            self.split(self.to_query(x)),
            self.split(self.to_key(x)),
            self.split(self.to_value(x)),
            allowed=allowed,
        )
        return self.to_output(self.merge(heads)), self.last_maps


# RIGHT: heads folded into the batch and unfolded again; a list for the pair
class HeadsFoldedIntoBatch(_Four):
    def forward(self, x, allowed=None):
        batch, n, dim = x.shape
        h = self.num_heads

        def fold(t):
            return t.view(batch, n, h, -1).transpose(1, 2).reshape(batch * h, n, -1)

        if allowed is not None:
            allowed = allowed.expand(batch, h, n, n).reshape(batch * h, n, n)
        heads, weights = attention_core.scaled_dot_product_attention(
            fold(self.to_query(x)), fold(self.to_key(x)), fold(self.to_value(x)), allowed
        )
        merged = heads.view(batch, h, n, -1).transpose(1, 2).reshape(batch, n, dim)
        return [self.to_output(merged), weights.view(batch, h, n, n)]


# RIGHT: no merge: the output is a sum over heads, each through its own columns of W_O
class SumOverHeads(_Four):
    def forward(self, x, allowed=None):
        q, k, v = (
            torch.stack(f(x).chunk(self.num_heads, dim=-1), dim=1)
            for f in (self.to_query, self.to_key, self.to_value)
        )
        heads, weights = attention_core.scaled_dot_product_attention(q, k, v, allowed)
        columns = self.to_output.weight.chunk(self.num_heads, dim=1)
        output = sum(heads[:, i] @ columns[i].T for i in range(self.num_heads))
        return output + self.to_output.bias, weights


# RIGHT: one product with the three matrices stacked; layers made in a loop with setattr
class OneProductForAllThree(nn.Module):
    def __init__(self, dim, num_heads):
        super().__init__()
        self.num_heads = num_heads
        for name in ("to_query", "to_key", "to_value", "to_output"):
            setattr(self, name, nn.Linear(dim, dim))

    def forward(self, x, allowed=None):
        layers = self.to_query, self.to_key, self.to_value
        weight = torch.cat([layer.weight for layer in layers])
        bias = torch.cat([layer.bias for layer in layers])
        qkv = F.linear(x, weight, bias).unflatten(-1, (3, self.num_heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        heads, weights = attention_core.scaled_dot_product_attention(q, k, v, allowed)
        return self.to_output(heads.movedim(1, 2).flatten(-2)), weights


# RIGHT: scores and softmax in float64, the rest as it comes; -1e30 with forbidden weights set to 0
class DoubleInside(_Four):
    def forward(self, x, allowed=None):
        q, k, v = (
            _split(f(x), self.num_heads)
            for f in (self.to_query, self.to_key, self.to_value)
        )
        scores = q.double() @ k.double().mT / k.shape[-1] ** 0.5
        if allowed is None:
            weights = scores.softmax(dim=-1)
        else:
            weights = scores.masked_fill(~allowed, -1e30).softmax(dim=-1)
            weights = weights.masked_fill(~allowed, 0.0)
        weights = weights.to(x.dtype)
        return self.to_output(_merge(weights @ v)), weights
