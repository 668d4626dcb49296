"""What a call did, in words: a sentence is one string with named slots, and is made where it is shown."""

from collections.abc import Mapping

import torch

from attention_core._calling import Failed

SENTENCES: Mapping[str, str] = {  # by `Failed.what`: clauses, so without a capital and a full stop
    "raised": "the function stopped with {kind}: {message}",
    "too long": "the function was ended after {seconds:g} seconds: is there a loop that never ends?",
    "nothing": "not finished yet: the function returns nothing",
    "empty part": "not finished yet: {part} is still empty",
    "not parts": "the function should return ({parts}); it returned {returned}",
    "not alone": "the function should return {part} alone; it returned {returned}",
    "not a tensor": "{part} should be a tensor; it is {got}",
    "sparse": "{part} should be a plain tensor; it is a sparse one",
    "shape": "{part} should have shape {wanted}; it has {got}",
    "columns first": "{part} should have shape {wanted}; it has {got}. Rows are queries, columns are keys",
    "out of order": "{part} should have shape {wanted}; it has {got}. The order is ({parts})",
    "not boolean": "{part} should be boolean; it holds {got}",
    "not numbers": "{part} should hold real numbers; it holds {got}",
}


def in_words(failure: Failed, sentences: Mapping[str, str] = SENTENCES, **more) -> str:
    """The clause that says it. `sentences` say some things in their own way, with `more` slots perhaps."""
    return _filled(_template(failure, sentences), failure.data | more)


def sentence(failure: Failed, sentences: Mapping[str, str] = SENTENCES, **more) -> str:
    """As `in_words`, but standing alone: with a capital, unless a name of the code comes first."""
    template = _template(failure, sentences)
    said = _filled(template[:1].upper() + template[1:], failure.data | more)
    ends = failure.error or said.endswith(("?", "."))  # an error's own words end as they do
    return said if ends else f"{said}."


def a(thing) -> str:
    """The kind of a thing, with its article: "a list", "an int"."""
    kind = type(thing).__name__
    return f"{'an' if kind[0] in 'aeiouAEIOU' or kind.startswith('nd') else 'a'} {kind}"


def number(x: float) -> str:
    """Two digits after the point, or two that count where it is very small or large; `−` for minus."""
    x = float(x)
    plain = f"{x:.2f}" if x == 0 or 0.01 <= abs(x) < 1e6 else f"{x:.2g}"
    return plain.replace("nan", "NaN").replace("inf", "∞").replace("-", "−")


def _template(failure: Failed, sentences: Mapping[str, str]) -> str:
    return sentences.get(failure.what) or SENTENCES[failure.what]


def _filled(template: str, data: Mapping[str, object]) -> str:
    return template.format(**{name: _slot(name, thing) for name, thing in data.items()})


def _slot(name: str, thing):
    """What fills a slot: words and numbers as they are, sizes as a tuple, what came back by its kind."""
    if name == "parts":
        return ", ".join(thing)
    if name == "wanted" or isinstance(thing, torch.Size):
        return f"({', '.join(map(_size, thing))}{',' if len(thing) == 1 else ''})"
    if isinstance(thing, torch.dtype):
        return str(thing).removeprefix("torch.")
    if name == "returned" and isinstance(thing, tuple | list):
        return f"{len(thing)} thing{'s' * (len(thing) != 1)}"
    return a(thing) if name in ("returned", "got") else thing


def _size(n: int | str) -> str:
    return "…" if n is ... else str(n)
