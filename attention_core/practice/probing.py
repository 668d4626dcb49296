"""A probe that the learner writes is itself probed, by models of which it is known what it should say."""

import contextlib
import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from attention_core._calling import Failed, call
from attention_core._saying import a
from attention_core.practice.exercise import Exercise, Stop, Trial
from attention_core.practice.result import Result
from attention_core.practice.source import line_to_look_at

DECIDES = r"\[.*:.*\]|equal|allclose|isclose|abs\(|[!=]=|>|\.any\(|\.all\(|\bany\(|\ball\(|\bnot\b"
_AGAIN = 30  # times that a probe which draws at random is asked about some of the models
_ALONE = "the model returns a pair, (logits, weights), which is used as if it were the logits: unpack it"


class Asked(list):
    """What a model was asked about. A copy of the model keeps the same list."""

    def __deepcopy__(self, memo: dict) -> "Asked":
        return self


@dataclass(frozen=True)
class Said:
    """What is said of a mistake, as of a `Bug`."""

    bug: str
    words: str
    why: str = ""


def told(result: Result, said: Said, bug: str | None = None) -> Result:
    """The result, that says this instead; under another name of the mistake, if one is given."""
    details = (said.why,) if said.why else ()
    return replace(result, headline=said.words, bug=bug or said.bug, details=details, evidence=(), where=None)


def made(maker: Callable[[], nn.Module]) -> nn.Module:
    """A model, each time with the same numbers."""
    _seed(0)
    return maker().eval()


class Probed:
    """What a probe says of one of the models: `(name) -> verdict`.

    models: what makes them, by name; each keeps what it is asked in `asked`, an `Asked`. again: those about
    which a probe that draws at random is asked several times; luck: how it may be wrong by that.
    asked: by name, what it asked.
    """

    def __init__(
        self, answer: Callable, models: Mapping[str, Callable], again: tuple[str, ...] = (), luck: str = ""
    ):
        self.answer, self.models, self.again, self.luck = answer, models, again, luck
        self.asked: dict[str, list] = {}

    def __call__(self, name: str) -> Tensor:
        said, drew = self._said(name, self._seeds(name)[0])
        if said is None or said is ...:
            return said
        is_one = isinstance(said, bool | np.bool_) or (isinstance(said, Tensor) and said.numel() == 1)
        if not is_one:
            thing = f"a tensor of shape {tuple(said.shape)}" if isinstance(said, Tensor) else a(said)
            raise Stop("wrong", "the probe should return True or False; it returned {thing}", thing=thing)
        if drew and name in self.again:
            self._asked_again(name, bool(said))
        return torch.tensor([bool(said)])

    def _said(self, name: str, seed: int) -> tuple[object, bool]:
        """What it says, and whether it drew at random. Raises: Stop, if the model is another afterwards."""
        model = made(self.models[name])
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
        again = [bool(self._said(name, seed)[0]) for seed in self._seeds(name)[1:]]
        yes = sum(again) + said
        if 0 < yes < _AGAIN:
            headline = "it draws at random, and of {name} it says True {yes} times in {n}, else False"
            said = {"name": name, "yes": yes, "n": _AGAIN}
            raise Stop("wrong", headline, bug="by-luck", details=(self.luck,), **said)

    def _seeds(self, name: str) -> range:
        """For each model others, so that luck with one is none with the next."""
        first = _AGAIN * list(self.models).index(name)
        return range(first, first + _AGAIN)


def _seed(seed: int) -> None:
    """As `torch.manual_seed`, which notes its whole stack for GPUs: a third of a millisecond each time."""
    torch.default_generator.manual_seed(seed)


@contextlib.contextmanager
def _dice(seed: int) -> Iterator[Callable[[], bool]]:
    """torch's, Python's and numpy's fall from this seed on; yields a function: has any fallen yet?"""

    def all_of() -> tuple:
        _, numbers, place, *_ = np.random.get_state()
        return torch.get_rng_state().numpy().tobytes(), random.getstate(), numbers.tobytes(), place

    def fell() -> bool:
        return all_of() != first

    python, numpys = random.getstate(), np.random.get_state()
    try:
        _seed(seed)
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


@dataclass(repr=False)
class Probing(Exercise):
    """A check that also looks at what a probe asked its models, and at which of them it was wrong about.

    models: as of `Probed`. refused: how a model says that it cannot be asked so; refused_words: what is then
    said, with a slot for that. say: of a wrong result, what the first model it was wrong about was asked, the
    verdict on each model, and the answer, to a result that says more.
    """

    models: Mapping[str, Callable] = ...
    refused: str = ""
    refused_words: str = ""
    say: Callable[[Result, list, dict[str, bool], object], Result] = ...

    def _found(self, trials: list[Trial], answer) -> Result:
        if luck := [t.failed for t in trials if isinstance(t.failed, Stop) and t.failed.bug == "by-luck"]:
            raise luck[0]  # what it is wrong about otherwise is luck, too
        try:
            result = super()._found(trials, answer)
        except Stop as stop:
            failed = next((t for t in trials if t.failed is not None and t.failed.what == "raised"), None)
            explained = self._by_error(failed, answer) if stop.status == "error" and failed else None
            raise explained or stop from None
        compared = [t for t in trials if t.failed is None and t.form is None]
        wrong = next((t for t in compared if not t.right), None)
        if result or wrong is None or result.bug == "no-return":
            return result
        verdicts = {t.case.inputs[0]: bool(t.got) for t in compared}
        return self.say(result, wrong.subject[0].asked.get(wrong.case.inputs[0], []), verdicts, answer)

    def _by_error(self, trial: Trial, answer) -> Stop | None:
        """What is said of a probe that stopped, if one thing explains it."""
        failed = trial.failed
        if isinstance(failed.error, ValueError) and re.search(self.refused, str(failed.error)):
            words = self.refused_words.format(said=failed.data["message"])
            hint = (trial.case.hint,) if trial.case.hint else ()
            return Stop("wrong", "{words}", bug="not-tokens", details=hint, where=failed.where, words=words)
        if not isinstance(failed.error, TypeError | AttributeError | RuntimeError):
            return None
        model, alone = (made(self.models[trial.case.inputs[0]]) for _ in range(2))
        alone.register_forward_hook(lambda _module, _given, answered: answered[0])
        if _runs(answer, model) or not _runs(answer, alone):
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
