"""A probe that says whether a sentence is answered alone as it is in a batch, filled up with padding."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from attention_core._checks import check_allowed, check_tokens
from attention_core.masks import padding_mask
from attention_core.positional_encoding import SinusoidalEncoding
from attention_core.practice.exercise import Bug, Case
from attention_core.practice.exercises.training_step import fits, only_line
from attention_core.practice.probing import DECIDES, Asked, Probed, Probing, Said, made, told
from attention_core.practice.result import Result
from attention_core.transformer import EncoderDecoder

# --- the models ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Ask:
    """What a model was asked."""

    source: Tensor
    target: Tensor
    allowed: Tensor | None

    @property
    def may(self) -> Tensor:
        """Which places are letters, as far as it was told, (batch, n)."""
        told = torch.ones_like(self.source).bool()[:, None] if self.allowed is None else self.allowed
        return told.expand(len(self.source), 1, -1)[:, 0]


class _Keeps:
    """Keeps what it was asked, and rounds as float32 does only at the end: so two right logits are the same.

    All logits are well above 0, so that two that are rounded otherwise differ by a small share.
    """

    def keep(self) -> None:
        self.asked = Asked()
        self.double()
        with torch.no_grad():
            self.to_logits.bias.fill_(4)

    def forward(
        self, source: Tensor, target: Tensor, allowed: Tensor | None = None, *, need_weights: bool = True
    ):
        for name, tokens in (("source", source), ("target", target)):
            check_tokens(name, tokens, 10)
        if allowed is not None:
            check_allowed(allowed, 1, source.shape[-1], (len(source),))
        self.asked.append(
            _Ask(source.clone(), target.clone(), allowed if allowed is None else allowed.clone())
        )
        logits, weights = self.answered(source, target, allowed)
        return logits.float(), weights


class _Model(_Keeps, EncoderDecoder):
    """A right model, but for where these parts look: `see` makes it of where they may."""

    def __init__(self, see: Callable = lambda allowed: allowed, parts: str = "encoder decoder", **options):
        super().__init__(10, 10, 16, 2, positions=SinusoidalEncoding(16), **options)
        self.see, self.parts = see, parts
        self.keep()

    def answered(self, source: Tensor, target: Tensor, allowed: Tensor | None):
        of_encoder, of_decoder = (
            self.see(allowed) if part in self.parts and allowed is not None else allowed
            for part in ("encoder", "decoder")
        )
        memory, _ = self.encode(source, of_encoder)
        logits, weights, cross = self.decode(target, memory, of_decoder)
        return logits, {"decoder": weights, "cross": cross}


class _FindsItself(_Model):
    """A right model that takes 0 for padding, whatever it is told."""

    def answered(self, source: Tensor, target: Tensor, allowed: Tensor | None):
        return super().answered(source, target, (source != 0)[:, None])


class _ShowsOthers(_Model):
    """A right model that returns other weights than its own: those look at the padding."""

    def answered(self, source: Tensor, target: Tensor, allowed: Tensor | None):
        return super().answered(source, target, allowed)[0], super().answered(source, target, None)[1]


class _Rounds(_Model):
    """A right model that rounds otherwise where a sentence is longer, by the last bit."""

    def answered(self, source: Tensor, target: Tensor, allowed: Tensor | None):
        logits, weights = super().answered(source, target, allowed)
        last = torch.randint(2, (10,), generator=torch.Generator().manual_seed(source.shape[-1]))
        return logits.float() * (1 + last * 2.0**-23), weights


class _Mixes(_Model):
    """A model that hears the padding, by `share` of a place in the target; no weight shows it, and no sum.

    way: of what it hears, `(batch, n, 10)`, what becomes of it.
    """

    def __init__(self, share: Callable[[Tensor], Tensor], way: Callable | None = None):
        super().__init__()
        self.share, self.way = share, way or (lambda off: off - off.mean(-1, keepdim=True))

    def answered(self, source: Tensor, target: Tensor, allowed: Tensor | None):
        logits, weights = super().answered(source, target, allowed)
        heard = super().answered(source, target, None)[0]
        return logits + self.share(torch.arange(target.shape[-1]))[:, None] * self.way(
            heard - logits
        ), weights


class _Together(_Model):
    """A model that answers a sentence with a part of what it answers the others, as a norm over them does."""

    def answered(self, source: Tensor, target: Tensor, allowed: Tensor | None):
        logits, weights = super().answered(source, target, allowed)
        return logits + 0.5 * (logits.mean(0, keepdim=True) - logits), weights


class _FromTheEnd(SinusoidalEncoding):
    """Counts the positions from the last one."""

    def embed(self, x: Tensor, *, offset: int = 0) -> Tensor:
        return super().embed(x.flip(-2), offset=offset).flip(-2)


class _Recurrent(_Keeps, nn.Module):
    """A model without attention; it stops where the padding begins, or reads on."""

    def __init__(self, stops: bool):
        super().__init__()
        self.stops, self.embedding, self.reads = stops, nn.Embedding(10, 16), nn.GRUCell(16, 16)
        self.writes, self.to_logits = nn.GRU(16, 16, batch_first=True), nn.Linear(16, 10)
        self.keep()

    def answered(self, source: Tensor, target: Tensor, allowed: Tensor | None):
        may = torch.ones_like(source).bool()[:, None] if allowed is None else allowed
        may = may.expand(len(source), 1, -1)
        state = torch.zeros(len(source), 16, dtype=torch.float64)
        for letter, is_one in zip(source.T, may[:, 0].T, strict=True):
            read = self.reads(self.embedding(letter), state)
            state = torch.where(is_one[:, None], read, state) if self.stops else read
        output, _ = self.writes(self.embedding(target), state[None])
        even = may / may.sum(-1, keepdim=True)
        return self.to_logits(output), even.expand(-1, target.shape[-1], -1)


def _everywhere(allowed: Tensor) -> Tensor:
    return torch.ones_like(allowed)


def _one_more(allowed: Tensor) -> Tensor:
    return allowed | torch.cat((allowed[..., :1], allowed[..., :-1]), -1)


def _counting_from_the_end() -> _Model:
    model = _Model()
    model.positions = _FromTheEnd(16)
    return model


_RIGHT, _SHOWS_OTHERS, _ROUNDS = (
    "a right model",
    "a right model that returns other weights than its own",
    "a right model that rounds otherwise where the sentences are longer",
)
_NEVER, _MUCH, _LITTLE = (
    "a model that never uses allowed",
    "a model that hears the padding loudly",
    "a model that hears a little of the padding",
)
_LATER, _FIRST = (
    "a model that hears the padding, but for the first place of the target",
    "a model that hears the padding at the first place of the target only",
)
_FEW = "a model that hears the padding in a few of its logits"
_TOGETHER = "a model that answers a sentence with a part of what it answers the others"
_MODELS = {
    _RIGHT: _Model,
    _NEVER: lambda: _Model(_everywhere),
    _ROUNDS: _Rounds,
    "a right model without an encoder": lambda: _Model(num_layers=0, num_decoder_layers=2),
    "a right model without attention": lambda: _Recurrent(stops=True),
    "a right model that takes each 0 for padding": _FindsItself,
    _SHOWS_OTHERS: _ShowsOthers,
    "a model whose encoder looks at the padding": lambda: _Model(_everywhere, "encoder"),
    "a model whose decoder looks at the padding": lambda: _Model(_everywhere, "decoder"),
    "a model whose mask is off by one": lambda: _Model(_one_more),
    "a model without attention that reads on through the padding": lambda: _Recurrent(stops=False),
    "a model that counts the positions from the end": _counting_from_the_end,
    _LATER: lambda: _Mixes(lambda place: (place > 0).float()),
    _FIRST: lambda: _Mixes(lambda place: (place == 0).float()),
    _MUCH: lambda: _Mixes(lambda place: 0 * place + 8.0),
    _LITTLE: lambda: _Mixes(lambda place: 0 * place + 0.02),
    _FEW: lambda: _Mixes(lambda place: 0 * place + 1.0, lambda off: off * (torch.arange(10) > 6)),
    "a model whose logits all rise with the padding": lambda: _Mixes(
        lambda place: 0 * place + 1.0, torch.abs
    ),
    "a model whose logits all fall with the padding": lambda: _Mixes(
        lambda place: 0 * place - 1.0, torch.abs
    ),
    _TOGETHER: _Together,
}

_probed = functools.partial(
    Probed,
    models=_MODELS,
    again=(_RIGHT, _NEVER),
    luck="A length that is drawn may leave nothing to fill up: see to it that there is padding each time.",
)


def probe(model: nn.Module, *, row: int = 0, hides: bool = True, says: Callable = lambda same: same) -> bool:
    """Whether a sentence of a batch is answered as it is alone; by default the one that is filled up."""
    sentences, target = ([3, 1, 4], [2, 7, 1, 8, 6]), torch.tensor([[1, 6, 1, 8], [2, 7, 3, 5]])
    batch = torch.tensor([[*sentences[0], 0, 0], sentences[1]])
    with torch.no_grad():
        together, _ = model(batch, target, padding_mask([3, 5]) if hides else None)
        alone, _ = model(torch.tensor([sentences[row]]), target[row : row + 1])
    return says(torch.allclose(together[row], alone[0], rtol=1e-5, atol=1e-5))


def _saying(**changes) -> Probed:
    return _probed(lambda model: probe(model, **changes))


# --- what is said of a wrong probe --------------------------------------------------------------------------


_SAID = {  # by the name of a mistake: words, and why
    "model-not-asked": (
        "it never calls model(source, target, allowed)",
        "What a model says of itself may be wrong: ask it alone and in a batch, and look at the logits.",
    ),
    "no-padding": ("no sentence is filled up: put a shorter one beside a longer one, with 0 behind it", ""),
    "allowed-not-given": (
        "the model is never told where the padding is: give it allowed with the batch",
        "allowed is boolean, (batch, 1, n); True means that it is a letter.",
    ),
    "allowed-turned-round": ("allowed hides letters and shows padding; True means that it is a letter", ""),
    "padding-not-hidden": ("allowed shows padding as if it were letters: it should be False there", ""),
    "letters-hidden": ("allowed hides letters; a sentence is filled up with 0, and only that is hidden", ""),
    "long-only": (
        "alone it asks about the longer sentence, which is not filled up; take the shorter one",
        "",
    ),
    "padding-in-front": (
        "the padding stands in front of the letters, which moves them; it comes after them",
        "",
    ),
    "never-alone": ("it never asks about the sentence that is filled up without its padding", ""),
    "other-target": ("alone and in the batch the target differs, so that every answer may", ""),
    "goes-by-weights": (
        "its verdict follows the weights that a model returns; compare the logits",
        "What leaks elsewhere no weight shows.",
    ),
    "exact": (
        "it asks for the same numbers to the last bit, which a right model need not give",
        "A sum over more places is rounded otherwise: torch.allclose(a, b, atol=1e-5) allows for it.",
    ),
    "small-leak": (
        "it finds a large difference, but misses a small one: any difference of the logits counts",
        "The likeliest letter may stay the same while its logit moves.",
    ),
    "target-too-short": ("its target has one place only: a leak may show at a later one", ""),
    "not-every-logit": ("it compares some of the logits only; a leak may show in any of them", ""),
    "not-every-place": ("it compares some places of the target only; a leak may show at any of them", ""),
    "nothing-beside": (
        "its batch holds one sentence only: put a longer one beside the one that is filled up",
        "A model may mix the sentences of a batch, as a norm over them does.",
    ),
}
_LINES = {  # patterns of the line in which a mistake is made, if it is one alone
    "exact": r"equal|==|!=",
    "allowed-turned-round": r"==|~",
    "padding-not-hidden": r"allowed *=|mask|True",
    "letters-hidden": r"allowed *=|mask",
    "not-every-logit": r"\[.*:.*\d.*\]",
    "not-every-place": r"\[.*(-1|0).*\]",
    "small-leak": r"argmax|max\(|atol|tol|[<>]|round",
    "negated": DECIDES,
}


@dataclass(frozen=True)
class _Row:
    """A sentence that was asked about: its letters, its places of padding, and what stood beside it."""

    letters: tuple[int, ...]
    padding: int
    target: tuple[int, ...]
    beside: tuple[tuple[int, ...], ...]


def _rows(ask: _Ask) -> list[_Row]:
    letters = [tuple(x[seen].tolist()) for x, seen in zip(ask.source, ask.may, strict=True)]
    rest = zip(letters, ask.may, ask.target.tolist(), strict=True)
    return [
        _Row(own, int((~seen).sum()), tuple(target), tuple(x for x in letters if x != own))
        for own, seen, target in rest
    ]


def _by_asks(asked: list[_Ask]) -> str | None:
    """The mistake that the batches show which a model was asked about, whatever was compared then."""
    zeros = [ask for ask in asked if (ask.source == 0).any()]
    shown = any((ask.may & (ask.source == 0)).any() for ask in asked if ask.allowed is not None)
    hidden = any((~ask.may & (ask.source != 0)).any() for ask in asked)
    rows = [row for ask in asked for row in _rows(ask)]
    filled, whole = [row for row in rows if row.padding], [row for row in rows if not row.padding]
    pairs = [(one, other) for one in filled for other in whole if one.letters == other.letters]
    beside = {letters for row in filled for letters in row.beside}
    rules = {
        "model-not-asked": not asked,
        "no-padding": not zeros and not hidden,
        "allowed-not-given": zeros and all(ask.allowed is None for ask in zeros),
        "allowed-turned-round": shown and hidden,
        "padding-not-hidden": shown,
        "letters-hidden": hidden,
        "padding-in-front": any((~ask.may[:, :-1] & ask.may[:, 1:]).any() for ask in asked),
        "long-only": not pairs and any(not row.beside and row.letters in beside for row in whole),
        "never-alone": not pairs,
        "other-target": not any(_begin_alike(one.target, other.target) for one, other in pairs),
    }
    return next((name for name, holds in rules.items() if holds), None)


def _begin_alike(one: tuple, other: tuple) -> bool:
    return all(x == y for x, y in zip(one, other, strict=False))


def _by_verdicts(said: dict[str, bool], asked: list[_Ask]) -> str | None:
    """The mistake that those models show which a probe was wrong about."""
    finds = said.get(_MUCH) is False
    alone = not any(row.beside for ask in asked for row in _rows(ask) if row.padding)
    rules = {
        "exact": said.get(_RIGHT) and said.get(_ROUNDS) is False,
        "small-leak": finds and said.get(_LITTLE),
        "target-too-short": said.get(_LATER) and all(ask.target.shape[-1] < 2 for ask in asked),
        "not-every-place": finds and said.get(_LATER) != said.get(_FIRST),
        "not-every-logit": finds and said.get(_FEW),
        "nothing-beside": finds and said.get(_TOGETHER) and alone,
    }
    return next((name for name, holds in rules.items() if holds), None)


def _say(result: Result, asked: list[_Ask], verdicts: dict[str, bool], answer) -> Result:
    """What a wrong probe asked its models, and which of them it was wrong about."""
    by_weights = verdicts.get(_RIGHT) != verdicts.get(_SHOWS_OTHERS)  # the logits of the two are the same
    bug = "negated" if result.bug == "negated" else "goes-by-weights" if by_weights else _by_asks(asked)
    bug = bug or _by_verdicts(verdicts, asked) or result.bug
    result = told(result, Said(bug, *_SAID[bug])) if bug in _SAID and bug != result.bug else result
    return replace(result, where=only_line(answer, _LINES[bug]) if bug in _LINES else None)


_HINT = "source and target are (batch, n); allowed is boolean, (batch, 1, n): True for a letter, False for 0."

alone_as_in_a_batch = Probing(
    "a probe for padding",
    ("verdict",),
    _probed(probe),
    lambda: [
        Case(name, (name,), hint=_HINT, repeat=lambda name=name: (made(_MODELS[name]),)) for name in _MODELS
    ],
    (
        Bug(
            "negated",
            "True and False are the wrong way round: True means that alone the logits are the same",
            "",
            (),
            (_saying(says=lambda same: not same),),
        ),
        Bug(
            "always-false",
            "it says False of every model, even of a right one",
            "Print what it compares for that model: up to rounding it should be the same there.",
            (),
            (_probed(lambda model: False),),
        ),
        Bug(
            "always-true",
            "it says True of every model, even of one that never uses allowed",
            "Print what it compares for that model: there the logits do differ.",
            (),
            (_probed(lambda model: True),),
        ),
        Bug(
            "long-only",
            "it compares the longer sentence, which has no padding; compare the one that is filled up",
            "",
            (),
            (_saying(row=1),),
        ),
    ),
    "Checked: right models, five in which the padding is heard, and leaks that are small, or in few places.",
    prepare=lambda answer: [(_probed(fits(answer, "model")), ())],
    models=_MODELS,
    refused=r"^(source|target|allowed) (must|has)",
    refused_words="the model cannot be asked so: {said}",
    say=_say,
)
