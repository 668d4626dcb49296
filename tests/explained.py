"""Models whose explanations can be worked out by hand: tokens are one-hot, nothing is normalised."""

import torch
from torch import Tensor, nn

from attention_core import MultiHeadAttention, SelfAttention


class PlainBlock(nn.Module):
    """x + attention(x), nothing else."""

    def __init__(self, attention: nn.Module):
        super().__init__()
        self.attention = attention

    def forward(self, x: Tensor, allowed: Tensor | None = None) -> tuple[Tensor, Tensor]:
        attended, weights = self.attention(x, allowed=allowed)
        return x + attended, weights


class Plain(nn.Module):
    """A model as a learner may write one: token t is the t-th unit vector; logits by one matrix, no bias."""

    def __init__(self, to_logits: list[list[float]], *attentions: nn.Module):
        super().__init__()
        self.blocks = nn.ModuleList(map(PlainBlock, attentions))
        self.register_buffer("to_logits", torch.tensor(to_logits))  # (classes, dim)

    def forward(self, tokens: Tensor, allowed: Tensor | None = None) -> tuple[Tensor, list[Tensor]]:
        dim = self.to_logits.shape[-1]
        x, weights = torch.eye(dim).to(self.to_logits)[tokens], []  # (batch, n, dim)
        for block in self.blocks:
            x, of_block = block(x, allowed)
            weights.append(of_block)
        return x @ self.to_logits.T, weights


def one_head(values: list[list[float]], shares: list[float] | None = None) -> SelfAttention:
    """Token t sends values[t], and every word looks at it by shares[t]; at all alike unless given."""
    values = torch.tensor(values)  # (dim, dim)
    layer = SelfAttention(len(values), bias=True)
    with torch.no_grad():
        _looks(layer, [shares or [1.0] * len(values)], len(values))
        layer.to_value.weight.copy_(values.T)
        layer.to_value.bias.zero_()
    return layer


def two_heads(value_bias: tuple[float, ...] = (0, 0, 0, 0)) -> MultiHeadAttention:
    """Of 4 features and tokens; all look at tokens by 1 : 2 : 5 with head 0, by 4 : 3 : 1 with head 1.

    Values: token 0 (1, 0 | 0, 2), 1 (0, 1 | 1, 0), 2 (2, 2 | 2, 2). W_O makes (a, b | c, d) into (a + c,
    b − d, c, 0), and adds 9 to each.
    """
    layer = MultiHeadAttention(4, 2)
    with torch.no_grad():
        _looks(layer, [[1, 2, 5, 1], [4, 3, 1, 1]], 2)
        sent = [[1, 0, 0, 2], [0, 1, 1, 0], [2, 2, 2, 2], [0, 0, 0, 0]]
        layer.to_value.weight.copy_(torch.tensor(sent).T)
        layer.to_value.bias.copy_(torch.tensor(value_bias))
        layer.to_output.weight.copy_(torch.tensor([[1, 0, 1, 0], [0, 1, 0, -1], [0, 0, 1, 0], [0, 0, 0, 0]]))
        layer.to_output.bias.fill_(9)
    return layer


def _looks(layer: nn.Module, shares: list[list[float]], d_k: int) -> None:
    """The query is the same for all words, √d_k times a unit vector; a key is the logarithm of its share."""
    layer.to_query.weight.zero_()
    layer.to_key.weight.zero_()
    layer.to_query.bias.zero_()
    layer.to_key.bias.zero_()
    for head, of_head in enumerate(shares):
        layer.to_query.bias[head * d_k] = d_k**0.5
        layer.to_key.weight[head * d_k] = torch.tensor(of_head, dtype=torch.float32).log()
