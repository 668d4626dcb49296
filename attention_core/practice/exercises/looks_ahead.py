"""A probe that says whether a whole model looks ahead."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from attention_core._saying import a
from attention_core.masks import causal_mask
from attention_core.practice.exercise import Bug, Case, Exercise, Stop
from attention_core.transformer import TinyTransformer


class _SeesNext(TinyTransformer):
    """A causal model whose mask is off by one: each position sees the next one, too."""

    def forward(self, tokens: Tensor, allowed: Tensor | None = None, *, need_weights: bool = True):
        n = tokens.shape[-1]
        allowed = causal_mask(n) | torch.ones(n, n, dtype=torch.bool).tril(1)
        self.causal = False
        try:
            return super().forward(tokens, allowed, need_weights=need_weights)
        finally:
            self.causal = True


_MODELS = {
    "a causal model": lambda: TinyTransformer(10, causal=True, num_layers=2),
    "a model without a mask": lambda: TinyTransformer(10, num_layers=2),
    "a model whose mask is off by one": lambda: _SeesNext(10, causal=True),
    "another causal model": lambda: TinyTransformer(10, dim=16, causal=True),
}


def _probed(answer: Callable) -> Callable:
    """What a probe says of one of the models."""

    def run(name: str) -> Tensor:
        torch.manual_seed(0)
        said = answer(_MODELS[name]().eval())
        if said is None or said is ...:
            return said
        if not isinstance(said, bool | Tensor) or (isinstance(said, Tensor) and said.numel() != 1):
            thing = f"a tensor of shape {tuple(said.shape)}" if isinstance(said, Tensor) else a(said)
            raise Stop("wrong", "the probe should return True or False; it returned {thing}", thing=thing)
        return torch.tensor([bool(said)])

    return run


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


def _saying(**changes) -> Callable:
    return _probed(lambda model: probe(model, **changes))


looks_ahead = Exercise(
    "a probe for looking ahead",
    ("verdict",),
    _probed(probe),
    lambda: [Case(name, (name,)) for name in _MODELS],
    (
        Bug(
            "true-of-all",
            "it finds something in every model, even in a right one",
            "The changed place itself, and all after it, may move: compare only what comes before.",
            (r"model\(", r"\[.*\]", r"return"),
            (_saying(until=None), _saying(change=0, from_=1, until=None), _probed(lambda model: True)),
        ),
        Bug(
            "too-far",
            "it looks too far before the change, and misses a mask that is off by one",
            "Look at every position before the changed one, the nearest too.",
            (r"\[.*:.*\]", r"return"),
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
            "it never finds anything: is the changed sequence the one that the model is given?",
            "",
            (r"clone|changed", r"return"),
            (_probed(lambda model: False),),
        ),
    ),
    "Checked: two right models, one without a mask, and one whose mask is off by one.",
    prepare=lambda answer: [(_probed(answer), ())],
)
