"""A whole transformer, small enough to read in one sitting, that shows every weight of every head."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from attention_core._checks import check_allowed, check_hooks, check_whole, shape
from attention_core.attention import MultiHeadAttention
from attention_core.masks import causal_mask
from attention_core.positional_encoding import PositionalEncoding


class TransformerBlock(nn.Module):
    """The words look at one another, then each thinks alone; both add to what was there before.

    x = x + attention(norm(x)), then x = x + feed_forward(norm(x))

    Pre-norm: the norm comes before each part, and the sum itself is never normalised, so that from the
    last layer to the first there is a path on which the gradient meets nothing but additions.

    Args:
        dim: features of a word; divisible by `num_heads`.
        num_heads: heads of the attention.
        hidden: width of the feed-forward part; 4·dim unless given.
        positions: a scheme of `attention_core.positional_encoding`, for its `rotate` and its `bias`.
        attention: makes the attention, called as `attention(dim, num_heads, positions=positions)`:
            `MultiHeadAttention`, or a class of your own that is called as it is.

    Raises: ValueError for sizes below 1, or a `dim` that `num_heads` does not divide.

    Source: Vaswani et al. 2017, section 3.1; pre-norm: Xiong et al. 2020, "On Layer Normalization in
    the Transformer Architecture", figure 1 (b).
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        *,
        hidden: int | None = None,
        positions: PositionalEncoding | None = None,
        attention: Callable[..., nn.Module] = MultiHeadAttention,
    ):
        super().__init__()
        dim = check_whole("dim", dim)
        hidden = 4 * dim if hidden is None else check_whole("hidden", hidden)
        self.attention = attention(dim, num_heads, positions=positions)
        self.norm_1 = nn.LayerNorm(dim)
        self.norm_2 = nn.LayerNorm(dim)
        self.feed_forward = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))

    def forward(
        self, x: Tensor, allowed: Tensor | None = None, *, need_weights: bool = True
    ) -> tuple[Tensor, Tensor | None]:
        """`(batch, n, dim)` → the same shape, and the weights `(batch, num_heads, n, n)`.

        Args: allowed, need_weights: as in `MultiHeadAttention`.
        """
        attended, weights = self.attention(self.norm_1(x), allowed=allowed, need_weights=need_weights)
        x = x + attended  # (batch, n, dim): what the word gathered from the others
        x = x + self.feed_forward(self.norm_2(x))  # (batch, n, dim): what it made of that
        return x, weights


class TinyTransformer(nn.Module):
    """Tokens in, one row of logits for each position out, and every weight on the way.

    As an encoder every position sees all others, and its logits answer for that position. With
    `causal=True` it sees itself and what came before, and its logits are for the token that comes next.

    Args:
        vocabulary: number of tokens; a token is a whole number from 0 to vocabulary − 1.
        dim, num_heads, num_layers: features of a word, heads of a layer, blocks on top of one another.
        positions: one scheme for all layers, any of `attention_core.positional_encoding`: `embed` is
            called once, on the embeddings, `rotate` and `bias` in each layer. None: a bag of words.
        causal: whether a position may look only at itself and at earlier ones.
        hidden, attention: as in `TransformerBlock`.

    Raises: ValueError for sizes below 1, a `dim` that `num_heads` does not divide, or `positions` that
    are no scheme.

    Source: Vaswani et al. 2017, section 3; GPT-2 (Radford et al. 2019, section 2.3) for the last norm.
    """

    def __init__(
        self,
        vocabulary: int,
        *,
        dim: int = 32,
        num_heads: int = 2,
        num_layers: int = 1,
        positions: PositionalEncoding | None = None,
        causal: bool = False,
        hidden: int | None = None,
        attention: Callable[..., nn.Module] = MultiHeadAttention,
    ):
        super().__init__()
        num_layers = check_whole("num_layers", num_layers)
        check_hooks(positions, "embed", "rotate", "bias")
        self.vocabulary, dim = check_whole("vocabulary", vocabulary), check_whole("dim", dim)
        self.causal = causal
        self.positions = positions
        self.embedding = nn.Embedding(self.vocabulary, dim)
        self.blocks = nn.ModuleList(
            TransformerBlock(dim, num_heads, hidden=hidden, positions=positions, attention=attention)
            for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(dim)  # the sum of all that the blocks added, brought to one size
        self.to_logits = nn.Linear(dim, self.vocabulary)

    def forward(
        self, tokens: Tensor, allowed: Tensor | None = None, *, need_weights: bool = True
    ) -> tuple[Tensor, list[Tensor] | None]:
        """The logits, and the weights of each layer.

        Args:
            tokens: whole numbers `(batch, n)`.
            allowed: boolean, True means "may look": `(n, n)`, or `(batch, n, n)` as a `padding_mask`
                is, where any size may be 1. A causal model looks only where both allow it.
            need_weights: False is faster, and returns None for the weights.

        Returns:
            `(logits, weights)`: `(batch, n, vocabulary)`, and for each layer `(batch, num_heads, n, n)`,
            so that `weights[layer][batch, head]` is one map.

        Raises:
            ValueError: for tokens that are not whole numbers from 0 to vocabulary − 1, or not
                `(batch, n)`, and for an `allowed` that does not fit.
        """
        self._check(tokens)
        n = tokens.shape[-1]
        if allowed is not None:
            check_allowed(allowed, n, n)
        if self.causal:
            causal = causal_mask(n).to(tokens.device)  # (n, n)
            allowed = causal if allowed is None else allowed & causal
        x = self.embedding(tokens.long())  # (batch, n, dim)
        if self.positions is not None:
            x = self.positions.embed(x)  # (batch, n, dim)
        weights = []
        for block in self.blocks:
            x, of_block = block(x, allowed, need_weights=need_weights)
            weights.append(of_block)  # (batch, num_heads, n, n)
        logits = self.to_logits(self.norm(x))  # (batch, n, vocabulary)
        return logits, weights if need_weights else None

    @torch.no_grad()
    def generate(self, tokens: Tensor, steps: int) -> Tensor:
        """Append the likeliest next token, `steps` times: `(batch, n)` → `(batch, n + steps)`.

        Raises: ValueError for a model that is not causal, no token to begin with, or negative steps.
        """
        if not self.causal:
            raise ValueError("only a causal model can continue a sequence; this one has causal=False")
        steps = check_whole("steps", steps, 0)
        self._check(tokens)
        if tokens.shape[-1] == 0:
            raise ValueError(f"there must be a token to begin with, got {shape(tokens)}")
        for _ in range(steps):
            logits, _ = self(tokens, need_weights=False)  # (batch, n, vocabulary)
            following = logits[:, -1:].argmax(-1).to(tokens.dtype)  # (batch, 1)
            tokens = torch.cat((tokens, following), dim=-1)  # (batch, n + 1)
        return tokens

    def _check(self, tokens: Tensor) -> None:
        if not isinstance(tokens, Tensor) or tokens.is_floating_point() or tokens.dtype == torch.bool:
            got = tokens.dtype if isinstance(tokens, Tensor) else type(tokens).__name__
            raise ValueError(f"tokens must be whole numbers, got {got}")
        if tokens.ndim != 2:
            raise ValueError(f"tokens must have shape (batch, n), got {shape(tokens)}")
        if torch.compiler.is_compiling():
            return  # what the numbers are is not known yet
        if tokens.numel() and not 0 <= int(tokens.min()) <= int(tokens.max()) < self.vocabulary:
            raise ValueError(
                f"tokens must be from 0 to {self.vocabulary - 1}, "
                f"got {int(tokens.min())} to {int(tokens.max())}"
            )
