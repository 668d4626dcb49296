"""A probe that says whether a whole model looks ahead."""

import functools
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from attention_core.masks import causal_mask
from attention_core.positional_encoding import PositionalEncoding
from attention_core.practice.exercise import Bug, Case
from attention_core.practice.exercises.training_step import fits, only_line
from attention_core.practice.probing import DECIDES, Asked, Probed, Probing, Said, made, told
from attention_core.practice.result import Result
from attention_core.transformer import TinyTransformer

# --- the models ---------------------------------------------------------------------------------------------


class _Model(TinyTransformer):
    """A model that keeps what it was asked about."""

    def __init__(self, **options):
        super().__init__(10, **options)
        self.asked = Asked()

    def forward(self, tokens: Tensor, allowed: Tensor | None = None, *, need_weights: bool = True):
        if isinstance(tokens, Tensor):
            self.asked.append(tokens.detach().clone())
        return super().forward(tokens, allowed, need_weights=need_weights)


class _SeesNext(_Model):
    """A causal model whose mask is off by one: each position sees the next one, too."""

    def forward(self, tokens: Tensor, allowed: Tensor | None = None, *, need_weights: bool = True):
        n = tokens.shape[-1]
        allowed = causal_mask(n) | torch.ones(n, n, dtype=torch.bool).tril(1)
        self.causal = False
        try:
            return super().forward(tokens, allowed, need_weights=need_weights)
        finally:
            self.causal = True


class _Sees(_Model):
    """A causal model but for its mask, which `mask` makes of the number of words."""

    def __init__(self, mask: Callable[[int], Tensor], **options):
        super().__init__(**options)
        self.mask = mask

    def forward(self, tokens: Tensor, allowed: Tensor | None = None, *, need_weights: bool = True):
        return super().forward(tokens, self.mask(tokens.shape[-1]), need_weights=need_weights)


class _Moves(_Model):
    """A causal model whose logits all move one way with a token, a later one too; 0 times: they sum to 0."""

    def __init__(self, times: float, **options):
        super().__init__(**options)
        self.times = times

    def forward(self, tokens: Tensor, allowed: Tensor | None = None, *, need_weights: bool = True):
        logits, weights = super().forward(tokens, allowed, need_weights=need_weights)
        if not self.times:
            return logits - logits.mean(-1, keepdim=True), weights
        return logits + self.times * self.embedding(tokens).square().mean((-2, -1))[..., None, None], weights


def _two_on(n: int) -> Tensor:
    return causal_mask(n) | torch.ones(n, n, dtype=torch.bool).triu(2).tril(2)


def _all_but_the_first(n: int) -> Tensor:
    return causal_mask(n) | (torch.arange(n) > 0)[:, None]


class _MasksItself(_Model):
    """A causal model that does not say so."""

    def forward(self, tokens: Tensor, allowed: Tensor | None = None, *, need_weights: bool = True):
        return super().forward(tokens, causal_mask(tokens.shape[-1]), need_weights=need_weights)


class _ShowsOthers(_Model):
    """A causal model that returns other weights than its own: those follow all tokens."""

    def forward(self, tokens: Tensor, allowed: Tensor | None = None, *, need_weights: bool = True):
        logits, weights = super().forward(tokens, allowed, need_weights=need_weights)
        shown = (tokens / 10).softmax(-1)[:, None, None, :].to(logits)  # (batch, 1, 1, n)
        return logits, weights and [shown.expand_as(own) for own in weights]


class _AddsMean(PositionalEncoding):
    """Leaks where the words are made: each gets the mean of all."""

    def embed(self, x: Tensor, *, offset: int = 0) -> Tensor:
        return x + x.mean(-2, keepdim=True)


class _AddsNext(nn.Module):
    """Leaks behind the attention: what a part makes of a word, and some of the next word."""

    def __init__(self, part: nn.Module, times: float):
        super().__init__()
        self.part, self.times = part, times

    def forward(self, x: Tensor) -> Tensor:
        following = torch.cat((x[..., 1:, :], torch.zeros_like(x[..., :1, :])), dim=-2)
        return self.part(x) + self.times * following


class _NormOverAll(nn.Module):
    """Leaks in a norm: one size for the features of all words together."""

    def forward(self, x: Tensor) -> Tensor:
        return layer_norm(x, x.shape[-2:])


def _behind_attention(times: float) -> TinyTransformer:
    model = _Model(causal=True)
    model.blocks[-1].feed_forward = _AddsNext(model.blocks[-1].feed_forward, times)
    return model


def _in_the_norm() -> TinyTransformer:
    model = _Model(causal=True)
    model.norm = _NormOverAll()
    return model


_CAUSAL, _SHOWS_OTHERS = "a causal model", "a causal model that returns other weights than its own"
_OPEN, _OFF_BY_ONE = "a model without a mask", "a model whose mask is off by one"
_NEXT, _LITTLE = (
    "a model that adds the next word behind the attention",
    "the same with little of the next word",
)
_MODELS = {
    _CAUSAL: lambda: _Model(causal=True, num_layers=2),
    _OPEN: lambda: _Model(num_layers=2),
    _OFF_BY_ONE: lambda: _SeesNext(causal=True),
    "another causal model": lambda: _Model(dim=16, causal=True),
    "a causal model without its attribute causal": lambda: _MasksItself(num_layers=2),
    _SHOWS_OTHERS: lambda: _ShowsOthers(causal=True, num_layers=2),
    "a model that adds the mean of all words to each": lambda: _Model(causal=True, positions=_AddsMean()),
    _NEXT: lambda: _behind_attention(3.0),
    "a model with a norm over all words together": _in_the_norm,
    _LITTLE: lambda: _behind_attention(0.02),
    "a model in which each word sees the one two places on": lambda: _Sees(_two_on),
    "a model in which all words but the first see everything": lambda: _Sees(_all_but_the_first),
    "a model whose logits all rise with the size of later words": lambda: _Moves(0.5, causal=True),
    "a model whose logits all fall with the size of later words": lambda: _Moves(-0.5, causal=True),
    "a model without a mask whose logits sum to 0": lambda: _Moves(0),
}
_RIGHT = {name for name in _MODELS if "causal model" in name}


_probed = functools.partial(
    Probed,
    models=_MODELS,
    again=(_OPEN, _NEXT, "another causal model"),
    luck="A changed token that is drawn may be the old one: see to it that it is another.",
)


# --- asking a probe -----------------------------------------------------------------------------------------


def probe(
    model: nn.Module, *, change: int = -1, until: int | None = -1, from_: int = 0, negate: bool = False
) -> bool:
    """Whether answers move when a token is changed; by default the last token, and answers before it."""
    tokens = torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6]])
    changed = tokens.clone()
    changed[0, change] = 0
    with torch.no_grad():  # no rounding is in between: what sees no change is computed from the same numbers
        moved = (model(tokens)[0] - model(changed)[0]).abs()[0, from_:until].max() > 1e-5
    return bool(moved) != negate


def _saying(**changes) -> Probed:
    return _probed(lambda model: probe(model, **changes))


# --- what is said of a wrong probe --------------------------------------------------------------------------

_ONE_TEXT = "it asks about one text only: change a later token, and see whether an earlier answer does"


def _by_texts(asked: list[Tensor]) -> Said | None:
    """What the texts show that a probe asked about one model, whatever it compared then."""
    if not asked:
        why = "What a model says of itself may be wrong: change a token, and look at the answers."
        return Said(
            "model-not-asked", "it never calls model(tokens), so it cannot see what the model does", why
        )
    texts = [tuple(row.tolist()) for tokens in asked if tokens.ndim == 2 for row in tokens]
    if texts and all(len(text) < 2 for text in texts):
        return Said(
            "nothing-before", "it asks about texts of one token: before that there is no answer to look at"
        )
    if len(set(texts)) == 1:
        words = "it asks about the same tokens each time: change a later one, and ask again"
        return Said("same-text", words if len(texts) > 1 else _ONE_TEXT)
    alike = [min(len(one), len(two)) for one, two in _pairs(texts) if one[:1] == two[:1]]
    if texts and not alike:
        words = "the first token differs between its texts, so that every answer may: change a later one"
        return Said("first-token-changed", words)
    return None


def _pairs(texts: list[tuple]) -> Iterator[tuple[tuple, tuple]]:
    """Each two different texts."""
    different = sorted(set(texts))
    return ((one, two) for i, one in enumerate(different) for two in different[:i])


def _by_weights(said: dict[str, bool]) -> Said | None:
    """Two models with the same logits, but with other weights: only these can tell them apart."""
    if _CAUSAL in said and _SHOWS_OTHERS in said and said[_CAUSAL] != said[_SHOWS_OTHERS]:
        words = "its verdict follows the weights that a model returns; compare the logits"
        return Said(
            "goes-by-weights", words, "A leak may be elsewhere, and the weights then show nothing of it."
        )
    return None


def _by_size(said: dict[str, bool]) -> Said | None:
    """Two models that leak in one way, more and less."""
    if said.get(_NEXT) and said.get(_LITTLE) is False and not any(said.get(name) for name in _RIGHT):
        words = "it finds a large leak, but misses a small one: any difference of the logits counts"
        return Said("small-leak", words, "The likeliest digit may stay the same while its logit moves.")
    return None


_DECIDED = ("true-of-all", "too-far", "negated")  # mistakes of the line that decides, if it is one alone


def _say(result: Result, asked: list[Tensor], verdicts: dict[str, bool], answer) -> Result:
    """What a wrong probe asked its models, and which of them it was wrong about."""
    said = _by_texts(asked)
    if result.bug is None:
        said = _by_weights(verdicts) or said or _by_size(verdicts)
    result = replace(result, where=only_line(answer, DECIDES) if result.bug in _DECIDED else None)
    return result if said is None or result.bug == "negated" else told(result, said, result.bug)


looks_ahead = Probing(
    "a probe for looking ahead",
    ("verdict",),
    _probed(probe),
    lambda: [Case(name, (name,), repeat=lambda name=name: (made(_MODELS[name]),)) for name in _MODELS],
    (
        Bug(
            "true-of-all",
            "it finds something in every model, even in a right one",
            "The changed place itself, and all after it, may move: compare only what comes before.",
            (r"return",),
            (_saying(until=None), _saying(change=0, from_=1, until=None), _probed(lambda model: True)),
        ),
        Bug(
            "too-far",
            "it misses each leak that reaches no further than from one place to the one before it",
            "Look at every position before the changed one, the nearest too: one that moves is enough.",
            (r"return",),
            (_saying(until=-2), _saying(until=1)),
        ),
        Bug(
            "negated",
            "True and False are the wrong way round: True means that it looks ahead",
            "",
            (r"return",),
            (_saying(negate=True),),
        ),
        Bug(
            "always-false",
            "it says False of every model, even of one without a mask",
            "Print what it compares for that model: there the answers do differ.",
            (r"return",),
            (_probed(lambda model: False),),
        ),
    ),
    "Checked: right models, one without a mask, a mask off by one, and leaks that no attention map shows.",
    prepare=lambda answer: [(_probed(fits(answer, "model")), ())],
    models=_MODELS,
    refused=r"^tokens must ",
    refused_words="the model cannot be asked about these tokens: {said}",
    say=_say,
)
