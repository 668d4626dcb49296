"""What the learner wrote: is it still the stub, and which of its lines to look at."""

import ast
import dis
import inspect
import io
import re
import textwrap
import tokenize
from collections.abc import Callable, Iterator

from torch import nn


def untouched(answer) -> bool:
    """Whether nothing has been written yet: `...` itself, or a function whose body is only that."""
    if answer is None or answer is ...:
        return True
    code = getattr(inspect.unwrap(answer) if callable(answer) else answer, "__code__", None)
    return code is not None and _says_nothing(code)


def placeholder(answer) -> tuple[int, str] | None:
    """Number and text of the first line that is still `name = ...`; None if there is none."""
    return next(((n, line) for n, line in lines(answer) if re.search(r"=\s*\.\.\.\s*$", line)), None)


def line_to_look_at(answer, *patterns: str) -> tuple[int, str] | None:
    """Number and text of the line that matches the first pattern that any line matches.

    Lines are counted from the top of the notebook cell, or of the file. None if the source is not known.
    """
    written = list(lines(answer))
    for pattern in patterns:
        for n, line in written:
            if re.search(pattern, line):
                return n, line
    return None


def lines(answer) -> Iterator[tuple[int, str]]:
    """The learner's lines of code, numbered, without comments and docstrings."""
    for function in _functions(answer):
        try:
            source, first = inspect.getsourcelines(function)
        except (OSError, TypeError):
            continue  # typed at a prompt that keeps no source
        text = "".join(source)
        comments, said = _comments(text), _docstring(text)
        for i, line in enumerate(source):
            code = line[: comments.get(i + 1, len(line))].strip()
            if code and i + 1 not in said:
                yield first + i, code


def _functions(answer) -> list[Callable]:
    """The functions that make up an answer: itself, or the methods of a class, the called one first."""
    if isinstance(answer, nn.Module):
        answer = type(answer)
    if not inspect.isclass(answer):
        return [inspect.unwrap(answer)] if callable(answer) else []
    own = [f for f in vars(answer).values() if inspect.isfunction(f)]
    return sorted(own, key=lambda f: f.__name__ != "forward")


def _says_nothing(code) -> bool:
    """`...`, `pass`, `return ...` or only a docstring: the bytecode does no more than return."""
    quiet = {"RESUME", "NOP", "CACHE", "LOAD_CONST", "RETURN_VALUE", "RETURN_CONST", "LOAD_COMMON_CONSTANT"}
    return all(step.opname in quiet for step in dis.get_instructions(code)) and not any(
        value is not None and value is not ... for value in _returned(code)
    )


def _returned(code) -> list:
    steps = [s for s in dis.get_instructions(code) if s.opname in ("LOAD_CONST", "RETURN_CONST")]
    return [s.argval for s in steps]


def _comments(text: str) -> dict[int, int]:
    """Where the comment begins, by line."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(textwrap.dedent(text)).readline))
    except (tokenize.TokenError, SyntaxError):
        return {}
    indent = len(text) - len(text.lstrip()) if text[:1].isspace() else 0
    return {t.start[0]: t.start[1] + indent for t in tokens if t.type == tokenize.COMMENT}


def _docstring(text: str) -> set[int]:
    """The lines of the docstring."""
    try:
        body = ast.parse(textwrap.dedent(text)).body[0].body
        first = body[0]
    except (SyntaxError, AttributeError, IndexError, TypeError):
        return set()
    if (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    ):
        return set(range(first.lineno, first.end_lineno + 1))
    return set()
