"""What the learner wrote: is it still the stub, and which of its lines to look at."""

import ast
import contextlib
import dis
import inspect
import io
import itertools
import re
import textwrap
import tokenize
from collections.abc import Callable, Iterator

from torch import nn

CUT = r"no_grad|inference_mode|detach|\.data\b|requires_grad|set_grad_enabled"


def untouched(answer) -> bool:
    """Whether nothing has been written yet: `...` itself, or a function whose body is only that."""
    if answer is None or answer is ...:
        return True
    code = getattr(inspect.unwrap(answer) if callable(answer) else answer, "__code__", None)
    return code is not None and _says_nothing(code)


def placeholder(answer) -> tuple[int, str] | None:
    """Number and text of the first line that is still `name = ...`; None if there is none."""
    return next(((n, line) for n, line in lines(answer) if re.search(r"[=,]\s*\.\.\.$", line)), None)


def line_to_look_at(answer, *patterns: str) -> tuple[int, str] | None:
    """Number and text of the line that matches the first pattern that any line matches.

    Lines are counted from the top of the notebook cell, or of the file. The line of the `def` is passed
    over unless it is asked for. None if no line matches, or the source is not known.
    """
    written = list(lines(answer))
    for pattern in patterns:
        for n, line in written:
            if line.startswith("def ") == ("def" in pattern) and re.search(pattern, line):
                return n, line
    return None


def lines(answer) -> Iterator[tuple[int, str]]:
    """The learner's lines of code, numbered, without decorators, comments and docstrings."""
    for function in functions(answer):
        try:
            source, first = inspect.getsourcelines(function)
        except (OSError, TypeError):
            continue  # typed at a prompt that keeps no source
        text = textwrap.dedent("".join(source))
        begins, said, comments = _layout(text)
        for i, line in enumerate(text.splitlines(), 1):
            code = line[: comments.get(i, len(line))].strip()
            if code and i >= begins and i not in said:
                yield first + i - 1, code


def cuts(answer) -> bool:
    """Whether it says itself, in its lines or above them, that no gradient should go through."""
    written = " ".join(line for _, line in lines(answer))
    return bool(re.search(CUT, written)) or any(map(_decorated, functions(answer)))


def returns(answer) -> bool | None:
    """Whether any of its lines returns something that is not None; None if the source is not known.

    Of a `lambda`, what it calls to print is nothing.
    """
    function = next(iter(functions(answer)), None)
    try:
        every = ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function))))
    except (OSError, TypeError, SyntaxError):  # a lambda out of the middle of a call
        return None
    name = getattr(function, "__name__", "")
    for node in every:
        if isinstance(node, ast.Lambda) and name == "<lambda>":
            return not (isinstance(node.body, ast.Call) and ast.unparse(node.body.func) == "print")
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return any(x.value is not None and ast.unparse(x.value) != "None" for x in _returns(node))
    return None


def _returns(node: ast.AST) -> Iterator[ast.Return]:
    """Those of a function itself, not of functions within it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Return):
            yield child
        elif not isinstance(child, ast.FunctionDef | ast.Lambda | ast.ClassDef):
            yield from _returns(child)


def _decorated(function: Callable) -> bool:
    try:
        above = itertools.takewhile(
            lambda x: not x.lstrip().startswith("def "), inspect.getsourcelines(function)[0]
        )
    except (OSError, TypeError):
        return False
    return any(re.search(CUT, line) for line in above)


def functions(answer) -> list[Callable]:
    """The functions that make up an answer: itself, or the methods of a class, the called one first."""
    if isinstance(answer, nn.Module):
        answer = type(answer)
    if not inspect.isclass(answer):
        return [inspect.unwrap(answer)] if callable(answer) else []
    own = [f for f in vars(answer).values() if inspect.isfunction(f)]
    return sorted(own, key=lambda f: f.__name__ != "forward")


def _says_nothing(code) -> bool:
    """`...`, `pass`, `return ...` or only a docstring: the bytecode does no more than return."""
    quiet = {"RESUME", "NOP", "CACHE", "LOAD_CONST", "RETURN_VALUE", "RETURN_CONST"}
    steps = list(dis.get_instructions(code))
    constants = [step.argval for step in steps if step.opname in ("LOAD_CONST", "RETURN_CONST")]
    return all(step.opname in quiet for step in steps) and all(c is None or c is ... for c in constants)


def _layout(text: str) -> tuple[int, set[int], dict[int, int]]:
    """The line on which a function begins, the lines of its docstring, and where comments begin, by line."""
    begins, said, comments = 1, set(), {}
    with contextlib.suppress(SyntaxError, tokenize.TokenError):  # a lambda out of the middle of a call
        tokens = tokenize.generate_tokens(io.StringIO(text).readline)
        comments = {t.start[0]: t.start[1] for t in tokens if t.type == tokenize.COMMENT}
        body = ast.parse(text).body  # of several things where lines hold several statements
        if len(body) == 1 and isinstance(function := body[0], ast.FunctionDef):
            begins, first = function.lineno, function.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                said = set(range(first.lineno, first.end_lineno + 1))
    return begins, said, comments
