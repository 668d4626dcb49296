# ruff: noqa
# fmt: off
import attention_core
import torch
from torch import nn
from torch.nn import functional as F


class _Three(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.to_query = nn.Linear(dim, dim, bias=False)
        self.to_key = nn.Linear(dim, dim, bias=False)
        self.to_value = nn.Linear(dim, dim, bias=False)


# WRONG: bias=False is forgotten, so each layer adds a learned row
# SHOWS: number of parameters, 3 dim² + 3 dim; to_query.bias is not None
class WithBiases(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.to_query = nn.Linear(dim, dim)
        self.to_key = nn.Linear(dim, dim)
        self.to_value = nn.Linear(dim, dim)

    def forward(self, x, allowed=None):
        q, k, v = self.to_query(x), self.to_key(x), self.to_value(x)
        return attention_core.scaled_dot_product_attention(q, k, v, allowed)


# WRONG: a half fix: the value layer still has its bias
# SHOWS: to_value.bias is not None; 3 dim² + dim parameters
class BiasLeftInValue(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.to_query = nn.Linear(dim, dim, bias=False)
        self.to_key = nn.Linear(dim, dim, bias=False)
        self.to_value = nn.Linear(dim, dim)

    def forward(self, x, allowed=None):
        q, k, v = self.to_query(x), self.to_key(x), self.to_value(x)
        return attention_core.scaled_dot_product_attention(q, k, v, allowed)


# WRONG: query and key share one layer, so all scores are symmetric
# SHOWS: number of parameters, 2 dim²; to_query is to_key
class QueryAndKeyShareALayer(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.to_query = nn.Linear(dim, dim, bias=False)
        self.to_key = self.to_query
        self.to_value = nn.Linear(dim, dim, bias=False)

    def forward(self, x, allowed=None):
        q, k, v = self.to_query(x), self.to_key(x), self.to_value(x)
        return attention_core.scaled_dot_product_attention(q, k, v, allowed)


# WRONG: the layers have other names than those asked for
# SHOWS: layer.to_query: AttributeError
class OtherNames(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.W_q = nn.Linear(dim, dim, bias=False)
        self.W_k = nn.Linear(dim, dim, bias=False)
        self.W_v = nn.Linear(dim, dim, bias=False)

    def forward(self, x, allowed=None):
        return attention_core.scaled_dot_product_attention(
            self.W_q(x), self.W_k(x), self.W_v(x), allowed
        )


# WRONG: the layers are kept in a plain list, so nn.Module does not collect their parameters
# SHOWS: list(layer.parameters()) is empty
class LayersInAPlainList(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.layers = [nn.Linear(dim, dim, bias=False) for _ in range(3)]

    @property
    def to_query(self):
        return self.layers[0]

    @property
    def to_key(self):
        return self.layers[1]

    @property
    def to_value(self):
        return self.layers[2]

    def forward(self, x, allowed=None):
        q, k, v = (layer(x) for layer in self.layers)
        return attention_core.scaled_dot_product_attention(q, k, v, allowed)


# WRONG: bare tensors instead of layers: they are no parameters, nothing is trained
# SHOWS: list(layer.parameters()) is empty; to_query cannot be called
class BareTensors(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.to_query = torch.randn(dim, dim) / dim**0.5
        self.to_key = torch.randn(dim, dim) / dim**0.5
        self.to_value = torch.randn(dim, dim) / dim**0.5

    def forward(self, x, allowed=None):
        q, k, v = x @ self.to_query, x @ self.to_key, x @ self.to_value
        return attention_core.scaled_dot_product_attention(q, k, v, allowed)


# WRONG: the argument allowed is not passed on
# SHOWS: a causal mask
class MaskNotPassedOn(_Three):
    def forward(self, x, allowed=None):
        q, k, v = self.to_query(x), self.to_key(x), self.to_value(x)
        return attention_core.scaled_dot_product_attention(q, k, v)


# WRONG: returns the output without the weights
# SHOWS: any x
class OutputAlone(_Three):
    def forward(self, x, allowed=None):
        q, k, v = self.to_query(x), self.to_key(x), self.to_value(x)
        output, _ = attention_core.scaled_dot_product_attention(q, k, v, allowed)
        return output


# WRONG: weights first, output second
# SHOWS: x (2, 5, 8): the first result is (2, 5, 5)
class WeightsFirst(_Three):
    def forward(self, x, allowed=None):
        q, k, v = self.to_query(x), self.to_key(x), self.to_value(x)
        output, weights = attention_core.scaled_dot_product_attention(q, k, v, allowed)
        return weights, output


# WRONG: new random layers are made at each call of forward; those of __init__ are never used
# SHOWS: two calls with the same x differ; no gradient reaches the parameters
class NewLayersEachCall(_Three):
    def __init__(self, dim):
        super().__init__(dim)
        self.dim = dim

    def forward(self, x, allowed=None):
        make = lambda: nn.Linear(self.dim, self.dim, bias=False)  # noqa: E731
        q, k, v = make()(x), make()(x), make()(x)
        return attention_core.scaled_dot_product_attention(q, k, v, allowed)


# WRONG: key and query are handed over in the wrong order
# SHOWS: same parameters as a right layer: the scores are transposed
class KeyAsks(_Three):
    def forward(self, x, allowed=None):
        q, k, v = self.to_query(x), self.to_key(x), self.to_value(x)
        return attention_core.scaled_dot_product_attention(k, q, v, allowed)


# WRONG: the values are not projected; to_value exists but is never used
# SHOWS: to_value.weight.grad stays None
class ValuesNotProjected(_Three):
    def forward(self, x, allowed=None):
        q, k = self.to_query(x), self.to_key(x)
        return attention_core.scaled_dot_product_attention(q, k, x, allowed)


# WRONG: the values come from to_key (a copied line not changed)
# SHOWS: to_value.weight.grad stays None; output differs from a right layer's
class ValuesFromKeyLayer(_Three):
    def forward(self, x, allowed=None):
        q = self.to_query(x)
        k = self.to_key(x)
        v = self.to_key(x)
        return attention_core.scaled_dot_product_attention(q, k, v, allowed)


# WRONG: the scale is forgotten in its own attention
# SHOWS: random x times 3, dim = 8
class OwnAttentionWithoutScale(_Three):
    def forward(self, x, allowed=None):
        scores = self.to_query(x) @ self.to_key(x).mT
        if allowed is not None:
            scores = scores.masked_fill(~allowed, -torch.inf)
        weights = scores.softmax(dim=-1).nan_to_num(0.0)
        return weights @ self.to_value(x), weights


# WRONG: scales the query although the attention function scales too: divided by d_k in all
# SHOWS: random x times 3, dim = 8
class ScaledTwice(_Three):
    def forward(self, x, allowed=None):
        q = self.to_query(x) / x.shape[-1] ** 0.5
        k, v = self.to_key(x), self.to_value(x)
        return attention_core.scaled_dot_product_attention(q, k, v, allowed)


# WRONG: the width 8 of the example words is built in
# SHOWS: dim = 6: shapes do not fit
class EightFeaturesAlways(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.to_query = nn.Linear(8, 8, bias=False)
        self.to_key = nn.Linear(8, 8, bias=False)
        self.to_value = nn.Linear(8, 8, bias=False)

    def forward(self, x, allowed=None):
        q, k, v = self.to_query(x), self.to_key(x), self.to_value(x)
        return attention_core.scaled_dot_product_attention(q, k, v, allowed)


# WRONG: query and key are narrowed to the five wishes of the example; asked for was dim × dim
# SHOWS: to_query.weight.shape
class FiveWishes(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.to_query = nn.Linear(dim, 5, bias=False)
        self.to_key = nn.Linear(dim, 5, bias=False)
        self.to_value = nn.Linear(dim, dim, bias=False)

    def forward(self, x, allowed=None):
        q, k, v = self.to_query(x), self.to_key(x), self.to_value(x)
        return attention_core.scaled_dot_product_attention(q, k, v, allowed)


# WRONG: causal when no mask is given
# SHOWS: x (5, 8) without mask: weights[0, 1] is 0
class CausalByDefault(_Three):
    def forward(self, x, allowed=None):
        q, k, v = self.to_query(x), self.to_key(x), self.to_value(x)
        if allowed is None:
            n = x.shape[-2]
            allowed = torch.ones(n, n, dtype=torch.bool).tril()
        return attention_core.scaled_dot_product_attention(q, k, v, allowed)


# WRONG: the projections run under no_grad: the layer cannot learn
# SHOWS: output.requires_grad is False
class ProjectionsUnderNoGrad(_Three):
    def forward(self, x, allowed=None):
        with torch.no_grad():
            q, k, v = self.to_query(x), self.to_key(x), self.to_value(x)
        return attention_core.scaled_dot_product_attention(q, k, v, allowed)


# WRONG: query and key are detached: only the values learn
# SHOWS: to_query.weight.grad stays None after backward
class OnlyValuesLearn(_Three):
    def forward(self, x, allowed=None):
        q, k, v = self.to_query(x).detach(), self.to_key(x).detach(), self.to_value(x)
        return attention_core.scaled_dot_product_attention(q, k, v, allowed)


# WRONG: parameters are frozen with requires_grad_(False)
# SHOWS: to_query.weight.requires_grad is False
class FrozenParameters(_Three):
    def __init__(self, dim):
        super().__init__(dim)
        self.requires_grad_(False)

    def forward(self, x, allowed=None):
        q, k, v = self.to_query(x), self.to_key(x), self.to_value(x)
        return attention_core.scaled_dot_product_attention(q, k, v, allowed)


# WRONG: all matrices start at 0; query and key then get no gradient, ever
# SHOWS: a new layer: weights even, to_query.weight.grad is all 0
class AllStartAtZero(_Three):
    def __init__(self, dim):
        super().__init__(dim)
        for parameter in self.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x, allowed=None):
        q, k, v = self.to_query(x), self.to_key(x), self.to_value(x)
        return attention_core.scaled_dot_product_attention(q, k, v, allowed)


# WRONG: adds ReLU after the projections, so nothing can be asked for negatively
# SHOWS: same parameters as a right layer, random x
class ReluAfterProjection(_Three):
    def forward(self, x, allowed=None):
        q, k, v = (F.relu(f(x)) for f in (self.to_query, self.to_key, self.to_value))
        return attention_core.scaled_dot_product_attention(q, k, v, allowed)


# WRONG: adds x to the output (a residual connection that was not asked for)
# SHOWS: output differs from weights @ to_value(x)
class ResidualAdded(_Three):
    def forward(self, x, allowed=None):
        q, k, v = self.to_query(x), self.to_key(x), self.to_value(x)
        output, weights = attention_core.scaled_dot_product_attention(q, k, v, allowed)
        return x + output, weights


# WRONG: a fourth layer at the end, which belongs to lesson 02
# SHOWS: 4 dim² parameters
class FourthLayer(_Three):
    def __init__(self, dim):
        super().__init__(dim)
        self.to_output = nn.Linear(dim, dim, bias=False)

    def forward(self, x, allowed=None):
        q, k, v = self.to_query(x), self.to_key(x), self.to_value(x)
        output, weights = attention_core.scaled_dot_product_attention(q, k, v, allowed)
        return self.to_output(output), weights


# WRONG: flattens the batch, so sentences attend to each other; the output is brought back to shape, the weights are not
# SHOWS: x (2, 5, 8): weights (10, 10)
class SentencesSeeEachOther(_Three):
    def forward(self, x, allowed=None):
        flat = x.reshape(-1, x.shape[-1])
        q, k, v = self.to_query(flat), self.to_key(flat), self.to_value(flat)
        output, weights = attention_core.scaled_dot_product_attention(q, k, v, allowed)
        return output.view(x.shape), weights


# WRONG: unpacks exactly three dimensions: a single sentence (n, dim) raises
# SHOWS: x (5, 8): ValueError
class ThreeAxesExpected(_Three):
    def forward(self, x, allowed=None):
        batch, n, dim = x.shape
        q = self.to_query(x).view(batch, n, dim)
        k = self.to_key(x).view(batch, n, dim)
        v = self.to_value(x).view(batch, n, dim)
        return attention_core.scaled_dot_product_attention(q, k, v, allowed)


# WRONG: super().__init__() is missing; nn.Module cannot take layers yet
# SHOWS: making the layer: AttributeError
class SuperForgotten(nn.Module):
    def __init__(self, dim):
        self.to_query = nn.Linear(dim, dim, bias=False)
        self.to_key = nn.Linear(dim, dim, bias=False)
        self.to_value = nn.Linear(dim, dim, bias=False)

    def forward(self, x, allowed=None):
        q, k, v = self.to_query(x), self.to_key(x), self.to_value(x)
        return attention_core.scaled_dot_product_attention(q, k, v, allowed)


# WRONG: keeps the map of the first call and uses it for all later sentences
# SHOWS: a second call with another x of the same shape returns the first map
class FirstMapKeptForEver(_Three):
    def __init__(self, dim):
        super().__init__(dim)
        self.weights = None

    def forward(self, x, allowed=None):
        q, k, v = self.to_query(x), self.to_key(x), self.to_value(x)
        if self.weights is None:
            _, self.weights = attention_core.scaled_dot_product_attention(
                q, k, v, allowed
            )
        return self.weights @ v, self.weights


# WRONG: calls the function with a keyword it does not have
# SHOWS: any x: TypeError
class UnknownKeyword(_Three):
    def forward(self, x, allowed=None):
        q, k, v = self.to_query(x), self.to_key(x), self.to_value(x)
        return attention_core.scaled_dot_product_attention(q, k, v, mask=allowed)


# WRONG: uses the weight matrix the wrong way round (x @ W instead of x @ W.T, as nn.Linear does)
# SHOWS: same parameters as a right layer; to_query(x) differs from the query used
class MatrixNotTransposed(_Three):
    def forward(self, x, allowed=None):
        layers = self.to_query, self.to_key, self.to_value
        q, k, v = (x @ layer.weight for layer in layers)
        return attention_core.scaled_dot_product_attention(q, k, v, allowed)


# WRONG: subtracts the mean from x in place: the caller's words are changed, and the answer is for other words
# SHOWS: x before and after the call
class WordsCentredInPlace(_Three):
    def forward(self, x, allowed=None):
        x -= x.mean(dim=-1, keepdim=True)
        q, k, v = self.to_query(x), self.to_key(x), self.to_value(x)
        return attention_core.scaled_dot_product_attention(q, k, v, allowed)


# WRONG: projects one after the other: the key is made from the query, the value from the key
# SHOWS: same parameters as a right layer, random x
class ProjectionsInAChain(_Three):
    def forward(self, x, allowed=None):
        q = self.to_query(x)
        k = self.to_key(q)
        v = self.to_value(k)
        return attention_core.scaled_dot_product_attention(q, k, v, allowed)


# WRONG: `if allowed:` asks a tensor for its truth: RuntimeError
# SHOWS: any mask of more than one cell
class TruthOfATensor(_Three):
    def forward(self, x, allowed=None):
        q, k, v = self.to_query(x), self.to_key(x), self.to_value(x)
        if allowed:
            return attention_core.scaled_dot_product_attention(q, k, v, allowed)
        return attention_core.scaled_dot_product_attention(q, k, v)


# WRONG: hides the allowed words: the mask is turned round before it is passed on
# SHOWS: a causal mask
class MaskTurnedRound(_Three):
    def forward(self, x, allowed=None):
        q, k, v = self.to_query(x), self.to_key(x), self.to_value(x)
        forbidden = None if allowed is None else ~allowed
        return attention_core.scaled_dot_product_attention(q, k, v, forbidden)


# WRONG: its own attention leaves NaN where a word may look nowhere
# SHOWS: allowed with one row of False
class EmptyRowIsNan(_Three):
    def forward(self, x, allowed=None):
        scores = self.to_query(x) @ self.to_key(x).mT / x.shape[-1] ** 0.5
        if allowed is not None:
            scores = scores.masked_fill(~allowed, -torch.inf)
        weights = scores.softmax(dim=-1)
        return weights @ self.to_value(x), weights


# RIGHT: average first, project the values afterwards (the same, as nothing is added)
class ValuesProjectedLast(_Three):
    def forward(self, x, allowed=None):
        mixed, weights = attention_core.scaled_dot_product_attention(
            self.to_query(x), self.to_key(x), x, allowed
        )
        return self.to_value(mixed), weights


# RIGHT: layers made in a loop with add_module; a list for the pair
class LayersByAddModule(nn.Module):
    def __init__(self, dim):
        super().__init__()
        for role in ("query", "key", "value"):
            self.add_module(f"to_{role}", nn.Linear(dim, dim, bias=False))

    def forward(self, x, allowed=None):
        projected = [getattr(self, f"to_{r}")(x) for r in ("query", "key", "value")]
        return list(attention_core.scaled_dot_product_attention(*projected, allowed))


# RIGHT: keeps its last map on the module, for looking at later
class KeepsLastMap(_Three):
    last_map = None

    def forward(self, x, allowed=None):
        q, k, v = self.to_query(x), self.to_key(x), self.to_value(x)
        output, weights = attention_core.scaled_dot_product_attention(
            q, k, v, allowed=allowed
        )
        self.last_map = weights.detach()
        return output, weights


# RIGHT: one product with the three matrices stacked, then cut in three
class OneProductForAllThree(_Three):
    def forward(self, x, allowed=None):
        stacked = torch.cat(
            [self.to_query.weight, self.to_key.weight, self.to_value.weight]
        )
        q, k, v = F.linear(x, stacked).chunk(3, dim=-1)
        return attention_core.scaled_dot_product_attention(q, k, v, allowed)


# RIGHT: own attention in a helper method, written with einsum
class OwnAttentionInAMethod(_Three):
    def attend(self, q, k, v, allowed):
        scores = torch.einsum("...id,...jd->...ij", q, k) * q.shape[-1] ** -0.5
        if allowed is not None:
            scores = scores.masked_fill(~allowed, -torch.inf)
        weights = scores.softmax(dim=-1).nan_to_num(0.0)
        return torch.einsum("...ij,...jd->...id", weights, v), weights

    def forward(self, x, allowed=None):
        return self.attend(self.to_query(x), self.to_key(x), self.to_value(x), allowed)


# RIGHT: one thin matrix product of both projections: scores as X M Xᵀ
class ScoresAsXMX(_Three):
    def forward(self, x, allowed=None):
        M = self.to_query.weight.T @ self.to_key.weight
        scores = x @ M @ x.mT / x.shape[-1] ** 0.5
        if allowed is not None:
            scores = torch.where(allowed, scores, -torch.inf)
        weights = scores.softmax(dim=-1)
        if allowed is not None:
            weights = torch.where(allowed.any(-1, keepdim=True), weights, 0.0)
        return weights @ self.to_value(x), weights


# RIGHT: layers from a lambda, each started with another initialisation (xavier)
class XavierStart(nn.Module):
    def __init__(self, dim):
        super().__init__()
        make = lambda: nn.Linear(dim, dim, bias=False)  # noqa: E731
        self.to_query, self.to_key, self.to_value = make(), make(), make()
        for layer in self.children():
            nn.init.xavier_uniform_(layer.weight)

    def forward(self, x, allowed=None):
        q, k, v = map(lambda layer: layer(x), self.children())
        return attention_core.scaled_dot_product_attention(q, k, v, allowed)
