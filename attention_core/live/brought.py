"""What people bring to a map, made numbers and words: a model's layers, a table, ids, a generator."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np
import torch

from attention_core._saying import a

LISTS = (list, tuple)
DENSE = ("to_numpy", "toarray", "todense")  # of tables, and of sparse arrays that are not torch's


def maps(name: str, x: Any) -> np.ndarray:
    """`(n_q, n_k)` or `(heads, n_q, n_k)`, float32, a copy: leading dimensions of 1 are dropped.

    Raises: ValueError, with what to write instead, for several layers or sequences, and as `numbers`.
    """
    array = numbers(name, _one(name, x))
    if array.ndim > 3 and set(array.shape[:-3]) == {1}:
        return array.reshape(array.shape[-3:])
    return array


def numbers(name: str, x: Any) -> np.ndarray:
    """A copy of `x` as float32, whatever holds it; raises ValueError unless it holds real numbers."""
    array = array_of(name, x)
    if array.dtype.kind == "c":
        size = f"np.abs({name})" if isinstance(x, LISTS) else f"abs({name})"
        raise ValueError(f"{name} are complex numbers, {array.dtype}: show how large they are, {size}")
    with np.errstate(over="ignore"):  # a number too large for float32 is infinite, as in torch
        return np.array(array, np.float32, order="C")


def booleans(name: str, x: Any, shape: tuple[int, ...]) -> np.ndarray:
    """A copy of the mask, broadcast to `shape`; leading dimensions of 1 that are too many are dropped.

    Raises: ValueError unless it is boolean and fits.
    """
    wanted = "boolean (True means may look)"
    array = array_of(name, _one(name, x), wanted)
    if array.dtype != bool:
        got = x.dtype if isinstance(x, torch.Tensor) else array.dtype
        raise ValueError(f"{name} must be {wanted}, got {got}")
    extra = array.ndim - len(shape)
    fits = array.reshape(array.shape[extra:]) if extra > 0 and set(array.shape[:extra]) == {1} else array
    try:
        return np.array(np.broadcast_to(fits, shape), order="C")
    except ValueError:
        raise ValueError(f"{name} has shape {array.shape}, which does not fit weights {shape}") from None


def texts(name: str, labels: Any, n: int, what: str) -> tuple[str, ...]:
    """The `n` labels as text: of a list, an array or tensor of ids `(n,)` or `(1, n)`, a generator.

    Raises: ValueError if there are not `n` of them, or if `labels` is no sequence.
    """
    listed = _listed(name, labels, n)
    if len(listed) != n:
        held = f"more than {n}" if isinstance(labels, Iterator) and len(listed) > n else len(listed)
        said = f"weights have {n} {what} but {name} has {held} labels"
        if isinstance(labels, str | bytes):
            said += f", the letters of one string: for its words write {_split(name, labels)}"
        raise ValueError(said)
    return tuple(_text(label) for label in listed)


def labels_of(x: Any) -> dict[str, list]:
    """The labels that a table (a pandas `DataFrame`) brings along; nothing for what is not one."""
    while isinstance(x, LISTS) and len(x) == 1:
        x = x[0]
    if all(hasattr(x, name) for name in ("to_numpy", "index", "columns")) and not callable(x.index):
        return {"queries": list(x.index), "keys": list(x.columns)}
    return {}


# ---------------------------------------------------------------- one thing to show, out of several


def _one(name: str, x: Any) -> Any:
    """What is to be shown: of a list of one layer that layer; heads and rows in a list, stacked."""
    depth, leaf = 0, x
    while isinstance(leaf, LISTS) and len(leaf):
        depth, leaf = depth + 1, leaf[0]
    _refuse_what_holds_maps(name, leaf, "[0]" * depth)
    n_dim = dimensions(leaf)
    if depth == 0 or n_dim == 0:
        return x
    if len(x) == 1 and depth + n_dim > 3:
        return _one(name, x[0])
    if any(part is None for part in x):
        refuse_none(name, x)
    if isinstance(x, tuple) and len(x) == 2 and depth == 1:
        _refuse_pair(name, *x)
    if depth > 1 and depth + n_dim > 3:
        raise ValueError(f"{name} are {len(x)} × {len(x[0])} maps: show one, {name}{'[0]' * depth}")
    parts = [_one(f"{name}[{i}]", part) if depth > 1 else part for i, part in enumerate(x)]
    shapes = [tuple(getattr(part, "shape", ())) for part in parts]
    if depth + n_dim > 3:
        raise ValueError(_several_layers(name, leaf, shapes))
    if different := [shape for shape in shapes if shape != shapes[0]]:
        raise ValueError(
            f"{name} are {len(x)} arrays of different shapes, {shapes[0]} and {different[0]}: "
            f"show one, {name}[0]"
        )
    return np.stack([array_of(f"{name}[{i}]", part) for i, part in enumerate(parts)])


def _refuse_pair(name: str, first: Any, second: Any) -> None:
    """Raises ValueError for what an attention function or a model returns: of two things, the second."""
    shapes = tuple(getattr(first, "shape", ())), tuple(getattr(second, "shape", ()))
    if (shapes[0] == shapes[1] and len(shapes[0]) != 2) or 1 in map(len, shapes):
        return  # two layers, or two rows
    held = shapes[1] or a(second)
    said = f"{name} are a pair, {shapes[0]} and {held}: of (output, weights) show the second, {name}[1]"
    raise ValueError(
        f"{said}; two heads are {_joined(first, 'stack')}({name})" if shapes[0] == shapes[1] else said
    )


def _several_layers(name: str, leaf: Any, shapes: list[tuple[int, ...]]) -> str:
    shape, every = shapes[0], len(set(shapes)) == 1
    one_sequence = len(shape) == 3 or shape[0] == 1
    said = f"{name} are {len(shapes)} layers, {shape}{' each' if every else ' the first'}: show one, "
    if not one_sequence:
        return f"{said}{name}[0][0]"
    maps = f"[w[0] for w in {name}]" if len(shape) == 4 else name
    return f"{said}{name}[0]" + (f", or all at once, {_joined(leaf, 'cat')}({maps})" if every else "")


def _joined(leaf: Any, how: str) -> str:
    if isinstance(leaf, torch.Tensor):
        return f"torch.{how}"
    return "np.stack" if how == "stack" else "np.concatenate"


def _refuse_what_holds_maps(name: str, x: Any, where: str) -> None:
    """Raises ValueError for a model's output or a dict: the maps are inside."""
    if x is None and where:
        refuse_none(name, [None])
    if isinstance(x, torch.Tensor | np.ndarray):
        return
    if hasattr(x, "attentions"):
        inside = f"{name}{where}.attentions"
        raise ValueError(
            f"{name} are {a(x)}, whose maps are in {inside}, one a layer: show one, {inside}[0]"
            if x.attentions is not None
            else f"{name} are {a(x)} without maps: {EAGER}"
        )
    if isinstance(x, Mapping):
        if not x:
            raise ValueError(f"{name} are an empty {type(x).__name__}")
        named = [key for key in x if any(word in str(key) for word in ("attention", "weights"))]
        one = f"{name}{where}[{(named or list(x))[0]!r}]"
        held = [*map(repr, islice(x, 6)), *(["…"] if len(x) > 6 else [])]
        raise ValueError(f"{name} are {a(x)} of {', '.join(held)}: show one, {one}")


EAGER = (
    "a model of transformers gives them when it is called with output_attentions=True "
    'and was loaded with attn_implementation="eager"'
)


def refuse_none(name: str, x: Any) -> None:
    """Raises ValueError that says which of several maps are None, and what gives them."""
    if all(part is None for part in x):
        raise ValueError(f"{name} hold None, no numbers: {EAGER}")
    i = next(i for i, part in enumerate(x) if part is None)
    raise ValueError(f"{name}[{i}] is None, no map: show one that is, {name}[{0 if i else 1}]")


def dimensions(x: Any) -> int:
    """Of a tensor or an array; 0 of what has none."""
    return getattr(x, "ndim", 0) if isinstance(getattr(x, "ndim", 0), int) else 0


# ---------------------------------------------------------------- numbers


def array_of(name: str, x: Any, wanted: str = "a tensor or an array of numbers") -> np.ndarray:
    """The numbers of `x`, not always a copy; raises ValueError where there are none."""
    refused = f"{name} must be {wanted}, got {type(x).__name__}"
    try:
        array = _opened(name, x)
    except _Refused:
        raise
    except Exception as error:  # another library's own way to say no, or rows of different lengths
        raise ValueError(refused + _why(name, x)) from error
    if array.dtype.kind in "biufc":
        return array
    if array.dtype.kind in "OV" and array.dtype.names is None and array.size and array.ndim:
        held = array.ravel().tolist() if array.dtype.kind == "O" else []
        if any(number is None for number in held):
            where = "".join(f"[{i}]" for i in np.unravel_index(held.index(None), array.shape))
            raise ValueError(f"{name}{where} is None: where there is no number, write float('nan')")
        if not any(isinstance(number, str | bytes) for number in held):
            try:
                return array.astype(np.float32)  # fractions, and the half precisions that numpy has not
            except (TypeError, ValueError):
                pass
    raise ValueError(refused + _why(name, x))


class _Refused(ValueError):
    """A refusal in words of our own, which needs no others."""


def _opened(name: str, x: Any) -> np.ndarray:
    if isinstance(x, torch.Tensor):
        return _of_torch(name, x)
    if isinstance(x, np.ma.MaskedArray) and np.ma.is_masked(x):
        raise _Refused(
            f"{name} are a masked array: give numbers and mask, {name}.filled(0) and allowed=~{name}.mask"
        )
    for how in DENSE:
        if callable(getattr(x, how, None)):
            return np.asarray(getattr(x, how)())
    leaf = x
    while isinstance(leaf, LISTS) and len(leaf):
        leaf = leaf[0]
    if isinstance(leaf, torch.Tensor) and leaf is not x:
        return np.asarray(_items(x))
    return np.asarray(x)


def _items(x: Any) -> Any:
    """Lists of numbers, where they were lists of tensors of one number."""
    if isinstance(x, LISTS):
        return [_items(part) for part in x]
    return x.item() if isinstance(x, torch.Tensor) and x.ndim == 0 else x


def _of_torch(name: str, x: torch.Tensor) -> np.ndarray:
    if x.is_nested:
        raise _Refused(f"{name} are a nested tensor: show one part of it, {name}[0]")
    if x.is_meta:
        raise _Refused(f"{name} are on the device “meta”, which keeps shapes and no numbers")
    x = x.detach()
    if x.is_quantized:
        x = x.dequantize()
    if x.layout != torch.strided:
        x = x.to_dense()
    x = x.cpu().resolve_conj().resolve_neg()
    return (x if x.dtype == torch.bool or x.is_complex() else x.to(torch.float32)).numpy()


def _why(name: str, x: Any) -> str:
    if isinstance(x, Iterator):
        return f": write list({name})"
    uneven = _uneven(x)
    return f": its rows have {uneven[0]} and {uneven[1]} numbers" if uneven else ""


def _uneven(x: Any) -> tuple[int, int] | None:
    """Two lengths of rows that should be of one."""
    if not isinstance(x, LISTS) or not all(isinstance(row, LISTS) for row in x):
        return None
    lengths = list(dict.fromkeys(len(row) for row in x))
    if len(lengths) > 1:
        return lengths[0], lengths[1]
    return next(filter(None, map(_uneven, x)), None)


# ---------------------------------------------------------------- labels


def _listed(name: str, labels: Any, n: int) -> list:
    """The labels one by one: a generator is asked once, and for no more than can be told apart from right."""
    if isinstance(labels, str | bytes):
        return [labels[i : i + 1] for i in range(len(labels))]
    if isinstance(labels, Iterator):
        return list(islice(labels, n + 1))
    if isinstance(labels, Mapping):
        ids = f'{name}["input_ids"]' if "input_ids" in labels else f"list({name})"
        raise ValueError(f"{name} must be a sequence of labels, got {type(labels).__name__}: write {ids}")
    if isinstance(labels, set | frozenset):
        raise ValueError(f"{name} are a set, which has no order: write sorted({name})")
    if isinstance(labels, torch.Tensor | np.ndarray) or hasattr(labels, "__array__"):
        return _ids(name, labels)
    if not isinstance(labels, Iterable):
        raise ValueError(f"{name} must be a sequence of labels, got {type(labels).__name__}")
    listed = list(labels)
    if len(listed) == 1 and n != 1 and (isinstance(listed[0], LISTS) or dimensions(listed[0])):
        return _listed(name, listed[0], n)  # a batch of one sequence
    return listed


def _ids(name: str, labels: Any) -> list:
    shape = tuple(getattr(labels, "shape", None) or np.shape(labels))
    if len(shape) != 1 and (len(shape) != 2 or shape[0] != 1):
        pick = f": give one sequence, {name}[0]" if len(shape) == 2 else ""
        raise ValueError(f"{name} must be a sequence of labels, got shape {shape}{pick}")
    if isinstance(labels, torch.Tensor):
        labels = labels.detach().cpu().to_dense()
        labels = (labels.float() if labels.is_floating_point() else labels).numpy()
    return list(np.asarray(labels).reshape(-1))


def _split(name: str, labels: str | bytes) -> str:
    """What to write for the words of one string: itself if it is short, or its name."""
    words = labels if isinstance(labels, str) else labels.decode(errors="replace")
    if len(words) <= 40 and words.isprintable() and not set(words) & set('"\\'):
        return f'"{words}".split()'
    return f"{name}.split()" if isinstance(labels, str) else f"{name}.decode().split()"


def _text(label: Any) -> str:
    if isinstance(label, bytes):
        return label.decode(errors="replace")
    return str(label.item() if isinstance(label, torch.Tensor) and label.ndim == 0 else label)
