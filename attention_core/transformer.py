"""A whole transformer, small enough to read in one sitting, that shows every weight of every head."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from attention_core._calling import takes
from attention_core._checks import check_allowed, check_hooks, check_tokens, check_whole, shape
from attention_core.attention import MultiHeadAttention
from attention_core.fast import KeyValueCache
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
        self,
        x: Tensor,
        allowed: Tensor | None = None,
        *,
        need_weights: bool = True,
        cache: KeyValueCache | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """`(batch, n, dim)` → the same shape, and the weights `(batch, num_heads, n, n)`.

        Args: allowed, need_weights, cache: as in `MultiHeadAttention`. An attention that takes no cache is
        given none.
        """
        options = {"allowed": allowed, "need_weights": need_weights}
        if cache is not None:
            options["cache"] = cache
        attended, weights = self.attention(self.norm_1(x), **options)
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
        self,
        tokens: Tensor,
        allowed: Tensor | None = None,
        *,
        need_weights: bool = True,
        caches: list[KeyValueCache] | None = None,
    ) -> tuple[Tensor, list[Tensor] | None]:
        """The logits, and the weights of each layer.

        Args:
            tokens: whole numbers `(batch, n)`.
            allowed: boolean, True means "may look": `(n, n)`, or `(batch, n, n)` as a `padding_mask`
                is, where any size may be 1. A causal model looks only where both allow it.
            need_weights: False is faster, and returns None for the weights.
            caches: one for each layer. The tokens follow those that they remember, and are remembered from
                now on: `allowed` and the weights are `(…, n, n_all)` then, and `logits` of the n alone.

        Returns:
            `(logits, weights)`: `(batch, n, vocabulary)`, and for each layer `(batch, num_heads, n, n)`,
            so that `weights[layer][batch, head]` is one map.

        Raises:
            ValueError: for tokens that are not whole numbers from 0 to vocabulary − 1, or not
                `(batch, n)`, for an `allowed` that does not fit, and for caches that are not one a layer.
        """
        check_tokens("tokens", tokens, self.vocabulary)
        past = 0 if caches is None else self._past(caches)
        n = tokens.shape[-1]
        if allowed is not None:
            check_allowed(allowed, n, past + n)
        if self.causal and not (past and n == 1):  # a single token comes last: it may look at them all
            causal = causal_mask(n, past + n).to(tokens.device)  # (n, n_all)
            allowed = causal if allowed is None else allowed & causal
        x = self.embedding(tokens.long())  # (batch, n, dim)
        if self.positions is not None:
            x = self.positions.embed(x, offset=past) if past else self.positions.embed(x)  # (batch, n, dim)
        weights = []
        for i, block in enumerate(self.blocks):
            remembered = {} if caches is None else {"cache": caches[i]}
            x, of_block = block(x, allowed, need_weights=need_weights, **remembered)
            weights.append(of_block)  # (batch, num_heads, n, n)
        logits = self.to_logits(self.norm(x))  # (batch, n, vocabulary)
        return logits, weights if need_weights else None

    @torch.no_grad()
    def generate(self, tokens: Tensor, steps: int, *, cached: bool = True) -> Tensor:
        """Append the likeliest next token, `steps` times: `(batch, n)` → `(batch, n + steps)`.

        Args: cached: remember the keys and values of what was read, so that of each step only the last token
        is new. It gives the same tokens, and is left out where a part of one's own, an attention say, takes
        no `cache`, or a scheme of positions no `offset`. An attention that looks ahead, in spite of the mask,
        has nothing that could be remembered: then say False.

        Raises: ValueError for a model that is not causal, no token to begin with, or negative steps.
        """
        if not self.causal:
            raise ValueError("only a causal model can continue a sequence; this one has causal=False")
        steps = check_whole("steps", steps, 0)
        check_tokens("tokens", tokens, self.vocabulary)
        if tokens.shape[-1] == 0:
            raise ValueError(f"there must be a token to begin with, got {shape(tokens)}")
        options = {"need_weights": False}
        if cached and self._can_remember():
            options["caches"] = [KeyValueCache() for _ in self.blocks]
        new = tokens
        for _ in range(steps):
            logits, _ = self(new, **options)  # (batch, n, vocabulary)
            following = logits[:, -1:].argmax(-1).to(tokens.dtype)  # (batch, 1)
            tokens = torch.cat((tokens, following), dim=-1)  # (batch, n + 1)
            new = following if "caches" in options else tokens
        return tokens

    def _past(self, caches: list[KeyValueCache]) -> int:
        """How many positions the caches remember, once they are known to be one a layer."""
        if len(caches) != len(self.blocks) or len({id(cache) for cache in caches}) != len(caches):
            raise ValueError(
                f"each of the {len(self.blocks)} layers needs a cache of its own, "
                f"got {len({id(cache) for cache in caches})} of them in a list of {len(caches)}"
            )
        lengths = [len(cache) for cache in caches]
        if len(set(lengths)) > 1:
            raise ValueError(f"all caches must remember the same tokens, but they hold {lengths} positions")
        return lengths[0]

    def _can_remember(self) -> bool:
        """Whether every part takes what it needs to go on from what was read before."""
        needed = [(self, "caches")]
        for block in self.blocks:
            needed += [(block, "cache"), (getattr(block, "attention", None), "cache")]
        if self.positions is not None:
            needed += [(self.positions.embed, "offset"), (self.positions.rotate, "offset")]
        return all(takes(part, name)[1] for part, name in needed)


class DecoderBlock(nn.Module):
    """Each word looks at those before it, then at another sentence, then thinks alone; all three add.

    y = y + attention(norm(y)), then y = y + cross_attention(norm(y), memory), then
    y = y + feed_forward(norm(y))

    Args: as in `TransformerBlock`; `positions` are those of the words that look at one another. Between
    the two sentences there is no distance, so the cross-attention is given none.

    Raises: ValueError for sizes below 1, or a `dim` that `num_heads` does not divide.

    Source: Vaswani et al. 2017, section 3.1, "Decoder"; pre-norm as in `TransformerBlock`.
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
        self.cross_attention = attention(dim, num_heads, positions=None)
        self.norm_1 = nn.LayerNorm(dim)
        self.norm_2 = nn.LayerNorm(dim)
        self.norm_3 = nn.LayerNorm(dim)
        self.feed_forward = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))

    def forward(
        self,
        y: Tensor,
        memory: Tensor,
        allowed: Tensor | None = None,
        allowed_memory: Tensor | None = None,
        *,
        need_weights: bool = True,
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """`(batch, n_q, dim)` → the same shape, its own weights, and those on the memory.

        Args:
            memory: what the encoder made of the other sentence, `(batch, n_k, dim)`.
            allowed: who may look at whom among the words themselves, `(n_q, n_q)`.
            allowed_memory: where they may look in the memory, `(batch, 1, n_k)`.

        Returns: `(y, weights, cross)` with `(batch, num_heads, n_q, n_q)` and `(batch, num_heads, n_q, n_k)`.
        """
        attended, weights = self.attention(self.norm_1(y), allowed=allowed, need_weights=need_weights)
        y = y + attended  # (batch, n_q, dim): what was written so far
        attended, cross = self.cross_attention(
            self.norm_2(y), memory, memory, allowed=allowed_memory, need_weights=need_weights
        )
        y = y + attended  # (batch, n_q, dim): what was found in the other sentence
        y = y + self.feed_forward(self.norm_3(y))  # (batch, n_q, dim)
        return y, weights, cross


class EncoderDecoder(nn.Module):
    """Reads one sentence, writes another: a translator, with every weight on the way.

    The encoder's words all see one another. The decoder's see what was written before them, and by
    cross-attention all of what the encoder made. No token has a meaning of its own here: which one begins a
    sentence, ends it, or fills it up is the caller's to say.

    Args:
        source_vocabulary, target_vocabulary: number of tokens of each of the two languages.
        dim, num_heads: features of a word, heads of each attention.
        num_layers: blocks of the encoder; 0 leaves the words as they are, with their positions.
        num_decoder_layers: blocks of the decoder; as many as of the encoder unless given, 1 at least.
        positions: one scheme for both halves; `embed` is called on both sentences' embeddings, `rotate` and
            `bias` where words of one sentence look at one another. None: both are bags of words.
        hidden, attention: as in `TransformerBlock`.

    Raises: ValueError for sizes below 1, a `dim` that `num_heads` does not divide, or `positions` that
    are no scheme.

    Source: Vaswani et al. 2017, section 3 and figure 1.
    """

    def __init__(
        self,
        source_vocabulary: int,
        target_vocabulary: int,
        dim: int = 32,
        num_heads: int = 2,
        *,
        num_layers: int = 1,
        num_decoder_layers: int | None = None,
        positions: PositionalEncoding | None = None,
        hidden: int | None = None,
        attention: Callable[..., nn.Module] = MultiHeadAttention,
    ):
        super().__init__()
        num_layers = check_whole("num_layers", num_layers, 0)
        of_decoder = max(1, num_layers) if num_decoder_layers is None else num_decoder_layers
        of_decoder = check_whole("num_decoder_layers", of_decoder)
        check_hooks(positions, "embed", "rotate", "bias")
        self.source_vocabulary = check_whole("source_vocabulary", source_vocabulary)
        self.target_vocabulary = check_whole("target_vocabulary", target_vocabulary)
        dim = check_whole("dim", dim)
        parts = {"hidden": hidden, "positions": positions, "attention": attention}
        self.positions = positions
        self.source_embedding = nn.Embedding(self.source_vocabulary, dim)
        self.target_embedding = nn.Embedding(self.target_vocabulary, dim)
        self.encoder = nn.ModuleList(TransformerBlock(dim, num_heads, **parts) for _ in range(num_layers))
        self.decoder = nn.ModuleList(DecoderBlock(dim, num_heads, **parts) for _ in range(of_decoder))
        self.memory_norm = nn.LayerNorm(dim)
        self.norm = nn.LayerNorm(dim)
        self.to_logits = nn.Linear(dim, self.target_vocabulary)

    def forward(
        self, source: Tensor, target: Tensor, allowed: Tensor | None = None, *, need_weights: bool = True
    ) -> tuple[Tensor, dict[str, list[Tensor]] | None]:
        """The logits of what comes next at each place of the target, and the weights of each layer.

        Args:
            source: whole numbers `(batch, n_source)`.
            target: what the decoder reads, whole numbers `(batch, n_target)`: the caller has shifted it, so
                that `logits[:, i]` have seen `target[:, :i + 1]` and are for what follows.
            allowed: where the source is no padding, boolean `(batch, 1, n_source)`, as of `padding_mask`.
            need_weights: False is faster, and returns None for the weights.

        Returns:
            `(logits, weights)`: `(batch, n_target, target_vocabulary)`, and by the names "encoder",
            "decoder" and "cross" a list of layers, each `(batch, num_heads, n_q, n_k)`.

        Raises:
            ValueError: for tokens that are not whole numbers below their vocabulary, batches of two sizes,
                and for an `allowed` that does not fit.
        """
        memory, of_encoder = self.encode(source, allowed, need_weights=need_weights)
        logits, of_decoder, cross = self.decode(target, memory, allowed, need_weights=need_weights)
        weights = {"encoder": of_encoder, "decoder": of_decoder, "cross": cross}
        return logits, weights if need_weights else None

    def encode(
        self, source: Tensor, allowed: Tensor | None = None, *, need_weights: bool = True
    ) -> tuple[Tensor, list[Tensor | None]]:
        """The source as the decoder finds it, `(batch, n_source, dim)`, and the weights of each layer."""
        check_tokens("source", source, self.source_vocabulary)
        _check_padding(allowed, source)
        x = self._embedded(self.source_embedding, source)  # (batch, n_source, dim)
        weights = []
        for block in self.encoder:
            x, of_block = block(x, allowed, need_weights=need_weights)
            weights.append(of_block)
        return self.memory_norm(x), weights

    def decode(
        self, target: Tensor, memory: Tensor, allowed: Tensor | None = None, *, need_weights: bool = True
    ) -> tuple[Tensor, list[Tensor | None], list[Tensor | None]]:
        """Logits after each place of the target, weights within it, and weights on the memory of `encode`."""
        check_tokens("target", target, self.target_vocabulary)
        if len(target) != len(memory):
            raise ValueError(f"source has {len(memory)} sentences but target {len(target)}")
        causal = causal_mask(target.shape[-1]).to(target.device)  # (n_target, n_target)
        y = self._embedded(self.target_embedding, target)  # (batch, n_target, dim)
        weights, cross = [], []
        for block in self.decoder:
            y, of_block, on_memory = block(y, memory, causal, allowed, need_weights=need_weights)
            weights.append(of_block)
            cross.append(on_memory)
        return self.to_logits(self.norm(y)), weights, cross

    @torch.no_grad()
    def generate(
        self, source: Tensor, start: int, end: int | None, steps: int, allowed: Tensor | None = None
    ) -> Tensor:
        """Write the likeliest token, and again, until each sentence has ended: `(batch, ≤ steps)`.

        Args:
            source, allowed: as in `forward`.
            start: the token that the decoder reads first; it is not in the answer.
            end: the token that ends a sentence; None: none does. After it there is nothing but `end` in
                its row, while the other sentences of the batch go on.
            steps: the most tokens that are written.

        Raises: ValueError for what `forward` refuses, a `start` or `end` that is no token, negative steps.
        """
        memory, _ = self.encode(source, allowed, need_weights=False)  # read once, looked at again and again

        def logits_of(target: Tensor) -> Tensor:
            return self.decode(target, memory, allowed, need_weights=False)[0]

        return _written(logits_of, source, start, end, steps, self.target_vocabulary)

    def _embedded(self, embedding: nn.Embedding, tokens: Tensor) -> Tensor:
        x = embedding(tokens.long())
        return x if self.positions is None else self.positions.embed(x)


@torch.no_grad()
def greedy_decode(
    model: Callable[..., tuple[Tensor, object]],
    source: Tensor,
    start: int,
    end: int | None,
    steps: int,
    allowed: Tensor | None = None,
) -> Tensor:
    """What any translator writes, `(batch, ≤ steps)`: see `EncoderDecoder.generate`, which is faster.

    Args: model: called as `model(source, target, allowed)`; returns `(logits, weights)`, the logits being
    `(batch, n_target, vocabulary)`.
    """
    return _written(lambda target: model(source, target, allowed)[0], source, start, end, steps)


def _written(
    logits_of: Callable[[Tensor], Tensor],
    source: Tensor,
    start: int,
    end: int | None,
    steps: int,
    vocabulary: int | None = None,
) -> Tensor:
    """The likeliest token after what was written, again and again; rows that have ended are left alone."""
    steps, most = check_whole("steps", steps, 0), None if vocabulary is None else vocabulary - 1
    start = check_whole("start", start, 0, most)
    end = None if end is None else check_whole("end", end, 0, most)
    target = torch.full((len(source), 1), start, dtype=torch.long, device=source.device)
    ended = torch.zeros(len(source), 1, dtype=torch.bool, device=source.device)
    for _ in range(steps):
        if ended.all():
            break
        following = logits_of(target)[:, -1:].argmax(-1)  # (batch, 1)
        if end is not None:
            following = following.masked_fill(ended, end)
            ended = following == end
        target = torch.cat((target, following), dim=-1)
    return target[:, 1:]


def shift_right(y: Tensor, start: int) -> Tensor:
    """What a decoder reads when it is to write `y`, `(batch, n)`: `start`, then all but the last of y.

    So it reads, at each place, what stands before the token that it should write there.

    Raises: ValueError for a y that is not `(batch, n)` of whole numbers.

    Source: Vaswani et al. 2017, section 3.1: "the output embeddings are offset by one position".
    """
    if not isinstance(y, Tensor) or y.ndim != 2 or y.is_floating_point() or y.dtype == torch.bool:
        got = f"{shape(y)} of {y.dtype}" if isinstance(y, Tensor) else type(y).__name__
        raise ValueError(f"y must be whole numbers of shape (batch, n), got {got}")
    return torch.cat((torch.full_like(y[:, :1], start), y[:, :-1]), dim=-1)


def _check_padding(allowed: Tensor | None, source: Tensor) -> None:
    """Both halves use it, with as many queries as they have: so it may name none of them."""
    if allowed is None:
        return
    check_allowed(allowed, 1, source.shape[-1])
    if allowed.ndim > 3 or (allowed.ndim == 3 and len(allowed) not in (1, len(source))):
        wanted = (len(source), 1, source.shape[-1])
        raise ValueError(f"allowed has shape {shape(allowed)}; for this source it should be {wanted}")
