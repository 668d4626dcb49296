"""Weights and labels as people have them: each is shown, or answered with what to write instead."""

import itertools
import math
from collections import OrderedDict, UserDict
from fractions import Fraction

import numpy as np
import pytest
import torch

from attention_core import causal_mask, scaled_dot_product_attention
from attention_core.live import AttentionHeatmap
from attention_core.live.map import AttentionMap

WEIGHTS = torch.tensor([[0.25, 0.75], [1.0, 0.0]])
HEADS = torch.stack((WEIGHTS, WEIGHTS.flip(0), WEIGHTS.flip(1)))  # (3, 2, 2)
LAYERS = tuple(HEADS[None] for _ in range(6))  # as `outputs.attentions`: six of (1, 3, 2, 2)


class Table:
    """As much of a pandas DataFrame as is asked of it."""

    def __init__(self, numbers, index, columns):
        self.numbers, self.index, self.columns = np.asarray(numbers), index, columns
        self.ndim, self.shape = self.numbers.ndim, self.numbers.shape

    def to_numpy(self):
        return self.numbers


class Foreign:
    """An array of another library, as jax's."""

    def __init__(self, numbers):
        self.numbers = np.asarray(numbers)
        self.ndim, self.shape = self.numbers.ndim, self.numbers.shape

    def __array__(self, dtype=None, copy=None):
        return np.array(self.numbers, dtype)


class Sparse:
    """A sparse matrix of scipy's."""

    def toarray(self):
        return WEIGHTS.numpy()


class Unwilling:
    def __array__(self, dtype=None, copy=None):
        raise TypeError("implicit conversion to a host array is not allowed")


class Output(OrderedDict):
    """What a model of transformers returns."""

    def __init__(self, attentions, **others):
        super().__init__(others, attentions=attentions)
        self.attentions = attentions


def double_list(weights):
    return weights.double().tolist()


def big_endian():
    return WEIGHTS.numpy().astype(">f8")


def masked(mask):
    return np.ma.MaskedArray(WEIGHTS.numpy(), mask=mask)


# ---------------------------------------------------------------- weights that are shown

SHOWN = {
    "a tensor": (lambda: WEIGHTS, WEIGHTS),
    "float64": (lambda: WEIGHTS.double(), WEIGHTS),
    "float16": (lambda: WEIGHTS.half(), WEIGHTS),
    "bfloat16": (lambda: WEIGHTS.bfloat16(), WEIGHTS),
    "float8": (lambda: WEIGHTS.to(torch.float8_e4m3fn), WEIGHTS),
    "integers": (lambda: torch.tensor([[1, 0], [0, 1]]), torch.eye(2)),
    "booleans": (lambda: torch.eye(2).bool(), torch.eye(2)),
    "a gradient": (lambda: WEIGHTS.clone().requires_grad_() * 1, WEIGHTS),
    "a parameter": (lambda: torch.nn.Parameter(WEIGHTS), WEIGHTS),
    "inference mode": (lambda: torch.inference_mode()(lambda: WEIGHTS * 1)(), WEIGHTS),
    "not contiguous": (lambda: WEIGHTS.T.contiguous().T, WEIGHTS),
    "expanded": (lambda: torch.tensor([0.5, 0.5]).expand(2, 2), torch.full((2, 2), 0.5)),
    "sparse": (lambda: WEIGHTS.to_sparse(), WEIGHTS),
    "sparse rows": (lambda: WEIGHTS.to_sparse_csr(), WEIGHTS),
    "quantized": (lambda: torch.quantize_per_tensor(WEIGHTS, 0.25, 0, torch.qint8), WEIGHTS),
    "a negative view": (lambda: torch.complex(WEIGHTS * 0, -WEIGHTS).conj().imag, WEIGHTS),
    "numpy": (lambda: WEIGHTS.numpy(), WEIGHTS),
    "numpy, float64": (lambda: WEIGHTS.double().numpy(), WEIGHTS),
    "numpy, other byte order": (big_endian, WEIGHTS),
    "numpy, backwards": (lambda: WEIGHTS.flip(0).numpy()[::-1], WEIGHTS),
    "numpy, long double": (lambda: WEIGHTS.numpy().astype(np.longdouble), WEIGHTS),
    "numpy, unsigned": (lambda: np.eye(2, dtype=np.uint16), torch.eye(2)),
    "numpy, objects": (lambda: WEIGHTS.numpy().astype(object), WEIGHTS),
    "numpy, a matrix": (lambda: np.asmatrix(WEIGHTS.numpy()), WEIGHTS),
    "numpy, nothing masked": (lambda: masked(False), WEIGHTS),
    "too large for float32": (lambda: np.array([[1e300, 0.0]]), torch.tensor([[math.inf, 0.0]])),
    "lists": (lambda: WEIGHTS.tolist(), WEIGHTS),
    "lists of heads": (lambda: HEADS.tolist(), HEADS),
    "tuples": (lambda: ((0.25, 0.75), (1, 0)), WEIGHTS),
    "lists of fractions": (lambda: [[Fraction(1, 4), Fraction(3, 4)], [1, 0]], WEIGHTS),
    "lists of tensors of one number": (lambda: [[w * 1 for w in row] for row in WEIGHTS], WEIGHTS),
    "the same with gradients": (lambda: [list(row) for row in WEIGHTS.clone().requires_grad_()], WEIGHTS),
    "a list of rows": (lambda: list(WEIGHTS), WEIGHTS),
    "a pair of rows": (lambda: tuple(WEIGHTS), WEIGHTS),
    "a list of heads": (lambda: list(HEADS), HEADS),
    "a tuple of heads": (lambda: tuple(HEADS.clone().requires_grad_()), HEADS),
    "a list of two heads": (lambda: list(HEADS[:2]), HEADS[:2]),
    "a list of heads of numpy's": (lambda: list(HEADS.numpy()), HEADS),
    "a list of one head": (lambda: [WEIGHTS], WEIGHTS[None]),
    "lists of rows": (lambda: [list(head) for head in HEADS], HEADS),
    "one sequence": (lambda: HEADS[None], HEADS),
    "one sequence of numpy's": (lambda: HEADS[None].numpy(), HEADS),
    "one sequence in lists": (lambda: HEADS[None].tolist(), HEADS),
    "one layer, one sequence": (lambda: HEADS[None, None], HEADS),
    "one layer in a tuple": (lambda: (HEADS,), HEADS),
    "one layer, one sequence, in a tuple": (lambda: LAYERS[:1], HEADS),
    "one step, one layer, one sequence": (lambda: (LAYERS[:1],), HEADS),
    "one head, no batch": (lambda: WEIGHTS[None], WEIGHTS[None]),
    "another library's": (lambda: Foreign(WEIGHTS), WEIGHTS),
    "one layer of another library's": (lambda: [Foreign(HEADS)], HEADS),
    "heads of another library's": (lambda: [Foreign(head) for head in HEADS], HEADS),
    "a sparse matrix of scipy's": (Sparse, WEIGHTS),
    "a table": (lambda: Table(WEIGHTS, ["a", "b"], ["x", "y"]), WEIGHTS),
    "a table of objects": (lambda: Table(WEIGHTS.numpy().astype(object), "ab", "xy"), WEIGHTS),
}


@pytest.mark.filterwarnings("error::RuntimeWarning", "error:Converting a tensor")
@pytest.mark.filterwarnings("ignore:Sparse CSR", "ignore:torch.quantize", "ignore:the matrix subclass")
@pytest.mark.parametrize("name", SHOWN)
def test_it_is_shown(name):
    make, expected = SHOWN[name]
    heatmap = AttentionHeatmap(make())
    assert heatmap.weights.dtype == torch.float32 and torch.equal(heatmap.weights, expected)
    assert not heatmap.weights.requires_grad and heatmap.weights.is_contiguous()
    assert heatmap._frame["weights"] == expected.numpy().tobytes()
    heatmap = AttentionHeatmap(torch.rand(expected.shape))
    heatmap.weights = make()
    assert torch.equal(heatmap.weights, expected)


def test_what_is_shown_is_a_copy_of_it():
    for given in (WEIGHTS.clone(), WEIGHTS.clone().numpy(), Table(WEIGHTS.clone().numpy(), "ab", "xy")):
        shown = AttentionMap(given)
        (given.numbers if isinstance(given, Table) else given)[:] = 0
        assert torch.equal(shown.weights, WEIGHTS) and shown.frame()["weights"] == WEIGHTS.numpy().tobytes()


def test_scores_and_mask_may_have_the_same_dimensions_too_many():
    shown = AttentionMap(HEADS[None], scores=(HEADS[None] * 2,), allowed=causal_mask(2)[None, None])
    assert torch.equal(shown.scores, HEADS * 2)
    assert torch.equal(shown.allowed, causal_mask(2).expand(3, 2, 2))
    for allowed in (
        causal_mask(2).tolist(),
        causal_mask(2).numpy(),
        list(causal_mask(2)),
        causal_mask(2)[None],
    ):
        assert torch.equal(AttentionMap(WEIGHTS, allowed=allowed).allowed, causal_mask(2))


# ---------------------------------------------------------------- weights that are refused

REFUSED = {
    "layers": (
        lambda: LAYERS,
        "weights are 6 layers, (1, 3, 2, 2) each: show one, weights[0], or all at once, "
        "torch.cat([w[0] for w in weights])",
        ["weights[0]", "torch.cat([w[0] for w in weights])"],
    ),
    "layers without a batch": (
        lambda: [HEADS, HEADS],
        "weights are 2 layers, (3, 2, 2) each: show one, weights[0], or all at once, torch.cat(weights)",
        ["weights[0]", "torch.cat(weights)"],
    ),
    "two layers in a tuple": (
        lambda: LAYERS[:2],
        "weights are 2 layers, (1, 3, 2, 2) each: show one, weights[0], or all at once, "
        "torch.cat([w[0] for w in weights])",
        ["weights[0]"],
    ),
    "layers of numpy's": (
        lambda: [HEADS.numpy()] * 3,
        "weights are 3 layers, (3, 2, 2) each: show one, weights[0], or all at once, np.concatenate(weights)",
        ["weights[0]", "np.concatenate(weights)"],
    ),
    "layers of several sequences": (
        lambda: (HEADS[None].repeat(2, 1, 1, 1),) * 6,
        "weights are 6 layers, (2, 3, 2, 2) each: show one, weights[0][0]",
        ["weights[0][0]"],
    ),
    "layers of different sizes": (
        lambda: (HEADS, torch.rand(3, 4, 4)),
        "weights are a pair, (3, 2, 2) and (3, 4, 4): of (output, weights) show the second, weights[1]",
        ["weights[1]"],
    ),
    "three layers of different sizes": (
        lambda: [HEADS, torch.rand(3, 4, 4), HEADS],
        "weights are 3 layers, (3, 2, 2) the first: show one, weights[0]",
        ["weights[0]"],
    ),
    "steps of layers": (
        lambda: (LAYERS, LAYERS),
        "weights are 2 × 6 maps: show one, weights[0][0]",
        ["weights[0][0]"],
    ),
    "several sequences": (
        lambda: torch.stack((HEADS, HEADS)),
        "weights must be (n_q, n_k) or (heads, n_q, n_k), got (2, 3, 2, 2): pick one sequence or layer, "
        "weights[0], or show all at once, weights.reshape(-1, 2, 2)",
        ["weights[0]", "weights.reshape(-1, 2, 2)"],
    ),
    "several sequences in lists": (
        lambda: torch.stack((HEADS, HEADS)).tolist(),
        "weights must be (n_q, n_k) or (heads, n_q, n_k), got (2, 3, 2, 2): pick one sequence or layer, "
        "weights[0], or show all at once, np.array(weights).reshape(-1, 2, 2)",
        ["weights[0]", "np.array(weights).reshape(-1, 2, 2)"],
    ),
    "a whole model": (
        lambda: torch.stack(LAYERS),
        "weights must be (n_q, n_k) or (heads, n_q, n_k), got (6, 1, 3, 2, 2): pick one sequence or layer, "
        "weights[0][0], or show all at once, weights.reshape(-1, 2, 2)",
        ["weights[0][0]", "weights.reshape(-1, 2, 2)"],
    ),
    "one vector": (
        lambda: WEIGHTS[0],
        "weights must be (n_q, n_k) or (heads, n_q, n_k), got (2,)",
        [],
    ),
    "one number": (lambda: 0.5, "weights must be (n_q, n_k) or (heads, n_q, n_k), got ()", []),
    "what attention returns": (
        lambda: scaled_dot_product_attention(torch.rand(2, 4), torch.rand(2, 4), torch.rand(2, 3)),
        "weights are a pair, (2, 3) and (2, 2): of (output, weights) show the second, weights[1]",
        ["weights[1]"],
    ),
    "what attention returns, two alike": (
        lambda: (WEIGHTS, WEIGHTS),
        "weights are a pair, (2, 2) and (2, 2): of (output, weights) show the second, weights[1]; "
        "two heads are torch.stack(weights)",
        ["weights[1]", "torch.stack(weights)"],
    ),
    "what a layer of heads returns": (
        lambda: (torch.rand(1, 2, 8), HEADS[None]),
        "weights are a pair, (1, 2, 8) and (1, 3, 2, 2): of (output, weights) show the second, weights[1]",
        ["weights[1]"],
    ),
    "what a transformer returns": (
        lambda: (torch.rand(1, 2, 8), [HEADS[None]]),
        "weights are a pair, (1, 2, 8) and a list: of (output, weights) show the second, weights[1]",
        ["weights[1]"],
    ),
    "attention without weights": (
        lambda: (torch.rand(1, 2, 8), None),
        "weights[1] is None, no map: show one that is, weights[0]",
        [],
    ),
    "the output of a model": (
        lambda: Output(LAYERS),
        "weights are an Output, whose maps are in weights.attentions, one a layer: show one, "
        "weights.attentions[0]",
        ["weights.attentions[0]"],
    ),
    "the output of a model that kept none": (
        lambda: Output(None),
        "weights are an Output without maps: a model of transformers gives them when it is called with "
        'output_attentions=True and was loaded with attn_implementation="eager"',
        [],
    ),
    "layers that are None": (
        lambda: (None,) * 6,
        "weights hold None, no numbers: a model of transformers gives them when it is called with "
        'output_attentions=True and was loaded with attn_implementation="eager"',
        [],
    ),
    "a dict": (
        lambda: {"encoder": HEADS, "cross": HEADS},
        "weights are a dict of 'encoder', 'cross': show one, weights['encoder']",
        ["weights['encoder']"],
    ),
    "an output that has attention by another name": (
        lambda: OrderedDict(logits=WEIGHTS, cross_attentions=LAYERS[:1]),
        "weights are an OrderedDict of 'logits', 'cross_attentions': show one, weights['cross_attentions']",
        ["weights['cross_attentions']"],
    ),
    "a dict of many": (
        lambda: {i: WEIGHTS for i in range(12)},
        "weights are a dict of 0, 1, 2, 3, 4, 5, …: show one, weights[0]",
        ["weights[0]"],
    ),
    "an empty dict": (lambda: {}, "weights are an empty dict", []),
    "a word": (lambda: "words", "weights must be a tensor or an array of numbers, got str", []),
    "bytes": (lambda: b"words", "weights must be a tensor or an array of numbers, got bytes", []),
    "words": (lambda: [["1", "2"]], "weights must be a tensor or an array of numbers, got list", []),
    "numbers and words": (
        lambda: np.array([[1, "2"]], dtype=object),
        "weights must be a tensor or an array of numbers, got ndarray",
        [],
    ),
    "a function": (lambda: str, "weights must be a tensor or an array of numbers, got type", []),
    "a set": (lambda: {0.5}, "weights must be a tensor or an array of numbers, got set", []),
    "dates": (
        lambda: np.zeros((2, 2), "datetime64[s]"),
        "weights must be a tensor or an array of numbers, got ndarray",
        [],
    ),
    "an empty list": (lambda: [], "weights must be (n_q, n_k) or (heads, n_q, n_k), got (0,)", []),
    "a generator": (
        lambda: (row for row in [[0.5, 0.5]]),
        "weights must be a tensor or an array of numbers, got generator: write list(weights)",
        ["list(weights)"],
    ),
    "rows of different lengths": (
        lambda: [[1, 2], [3]],
        "weights must be a tensor or an array of numbers, got list: its rows have 2 and 1 numbers",
        [],
    ),
    "rows of different lengths in a head": (
        lambda: [[[1, 2], [3, 4]], [[1, 2], [3, 4, 5]]],
        "weights must be a tensor or an array of numbers, got list: its rows have 2 and 3 numbers",
        [],
    ),
    "tensors of different lengths": (
        lambda: [torch.rand(2), torch.rand(3), torch.rand(4)],
        "weights are 3 arrays of different shapes, (2,) and (3,): show one, weights[0]",
        [],
    ),
    "heads of different sizes": (
        lambda: [torch.rand(2, 2), torch.rand(3, 3)],
        "weights are 2 arrays of different shapes, (2, 2) and (3, 3): show one, weights[0]",
        ["weights[0]"],
    ),
    "a tensor and a word": (
        lambda: [torch.rand(2, 2), "word"],
        "weights are 2 arrays of different shapes, (2, 2) and (): show one, weights[0]",
        ["weights[0]"],
    ),
    "None in a cell": (
        lambda: [[0.5, None], [1, 0]],
        "weights[0][1] is None: where there is no number, write float('nan')",
        [],
    ),
    "None in place of a head": (
        lambda: [WEIGHTS, None, WEIGHTS],
        "weights[1] is None, no map: show one that is, weights[0]",
        ["weights[0]"],
    ),
    "complex": (
        lambda: WEIGHTS.to(torch.complex64),
        "weights are complex numbers, complex64: show how large they are, abs(weights)",
        ["abs(weights)"],
    ),
    "complex in lists": (
        lambda: [[1j, 0], [0, 1]],
        "weights are complex numbers, complex128: show how large they are, np.abs(weights)",
        ["np.abs(weights)"],
    ),
    "a masked array": (
        lambda: masked([[False, True], [False, False]]),
        "weights are a masked array: give numbers and mask, weights.filled(0) and allowed=~weights.mask",
        ["weights.filled(0)", "weights.filled(0), allowed=~weights.mask"],
    ),
    "a nested tensor": (
        lambda: torch.nested.nested_tensor([WEIGHTS, torch.rand(3, 3)]),
        "weights are a nested tensor: show one part of it, weights[0]",
        ["weights[0]"],
    ),
    "a tensor without numbers": (
        lambda: WEIGHTS.to("meta"),
        "weights are on the device “meta”, which keeps shapes and no numbers",
        [],
    ),
    "another library that says no": (
        Unwilling,
        "weights must be a tensor or an array of numbers, got Unwilling",
        [],
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("name", REFUSED)
def test_it_is_answered_with_what_to_write_instead(name):
    make, message, instead = REFUSED[name]
    heatmap = AttentionHeatmap(WEIGHTS, ["old", "labels"])
    for show in (AttentionMap, AttentionHeatmap, heatmap.update):
        with pytest.raises(ValueError) as refusal:
            show(make())
        assert str(refusal.value) == message
    assert torch.equal(heatmap.weights, WEIGHTS) and heatmap.query_labels == ["old", "labels"]
    for code in instead:  # and who writes that is answered with a map
        assert code in message.replace(" and ", ", ")
        AttentionMap_of = {"AttentionMap": AttentionMap, "weights": make(), "torch": torch, "np": np}
        assert eval(f"AttentionMap({code})", AttentionMap_of).weights.numel() > 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (dict(scores=LAYERS), "scores are 6 layers, (1, 3, 2, 2) each: show one, scores[0], or all at once"),
        (dict(scores=HEADS), "scores have shape (3, 2, 2) but weights (2, 2)"),
        (dict(scores=[[1, 2], [3]]), "scores must be a tensor or an array of numbers, got list: its rows"),
        (dict(allowed="words"), "allowed must be boolean (True means may look), got str"),
        (dict(allowed=[[1, 0], [1, 1]]), "allowed must be boolean (True means may look), got int64"),
        (dict(allowed=torch.ones(2, 2)), "allowed must be boolean (True means may look), got torch.float32"),
        (dict(allowed=causal_mask(2).repeat(3, 1, 1)), "allowed has shape (3, 2, 2), which does not fit"),
    ],
)
def test_scores_and_mask_are_answered_so_too(content, message):
    with pytest.raises(ValueError) as refusal:
        AttentionMap(WEIGHTS, **content)
    assert str(refusal.value).startswith(message)


# ---------------------------------------------------------------- labels

LABELS = {
    "words": (lambda: ["the", "cat"], ["the", "cat"]),
    "a tuple": (lambda: ("the", "cat"), ["the", "cat"]),
    "split": (lambda: ["the", "cat"], ["the", "cat"]),
    "letters": (lambda: "ab", ["a", "b"]),
    "a generator": (lambda: (word.upper() for word in ("the", "cat")), ["THE", "CAT"]),
    "a map": (lambda: map(str, (1, 2)), ["1", "2"]),
    "a range": (lambda: range(5, 7), ["5", "6"]),
    "keys of a dict": (lambda: {"the": 0, "cat": 1}.keys(), ["the", "cat"]),
    "ids": (lambda: torch.tensor([101, 2023]), ["101", "2023"]),
    "ids of one sequence": (lambda: torch.tensor([[101, 2023]]), ["101", "2023"]),
    "a list of ids": (lambda: list(torch.tensor([101, 2023])), ["101", "2023"]),
    "ids in a list of one sequence": (lambda: [[101, 2023]], ["101", "2023"]),
    "words in a list of one sequence": (lambda: [["the", "cat"]], ["the", "cat"]),
    "ids of numpy's": (lambda: np.array([101, 2023]), ["101", "2023"]),
    "words of numpy's": (lambda: np.array(["the", "cat"]), ["the", "cat"]),
    "ids of another library's": (lambda: Foreign([101, 2023]), ["101", "2023"]),
    "positions": (lambda: torch.tensor([0.1, 2.5]), ["0.1", "2.5"]),
    "half positions": (lambda: torch.tensor([0.5, 2.5], dtype=torch.bfloat16), ["0.5", "2.5"]),
    "with gradients": (lambda: torch.tensor([0.5, 1.0], requires_grad=True), ["0.5", "1.0"]),
    "bytes of words": (lambda: [b"caf\xc3\xa9", b"\xff"], ["café", "�"]),
    "numbers": (lambda: [1, 2.5], ["1", "2.5"]),
}


@pytest.mark.parametrize("name", LABELS)
def test_labels_of_any_kind(name):
    make, expected = LABELS[name]
    weights = torch.rand(2, 2, 3)
    heatmap = AttentionHeatmap(weights, make(), "xyz", heads=make())
    assert heatmap.query_labels == expected and heatmap.head_labels == expected
    assert AttentionHeatmap(weights.mT, "xyz", make()).key_labels == expected
    heatmap.update(weights.flip(0), queries=make())
    assert heatmap._frame["queries"] == expected


def test_a_generator_is_asked_once_and_its_labels_stay():
    words = iter(["the", "cat", "sat"])
    heatmap = AttentionHeatmap(torch.rand(2, 2), itertools.islice(words, 2))
    assert heatmap.query_labels == heatmap.key_labels == ["the", "cat"]
    assert next(words) == "sat"
    heatmap.weights = WEIGHTS
    assert heatmap.query_labels == heatmap.key_labels == ["the", "cat"]
    endless = itertools.count()
    with pytest.raises(ValueError, match="queries has more than 2 labels"):
        AttentionMap(WEIGHTS, endless)
    assert next(endless) == 3
    both = iter(["the", "cat"])
    assert AttentionMap(WEIGHTS, both, both).keys == ("the", "cat")


LABELS_REFUSED = {
    "too few": (lambda: ["the"], "weights have 2 rows but queries has 1 labels"),
    "too many": (lambda: ["the", "cat", "sat"], "weights have 2 rows but queries has 3 labels"),
    "one string": (
        lambda: "the cat",
        "weights have 2 rows but queries has 7 labels, the letters of one string: "
        'for its words write "the cat".split()',
    ),
    "one string of bytes": (
        lambda: b"the cat",
        "weights have 2 rows but queries has 7 labels, the letters of one string: "
        'for its words write "the cat".split()',
    ),
    "a long string": (
        lambda: "the cat sat on the mat because it was tired and",
        "weights have 2 rows but queries has 47 labels, the letters of one string: "
        "for its words write queries.split()",
    ),
    "a string with quotes": (
        lambda: 'the "cat"',
        "weights have 2 rows but queries has 9 labels, the letters of one string: "
        "for its words write queries.split()",
    ),
    "a generator of too few": (lambda: iter("a"), "weights have 2 rows but queries has 1 labels"),
    "ids": (lambda: torch.arange(3), "weights have 2 rows but queries has 3 labels"),
    "ids of several sequences": (
        lambda: torch.ones(3, 2),
        "queries must be a sequence of labels, got shape (3, 2): give one sequence, queries[0]",
    ),
    "a sparse tensor": (
        lambda: WEIGHTS.to_sparse(),
        "queries must be a sequence of labels, got shape (2, 2): give one sequence, queries[0]",
    ),
    "one id": (lambda: torch.tensor(101), "queries must be a sequence of labels, got shape ()"),
    "a number": (lambda: 2, "queries must be a sequence of labels, got int"),
    "a function": (lambda: str.split, "queries must be a sequence of labels, got method_descriptor"),
    "a set": (lambda: {"the", "cat"}, "queries are a set, which has no order: write sorted(queries)"),
    "a dict": (
        lambda: {"the": 0, "cat": 1},
        "queries must be a sequence of labels, got dict: write list(queries)",
    ),
    "what a tokenizer returns": (
        lambda: UserDict(input_ids=torch.ones(1, 2)),
        'queries must be a sequence of labels, got UserDict: write queries["input_ids"]',
    ),
}


@pytest.mark.parametrize("name", LABELS_REFUSED)
def test_labels_that_do_not_fit_are_answered_in_words(name):
    make, message = LABELS_REFUSED[name]
    heatmap = AttentionHeatmap(WEIGHTS, ["old", "labels"])
    for show in (AttentionMap, heatmap.update):
        with pytest.raises(ValueError) as refusal:
            show(WEIGHTS, queries=make())
        assert str(refusal.value) == message
    assert heatmap.query_labels == ["old", "labels"]


# ---------------------------------------------------------------- tables


def table():
    return Table([[0.25, 0.75, 0.0], [1.0, 0.0, 0.0]], ["the", 7], ["x", "y", ("z", 1)])


def test_a_table_labels_its_map():
    heatmap = AttentionHeatmap(table())
    assert heatmap.query_labels == ["the", "7"] and heatmap.key_labels == ["x", "y", "('z', 1)"]
    assert AttentionHeatmap([table()]).query_labels == ["the", "7"]
    heatmap = AttentionHeatmap(table(), ["a", "b"])
    assert heatmap.query_labels == ["a", "b"] and heatmap.key_labels == ["x", "y", "('z', 1)"]
    square = AttentionHeatmap(Table(WEIGHTS, ["a", "b"], ["x", "y"]))
    assert (square.query_labels, square.key_labels) == (["a", "b"], ["x", "y"])


def test_labels_of_a_table_stay_as_given_ones_and_give_way_to_another_tables():
    heatmap = AttentionHeatmap(WEIGHTS, ["old", "labels"])
    heatmap.weights = table()
    assert heatmap.query_labels == ["the", "7"]
    heatmap.weights = torch.rand(2, 3)
    assert heatmap.query_labels == ["the", "7"] and heatmap.key_labels[:2] == ["x", "y"]
    heatmap.update(table(), queries=["a", "b"])
    assert heatmap.query_labels == ["a", "b"]


def test_a_table_of_pandas():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(WEIGHTS.numpy(), index=["the", "cat"], columns=["x", "y"])
    heatmap = AttentionHeatmap(frame)
    assert torch.equal(heatmap.weights, WEIGHTS)
    assert (heatmap.query_labels, heatmap.key_labels) == (["the", "cat"], ["x", "y"])
    assert AttentionHeatmap(frame, frame.index, pandas.Series(["a", "b"])).key_labels == ["a", "b"]
    assert AttentionHeatmap(WEIGHTS, allowed=frame > 0.2).allowed.tolist() == [[True, True], [True, False]]
    with pytest.raises(ValueError, match="got DataFrame"):
        AttentionHeatmap(frame.astype(str))
