"""Loading one layer of a file of weights into a block: which tensor is which parameter, and which way round.

What each parameter holds is looked up among all tensors of the file, so that a mistake, and any mixture of
them, is told by what it is: no table of wrong versions would hold all mixtures of 16 parameters.
"""

import difflib
import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor, nn
from torch.func import functional_call

from attention_core._calling import copies, learners_line
from attention_core._saying import number
from attention_core.practice.exercise import Case, Exercise, Stop, Trial, random, same
from attention_core.practice.exercises.training_step import fits
from attention_core.practice.result import Example, Result
from attention_core.practice.source import line_to_look_at
from attention_core.pretrained import OF_LAYER, PostNormBlock
from attention_core.probes import Verdict

PARTS = {  # our name of a parameter: the file's, after "encoder.layer.0."
    f"{ours}.{kind}": f"{files}.{kind}" for ours, files in OF_LAYER.items() for kind in ("weight", "bias")
}
_WORDS = 5  # that the block is run on
_LISTED = 4  # of the other parameters that are wrong

# --- what is said -------------------------------------------------------------------------------------------

_SAID = {  # by the bug's name; each true of the first parameter that differs
    "nothing-loaded": "layer {i}: nothing is loaded, all 16 parameters are as the block was made with",
    "left-out": "layer {i}: {part} is not loaded, it is as the block was made with",
    "bias-forgotten": "layer {i}: {part} is not loaded; a projection or a norm has a weight and a bias",
    "key-bias-forgotten": "layer {i}: {part} is not loaded, which no output can show",
    "transposed": "layer {i}: {part} is transposed; nn.Linear keeps (out, in), and so does the file",
    "query-and-key-swapped": "layer {i}: query and key have changed places, {part} is {found}",
    "key-and-value-swapped": "layer {i}: key and value have changed places, {part} is {found}",
    "query-and-value-swapped": "layer {i}: query and value have changed places, {part} is {found}",
    "norms-swapped": "layer {i}: the two LayerNorms have changed places, {part} is {found}",
    "weight-and-bias-swapped": "layer {i}: weight and bias have changed places, {part} is {found}",
    "feed-forward-swapped": "layer {i}: intermediate and output are mixed up, {part} is {found}",
    "outputs-mixed": "layer {i}: the two outputs are mixed up, {part} is {found}",
    "another-tensor": "layer {i}: {part} is {found}; it should be {wanted}",
    "always-layer-0": "layer {i}: {part} is that of layer 0, as in every layer; i says which is wanted",
    "layer-off-by-one": "layer {i}: {part} is that of layer {other}; layers are numbered from 0, as i is",
    "prefix-too-short": "layer {i}: {part} is that of layer {other}, whose name begins with the same letters",
    "another-layer": "layer {i}: {part} is that of layer {other}",
    "added": "layer {i}: {part} is what was there plus what the file has; it should be replaced",
    "scaled": "layer {i}: {part} is the file's times {factor}; it should be as it is",
    "zeroed": "layer {i}: {part} is 0 everywhere",
    "other-numbers": "layer {i}: {part} holds numbers that are no tensor of the file",
}
_WHY = {
    "key-bias-forgotten": (
        "It adds the same to all scores of a row, and softmax does not see that: so parameters are compared."
    ),
    "transposed": "Square matrices: no shape tells. Only a W for x @ W of one's own is the other way round.",
    "prefix-too-short": "layer.1 is the beginning of layer.10., too: end with the full stop.",
    "outputs-mixed": "attention.output.dense is W_O; output.dense is the second layer of feed_forward.",
    "weight-and-bias-swapped": "Both of a norm have shape (dim,), so that no shape tells.",
    "norms-swapped": "attention.output.LayerNorm comes after the attention: norm_1.",
}
_RUN = "On {n} words this layer's output is off by {off}."
_RUN_ALIKE = "On {n} words this layer's output is the same but for rounding."
_ALSO = "Not right in that layer, too: {names}."
_AND_MORE = "Not right in that layer, too: {names}, and {n} more."

_NEW_BLOCK = "it returns a block of its own; fill the one that is given, the caller keeps that one"
_ALIASED = (
    "the numbers are right, but {part} is the file's own tensor: training the block would write into it"
)
_ALIASED_WHY = "Copy the numbers: parameter.copy_(tensor) under torch.no_grad(), or tensor.clone()."
_FROZEN = "the numbers are right, but {part} no longer learns: requires_grad is False"
_GONE = "{part} is no longer a parameter of the block: leave its parts as they are, and copy numbers in"
_TAKEN_AWAY = "the numbers are right, but {name} is gone from the weights: the caller may need it again"
_WRITTEN = "the weights that were given are changed: {name}. They are only to be read"
_NO_SUCH = "the file has no {name}"
_OTHER_NAMES = "the names are not those of the block; the first that is {kind}: {name}"
_STRICT = r'(Missing|Unexpected) key\(s\) in state_dict: "([^"]*)"'
_NEAREST = "The nearest name that it has: {name}."
_LEARNS = "torch refuses to write into a parameter that learns; copy under torch.no_grad()"
_NO_PARAMETER = "a tensor cannot take the place of a parameter; copy its numbers into the parameter"
_HINT = (
    "block has attention.to_query, .to_key, .to_value, .to_output, norm_1, feed_forward[0], feed_forward[2] "
    "and norm_2; each has a weight and a bias, and nn.Linear keeps (out, in), as the file does."
)
_TURNED = {
    "transposed": "It is transposed, too.",
    "reshaped": "It is reshaped, too.",
    "in every row": "It stands there in every row: copy_ broadcasts, and says nothing.",
}
_LOOK_AT = {
    "transposed": (r"\.(T|mT|H)\b|transpose|\.t\(\)|permute|swapaxes",),
    "key-and-value-swapped": (r"to_key.*value|value.*to_key", r"to_value.*key|key.*to_value"),
    "query-and-key-swapped": (r"to_query.*\bkey|\bkey.*to_query", r"to_key.*query|query.*to_key"),
    "query-and-value-swapped": (r"to_query.*value|value.*to_query", r"to_value.*query|query.*to_value"),
    "norms-swapped": (r"norm_1.*[^n]\boutput\.LayerNorm", r"norm_2.*attention\.output\.LayerNorm", r"norm_1"),
    "weight-and-bias-swapped": (r"\.weight.*bias|bias.*\.weight",),
    "always-layer-0": (r"layer\.0\b",),
    "layer-off-by-one": (r"i\s*[-+]\s*1",),
    "prefix-too-short": (r"startswith|\bin\s+name|find\(|re\.",),
    "added": (r"\+=|add_|\+",),
    "zeroed": (r"zero",),
}
_SWAPS = (  # by what is exchanged in our names
    ("query-and-key-swapped", "attention.to_query.", "attention.to_key."),
    ("key-and-value-swapped", "attention.to_key.", "attention.to_value."),
    ("query-and-value-swapped", "attention.to_query.", "attention.to_value."),
    ("norms-swapped", "norm_1.", "norm_2."),
    ("feed-forward-swapped", "feed_forward.0.", "feed_forward.2."),
    ("outputs-mixed", "attention.to_output.", "feed_forward.2."),
)

# --- what it is tried on ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class File:
    """The weights of a small model, as a file of BERT's names them; the same numbers each time."""

    layers: int
    dim: int
    heads: int
    hidden: int
    seed: int

    @staticmethod
    def name(i: int, part: str) -> str:
        return f"encoder.layer.{i}.{PARTS[part]}"

    @functools.cached_property
    def before(self) -> dict[str, Tensor]:
        """What a block holds before anything is loaded: numbers that are in no file."""
        own = dict(self._made().named_parameters())
        return {part: random(*own[part].shape, seed=self.seed + 5000 + k) for k, part in enumerate(PARTS)}

    @functools.cached_property
    def numbers(self) -> dict[str, Tensor]:
        shapes = {"embeddings.word_embeddings.weight": (20, self.dim)}
        shapes |= {f"embeddings.LayerNorm.{kind}": (self.dim,) for kind in ("weight", "bias")}
        for i in range(self.layers):
            shapes |= {self.name(i, part): self.before[part].shape for part in PARTS}
        shapes |= {"pooler.dense.weight": (self.dim, self.dim), "pooler.dense.bias": (self.dim,)}
        return {name: random(*size, seed=self.seed + k) for k, (name, size) in enumerate(shapes.items())}

    def weights(self) -> dict[str, Tensor]:
        """A state dict of one's own."""
        return dict(zip(self.numbers, copies(self.numbers.values()), strict=True))

    def block(self) -> PostNormBlock:
        block = self._made()
        with torch.no_grad():
            for part, parameter in block.named_parameters():
                parameter.copy_(self.before[part])
        return block

    def _made(self) -> PostNormBlock:
        return PostNormBlock(self.dim, self.heads, hidden=self.hidden, eps=1e-12)


_FILES = (
    File(12, 4, 2, 4, 20_000),  # all matrices square: no shape tells; layers 1, 10 and 11 begin alike
    File(2, 6, 3, 12, 30_000),
)


def _cases() -> list[Case]:
    made = []
    words = "layer {i} of a file of {layers} layers, dim = {dim}, {heads} heads, hidden = {hidden}"
    for file in _FILES:
        for i in sorted({0, 1, 2, file.layers - 1} & set(range(file.layers))):
            said = words.format(i=i, **{x.name: getattr(file, x.name) for x in fields(file)})
            again = functools.partial(lambda file, i: (file.block(), file.weights(), i), file, i)
            made.append(Case(said, (file, i), hint=_HINT, repeat=again))
    return made


def _right(file: File, i: int) -> tuple[Tensor, ...]:
    return tuple(file.numbers[file.name(i, part)].clone() for part in PARTS)


# --- what a parameter holds ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Held:
    """What a parameter holds. kind: a key of `_SAID`, or "file"; name: of the file's tensor, whole; layer and
    part: whose it is, in our words; turned: a key of `_TURNED`, or ""."""

    kind: str
    name: str = ""
    layer: int = -1
    part: str = ""
    turned: str = ""
    factor: float = 1.0


def held(file: File, i: int, part: str, got: Tensor) -> Held:
    """What a parameter of the block for layer i holds, found by its numbers."""
    places = {file.name(j, ours): (j, ours) for j in range(file.layers) for ours in PARTS}
    for name, tensor in file.numbers.items():
        for turned, x in _turned(tensor, got.shape):
            if same(got, x):
                return Held("file", name, *places.get(name, (-1, "")), turned)
    before, wanted = file.before[part], file.numbers[file.name(i, part)]
    if same(got, before):
        return Held("left-out")
    if not got.any():
        return Held("zeroed")
    if got.shape == wanted.shape:
        if same(got, before + wanted):
            return Held("added")
        factor = float((got.double() * wanted.double()).sum() / wanted.double().square().sum())
        if same(got, factor * wanted):
            return Held("scaled", factor=factor)
    return Held("other-numbers")


def _turned(x: Tensor, shape: torch.Size) -> Iterator[tuple[str, Tensor]]:
    if x.shape == shape:
        yield "", x
    if x.ndim == 2 and x.T.shape == shape:
        yield "transposed", x.T
    if x.ndim == 2 and x.shape != shape and x.numel() == shape.numel():
        yield "reshaped", x.reshape(shape)
    if x.ndim == 1 and len(shape) == 2 and shape[1] == len(x):  # copy_ broadcasts, and says nothing
        yield "in every row", x.expand(shape)


def _named(found: dict[str, Held], i: int, each: Callable[[str], list[tuple[int, Held]]]) -> str:
    """The mistake in layer i, by its name, of what each parameter that differs holds. each: of a parameter,
    what it holds in every layer that was loaded."""
    part, first = next(iter(found.items()))
    if first.kind == "left-out":
        if len(found) == len(PARTS) and all(h.kind == "left-out" for h in found.values()):
            return "nothing-loaded"
        if [*found] == ["attention.to_key.bias"]:
            return "key-bias-forgotten"
        return "bias-forgotten" if part.endswith("bias") else "left-out"
    if first.kind != "file":
        return first.kind
    if first.part == part and first.layer != i:
        return _of_layers(i, first.layer, each(part))
    if first.part == part:
        return "transposed"
    if first.layer == i:
        stem = part.rpartition(".")[0]
        swaps = (*_SWAPS, ("weight-and-bias-swapped", f"{stem}.weight", f"{stem}.bias"))
        for bug, one, two in swaps:  # the first that differs is that of `one`
            there = two + part.removeprefix(one)
            if first.part == there and there in found and found[there].part == part:
                return bug
    return "another-tensor"


def _of_layers(i: int, layer: int, each: list[tuple[int, Held]]) -> str:
    """What is wrong with which layer is loaded, when for layer i it is another one."""
    if len(each) > 1 and all(h.layer == 0 for _, h in each):
        return "always-layer-0"
    if layer > i and str(layer).startswith(str(i)):
        return "prefix-too-short"
    off = {h.layer - j for j, h in each}
    return "layer-off-by-one" if off in ({1}, {-1}) else "another-layer"


# --- one call of an answer ----------------------------------------------------------------------------------


def _loading(answer: Callable) -> Callable:
    """The answer as a function of a file and a layer, that gives the block's parameters after it."""

    def called(file: File, i: int):
        block, weights = file.block(), file.weights()
        try:
            returned = answer(block, weights, i)
        except Exception as raised:
            raise _told(raised, weights) or raised from raised
        if returned is ...:
            return returned
        own = _parameters(block)
        if isinstance(returned, nn.Module) and same(own, tuple(file.before.values())):
            where = line_to_look_at(answer, r"Block\(|deepcopy", r"\breturn\b")
            raise Stop("wrong", _NEW_BLOCK, bug="new-block", where=where)
        if same(own, _right(file, i)):
            _check_bonds(answer, block, weights)
            _check_only_read(answer, weights, file)
        return own

    return called


def _parameters(block: nn.Module) -> tuple[Tensor, ...]:
    """The block's parameters. Raises: Stop, if one is none any more."""
    own = dict(block.named_parameters(remove_duplicate=False))
    for part in PARTS:
        if part not in own:
            raise Stop("wrong", _GONE, bug="parameter-gone", part=part)
    return tuple(own[part].detach().clone() for part in PARTS)


def _check_bonds(answer: Callable, block: nn.Module, weights: dict) -> None:
    """Whether parameters, whose numbers are right, learn, and are nobody else's memory. Raises: Stop."""
    memory = {x.untyped_storage().data_ptr() for x in weights.values() if isinstance(x, Tensor)}
    for part, parameter in block.named_parameters(remove_duplicate=False):
        if parameter.untyped_storage().data_ptr() in memory:
            where = line_to_look_at(answer, r"\.data\s*=", r"Parameter\(", r"assign\s*=\s*True", r"set_\(")
            raise Stop("wrong", _ALIASED, bug="aliased", details=(_ALIASED_WHY,), where=where, part=part)
        if not parameter.requires_grad:
            where = line_to_look_at(answer, r"requires_grad")
            raise Stop("wrong", _FROZEN, bug="frozen", where=where, part=part)


def _check_only_read(answer: Callable, weights: dict, file: File) -> None:
    for name, x in file.numbers.items():
        if name not in weights:
            where = line_to_look_at(answer, r"\bpop\(|\bdel\b|clear\(")
            raise Stop("wrong", _TAKEN_AWAY, bug="weights-changed", where=where, name=name)
        if not same(weights[name], x):
            raise Stop("wrong", _WRITTEN, bug="weights-changed", name=name)


def _told(raised: Exception, weights: dict) -> Stop | None:
    """What is said of an error that one thing explains."""
    where, said = learners_line(raised), str(raised)
    if isinstance(raised, KeyError) and raised.args and isinstance(raised.args[0], str):
        name = raised.args[0]
        near = difflib.get_close_matches(name, weights, 1, 0.3)
        details = tuple(_NEAREST.format(name=one) for one in near)
        return Stop("wrong", _NO_SUCH, bug="no-such-name", details=details, where=where, name=name)
    if isinstance(raised, RuntimeError) and "leaf" in said and "requires grad" in said:
        return Stop("wrong", _LEARNS, bug="needs-no-grad", where=where)
    if isinstance(raised, TypeError) and "cannot assign" in said and "parameter" in said:
        return Stop("wrong", _NO_PARAMETER, bug="no-parameter", where=where)
    if isinstance(raised, RuntimeError) and (keys := re.search(_STRICT, said)):
        return Stop("wrong", _OTHER_NAMES, bug="other-names", where=where, kind=keys[1].lower(), name=keys[2])
    return None


# --- what is found ------------------------------------------------------------------------------------------


@dataclass(repr=False)
class _Loading(Exercise):
    """A check that names the first layer and parameter that differ, and what stands there instead."""

    def _found(self, trials: list[Trial], answer) -> Result:
        loaded = [t for t in trials if t.failed is None and t.form is None]
        wrong = next((t for t in loaded if not t.right), None)
        return super()._found(trials, answer) if wrong is None else self._told_of(wrong, loaded, answer)

    def _example(self, trial: Trial, answer) -> Example | None:
        example = super()._example(trial, answer)
        return example and replace(example, words=f"parameter {example.words}")

    def _told_of(self, trial: Trial, loaded: list[Trial], answer) -> Result:
        file, i = trial.case.inputs
        pairs = zip(PARTS, trial.got, trial.expected, strict=True)
        found = {name: held(file, i, name, got) for name, got, wanted in pairs if not same(got, wanted)}
        (part, what), *others = found.items()

        def each(part: str) -> list[tuple[int, Held]]:
            k = [*PARTS].index(part)
            return [(t.case.inputs[1], held(*t.case.inputs, part, t.got[k])) for t in loaded]

        bug = _named(found, i, each)
        headline = _SAID[bug].format(
            i=i, part=part, found=what.name, wanted=file.name(i, part), other=what.layer,
            factor=number(what.factor),
        )  # fmt: skip
        turned = _TURNED.get(what.turned, "") if bug != what.turned else ""
        also = _others([name for name, _ in others]) if bug != "nothing-loaded" else ""
        why = _WHY.get("key-bias-forgotten" if [*found] == ["attention.to_key.bias"] else bug)
        details = tuple(filter(None, (why, turned, _off(trial), also)))
        evidence = ()
        if bug == "other-numbers":
            said = "no tensor of the file holds these numbers, nor one transposed, scaled or added"
            evidence, bug = (Verdict("a tensor of the file", False, said),), None
        example = self._example(trial, answer)
        where = line_to_look_at(answer, *_LOOK_AT.get(bug, ()))
        return Result(self.name, "wrong", headline, bug, details, evidence, example, where)


def _off(trial: Trial) -> str:
    """By how much the loaded block differs from the right one in what it makes of words."""
    file, i = trial.case.inputs
    x, block = random(1, _WORDS, file.dim, seed=file.seed + 9000 + i), file.block()
    with torch.no_grad():
        got, right = (
            functional_call(block, dict(zip(PARTS, numbers, strict=True)), (x,))[0]
            for numbers in (trial.got, trial.expected)
        )
    off = number((got - right).abs().max())
    return _RUN_ALIKE.format(n=_WORDS) if same(got, right) else _RUN.format(n=_WORDS, off=off)


def _others(names: list[str]) -> str:
    if not names:
        return ""
    told = _ALSO if len(names) <= _LISTED else _AND_MORE
    return told.format(names=", ".join(names[:_LISTED]), n=len(names) - _LISTED)


load_layer = _Loading(
    "loading a layer",
    tuple(PARTS),
    _right,
    _cases,
    (),
    "Checked: 6 layers of 2 small files, each of the 16 parameters; they are copies, and still learn.",
    prepare=lambda answer: [(_loading(fits(answer, "block", "weights", "i")), ())],
)
