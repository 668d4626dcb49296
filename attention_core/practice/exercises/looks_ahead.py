"""A probe that says whether a whole model looks ahead."""

import contextlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from attention_core._calling import Failed, call
from attention_core._saying import a
from attention_core.masks import causal_mask
from attention_core.positional_encoding import PositionalEncoding
from attention_core.practice.exercise import Bug, Case, Exercise, Stop, Trial
from attention_core.practice.exercises.training_step import fits, only_line
from attention_core.practice.result import Result
from attention_core.practice.source import line_to_look_at
from attention_core.transformer import TinyTransformer

_AGAIN = 30  # times that a probe which draws at random is asked about some of the models

# --- the models ---------------------------------------------------------------------------------------------


class _Asked(list):
    """The tokens that a model was asked about. A copy of the model keeps the same list."""

    def __deepcopy__(self, memo: dict) -> "_Asked":
        return self


class _Model(TinyTransformer):
    """A model that keeps what it was asked about."""

    def __init__(self, **options):
        super().__init__(10, **options)
        self.asked = _Asked()

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
_ASKED_AGAIN = (_OPEN, _NEXT, "another causal model")
_RIGHT = {name for name in _MODELS if "causal model" in name}


def _made(name: str) -> TinyTransformer:
    torch.manual_seed(0)
    return _MODELS[name]().eval()


# --- asking a probe -----------------------------------------------------------------------------------------


class _Probed:
    """What a probe says of one of the models: `(name) -> verdict`. asked: by name, what it asked about."""

    def __init__(self, answer: Callable):
        self.answer = answer
        self.asked: dict[str, list[Tensor]] = {}

    def __call__(self, name: str) -> Tensor:
        said, drew = self._said(name, _seeds(name)[0])
        if said is None or said is ...:
            return said
        is_one = isinstance(said, bool | np.bool_) or (isinstance(said, Tensor) and said.numel() == 1)
        if not is_one:
            thing = f"a tensor of shape {tuple(said.shape)}" if isinstance(said, Tensor) else a(said)
            raise Stop("wrong", "the probe should return True or False; it returned {thing}", thing=thing)
        if drew and name in _ASKED_AGAIN:
            self._asked_again(name, bool(said))
        return torch.tensor([bool(said)])

    def _said(self, name: str, seed: int) -> tuple[object, bool]:
        """What it says, and whether it drew at random. Raises: Stop, if the model is another afterwards."""
        model = _made(name)
        before = _state(model)
        with _dice(seed) as fell:
            said = self.answer(model)
            drew = fell()
        self.asked.setdefault(name, list(model.asked))
        if (changed := _changed(before, _state(model))) is not None:
            headline = "it leaves the model changed: {how}. A probe only looks"
            raise Stop("wrong", headline, bug="model-changed", how=changed)
        return said, drew

    def _asked_again(self, name: str, said: bool) -> None:
        again = [bool(self._said(name, seed)[0]) for seed in _seeds(name)[1:]]
        yes = sum(again) + said
        if 0 < yes < _AGAIN:
            headline = "it draws at random, and of {name} it says True {yes} times in {n}, else False"
            why = "A changed token that is drawn may be the old one: see to it that it is another."
            said = {"name": name, "yes": yes, "n": _AGAIN}
            raise Stop("wrong", headline, bug="by-luck", details=(why,), **said)


def _seeds(name: str) -> range:
    """For each model others, so that luck with one is none with the next."""
    first = _AGAIN * list(_MODELS).index(name)
    return range(first, first + _AGAIN)


@contextlib.contextmanager
def _dice(seed: int) -> Iterator[Callable[[], bool]]:
    """torch's, Python's and numpy's fall from this seed on; yields a function: has any fallen yet?"""

    def all_of() -> tuple:
        return bytes(torch.get_rng_state().numpy()), random.getstate(), np.random.get_state()[1:3]

    def fell() -> bool:
        return any(repr(x) != repr(y) for x, y in zip(all_of(), first, strict=True))

    python, numpys = random.getstate(), np.random.get_state()
    try:
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed)
        first = all_of()
        yield fell
    finally:
        random.setstate(python)
        np.random.set_state(numpys)


def _state(model: nn.Module) -> tuple:
    numbers = {name: (x.dtype, x.detach().clone()) for name, x in model.state_dict().items()}
    frozen = {name: not x.requires_grad for name, x in model.named_parameters()}
    return numbers, frozen, [part.training for part in model.modules()]


def _changed(before: tuple, after: tuple) -> str | None:
    """What of a model is another now, in words."""
    (numbers, frozen, training), (numbers_now, frozen_now, training_now) = before, after
    if numbers.keys() != numbers_now.keys() or len(training) != len(training_now):
        return "its parts"
    for name, (dtype, x) in numbers.items():
        now, y = numbers_now[name]
        if dtype != now:
            return f"its numbers are {str(now).removeprefix('torch.')} now"
        if not torch.equal(x, y):
            return f"other numbers in {name}"
    if frozen != frozen_now:
        return "parameters are frozen"
    return "it is in training mode" if training != training_now else None


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


def _saying(**changes) -> _Probed:
    return _Probed(lambda model: probe(model, **changes))


# --- what is said of a wrong probe --------------------------------------------------------------------------

_NOT_TOKENS = "the model cannot be asked about these tokens: {said}"
_ONE_TEXT = "it asks about one text only: change a later token, and see whether an earlier answer does"
_ALONE = "the model returns a pair, (logits, weights), which is used as if it were the logits: unpack it"


@dataclass(frozen=True)
class _Said:
    """What is said of a mistake, as of a `Bug`."""

    bug: str
    words: str
    why: str = ""


def _by_texts(asked: list[Tensor]) -> _Said | None:
    """What the texts show that a probe asked about one model, whatever it compared then."""
    if not asked:
        why = "What a model says of itself may be wrong: change a token, and look at the answers."
        return _Said(
            "model-not-asked", "it never calls model(tokens), so it cannot see what the model does", why
        )
    texts = [tuple(row.tolist()) for tokens in asked if tokens.ndim == 2 for row in tokens]
    if texts and all(len(text) < 2 for text in texts):
        return _Said(
            "nothing-before", "it asks about texts of one token: before that there is no answer to look at"
        )
    if len(set(texts)) == 1:
        words = "it asks about the same tokens each time: change a later one, and ask again"
        return _Said("same-text", words if len(texts) > 1 else _ONE_TEXT)
    alike = [min(len(one), len(two)) for one, two in _pairs(texts) if one[:1] == two[:1]]
    if texts and not alike:
        words = "the first token differs between its texts, so that every answer may: change a later one"
        return _Said("first-token-changed", words)
    return None


def _pairs(texts: list[tuple]) -> Iterator[tuple[tuple, tuple]]:
    """Each two different texts."""
    different = sorted(set(texts))
    return ((one, two) for i, one in enumerate(different) for two in different[:i])


def _by_weights(said: dict[str, bool]) -> _Said | None:
    """Two models with the same logits, but with other weights: only these can tell them apart."""
    if _CAUSAL in said and _SHOWS_OTHERS in said and said[_CAUSAL] != said[_SHOWS_OTHERS]:
        words = "its verdict follows the weights that a model returns; compare the logits"
        return _Said(
            "goes-by-weights", words, "A leak may be elsewhere, and the weights then show nothing of it."
        )
    return None


def _by_size(said: dict[str, bool]) -> _Said | None:
    """Two models that leak in one way, more and less."""
    if said.get(_NEXT) and said.get(_LITTLE) is False and not any(said.get(name) for name in _RIGHT):
        words = "it finds a large leak, but misses a small one: any difference of the logits counts"
        return _Said("small-leak", words, "The likeliest digit may stay the same while its logit moves.")
    return None


def _by_error(trial: Trial, answer) -> Stop | None:
    """What is said of a probe that stopped, if one thing explains it."""
    failed = trial.failed
    ours = "tokens must " in str(failed.error)
    if ours and isinstance(failed.error, ValueError):
        words = _NOT_TOKENS.format(said=failed.data["message"])
        return Stop("wrong", "{words}", bug="not-tokens", where=failed.where, words=words)
    if not isinstance(failed.error, TypeError | AttributeError | RuntimeError):
        return None
    alone = _made(trial.case.inputs[0])
    alone.register_forward_hook(lambda _module, _given, made: made[0])
    if _runs(answer, _made(trial.case.inputs[0])) or not _runs(answer, alone):
        return None
    said = (f"It stopped with {failed.data['kind']}: {failed.data['message']}",)
    where = line_to_look_at(answer, r"model\(")
    return Stop("wrong", "{words}", bug="not-unpacked", details=said, where=where, words=_ALONE)


def _runs(answer, model: nn.Module) -> bool:
    try:
        call(answer, model)
    except Failed:
        return False
    return True


_DECIDED = ("true-of-all", "too-far", "negated")  # mistakes of the line that decides, if it is one alone
_DECIDES = r"\[.*:.*\]|equal|allclose|isclose|abs\(|[!=]=|>|\.any\(|\.all\(|\bany\(|\ball\(|\bnot\b"


class _Probing(Exercise):
    """A check that also looks at what a probe asked its models, and at which of them it was wrong about."""

    def _found(self, trials: list[Trial], answer) -> Result:
        try:
            result = super()._found(trials, answer)
        except Stop as stop:
            failed = next((t for t in trials if t.failed is not None and t.failed.what == "raised"), None)
            explained = _by_error(failed, answer) if stop.status == "error" and failed is not None else None
            raise explained or stop from None
        compared = [t for t in trials if t.failed is None and t.form is None]
        wrong = next((t for t in compared if not t.right), None)
        if result or wrong is None or result.bug == "no-return":
            return result
        verdicts = {t.case.inputs[0]: bool(t.got) for t in compared}
        said = _by_texts(wrong.subject[0].asked.get(wrong.case.inputs[0], []))
        if result.bug is None:
            said = _by_weights(verdicts) or said or _by_size(verdicts)
        result = replace(result, where=only_line(answer, _DECIDES) if result.bug in _DECIDED else None)
        if said is None or result.bug == "negated":
            return result
        details = (said.why,) if said.why else ()
        bug = result.bug or said.bug
        return replace(result, headline=said.words, bug=bug, details=details, evidence=(), where=None)


looks_ahead = _Probing(
    "a probe for looking ahead",
    ("verdict",),
    _Probed(probe),
    lambda: [Case(name, (name,), repeat=lambda name=name: (_made(name),)) for name in _MODELS],
    (
        Bug(
            "true-of-all",
            "it finds something in every model, even in a right one",
            "The changed place itself, and all after it, may move: compare only what comes before.",
            (r"return",),
            (_saying(until=None), _saying(change=0, from_=1, until=None), _Probed(lambda model: True)),
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
            (_Probed(lambda model: False),),
        ),
    ),
    "Checked: right models, one without a mask, a mask off by one, and leaks that no attention map shows.",
    prepare=lambda answer: [(_Probed(fits(answer, "model")), ())],
)
