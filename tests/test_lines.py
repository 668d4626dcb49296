"""The line a check points at: of answers as text, as learners write them, the one that holds the mistake."""

import itertools
import linecache
import math

import pytest
import torch

from attention_core.practice import check

_HERE = "  # <-"
_NUMBERS = itertools.count()

TABLES = [
    (
        "base-over",
        """
def my_sinusoidal_table(n, dim, base=10000.0):
    positions = torch.arange(n)[:, None]
    omega = base ** (torch.arange(0, dim, 2) / dim)  # <-
    table = torch.empty(n, dim)
    table[:, 0::2] = (positions * omega).sin()
    table[:, 1::2] = (positions * omega).cos()
    return table
""",
    ),
    (
        "base-over",
        """
def my_sinusoidal_table(n, dim, base=10000.0):
    positions = torch.arange(n)[:, None]
    omega = base ** (-torch.arange(0, dim, 2) / dim)
    angles = positions / omega  # <-
    table = torch.empty(n, dim)
    table[:, 0::2] = angles.sin()
    table[:, 1::2] = angles.cos()
    return table
""",
    ),
    (
        "base-over",
        """
def my_sinusoidal_table(n, dim, base=10000.0):
    positions = torch.arange(n)[:, None].float()
    omega = 1.0 / base ** (torch.arange(0, dim, 2).float() / dim)
    table = torch.empty(n, dim)
    table[:, 0::2] = torch.sin(positions / omega)  # <-
    table[:, 1::2] = torch.cos(positions / omega)
    return table
""",
    ),
    (
        "base-over",
        """
def my_sinusoidal_table(n, dim, base=10000.0):
    positions = torch.arange(n)[:, None].float()
    angles = positions * base ** (torch.arange(0, dim, 2) / dim)  # <-
    return torch.stack((angles.sin(), angles.cos()), -1).flatten(1)
""",
    ),
    (
        "base-over",
        """
def my_sinusoidal_table(n, dim, base=10000.0):
    table = torch.zeros(n, dim)
    for p in range(n):
        for i in range(dim // 2):
            table[p, 2 * i] = math.sin(p * base ** (2 * i / dim))  # <-
            table[p, 2 * i + 1] = math.cos(p * base ** (2 * i / dim))
    return table
""",
    ),
    (
        "base-over",
        """
def my_sinusoidal_table(n, dim, base=10000.0):
    table = torch.zeros(n, dim)
    for p in range(n):
        for i in range(dim // 2):
            angle = p * base ** (2 * i / dim)  # <-
            table[p, 2 * i] = math.sin(angle)
            table[p, 2 * i + 1] = math.cos(angle)
    return table
""",
    ),
    (
        "base-over",
        """
def my_sinusoidal_table(n, dim, base=10000.0):
    positions = torch.arange(n)[:, None]
    omega = torch.exp(torch.arange(0, dim, 2) * math.log(base) / dim)  # <-
    table = torch.empty(n, dim)
    table[:, 0::2] = (positions * omega).sin()
    table[:, 1::2] = (positions * omega).cos()
    return table
""",
    ),
    (
        "cosine-first",
        """
def my_sinusoidal_table(n, dim, base=10000.0):
    positions = torch.arange(n)[:, None]
    omega = base ** (-torch.arange(0, dim, 2) / dim)
    table = torch.empty(n, dim)
    table[:, 0::2] = (positions * omega).cos()  # <-
    table[:, 1::2] = (positions * omega).sin()
    return table
""",
    ),
    (
        "concatenated",
        """
def my_sinusoidal_table(n, dim, base=10000.0):
    positions = torch.arange(n)[:, None]
    omega = base ** (-torch.arange(0, dim, 2) / dim)
    table = torch.empty(n, dim)
    half = dim // 2
    table[:, :half] = (positions * omega).sin()  # <-
    table[:, half:] = (positions * omega).cos()
    return table
""",
    ),
    (
        "counted-from-1",
        """
def my_sinusoidal_table(n, dim, base=10000.0):
    positions = torch.arange(1, n + 1)[:, None]  # <-
    i = torch.arange(0, dim, 2)
    omega = base ** (-i / dim)
    table = torch.empty(n, dim)
    table[:, 0::2] = (positions * omega).sin()
    table[:, 1::2] = (positions * omega).cos()
    return table
""",
    ),
    (
        "no-pairs",
        """
def my_sinusoidal_table(n, dim, base=10000.0):
    positions = torch.arange(n)[:, None]
    i = torch.arange(dim)
    omega = base ** (-i / dim)  # <-
    angles = positions * omega
    table = torch.zeros(n, dim)
    table[:, 0::2] = angles[:, 0::2].sin()
    table[:, 1::2] = angles[:, 1::2].cos()
    return table
""",
    ),
    (
        "power-first",
        """
def my_sinusoidal_table(n, dim, base=10000.0):
    p = torch.arange(n).unsqueeze(1)
    i = torch.arange(0, dim, 2)
    angles = p / base ** i / dim  # <-
    table = torch.zeros(n, dim)
    table[:, 0::2] = angles.sin()
    table[:, 1::2] = angles.cos()
    return table
""",
    ),
    (
        "cosine-of-the-sine",
        """
def my_sinusoidal_table(n, dim, base=10000.0):
    p = torch.arange(n).unsqueeze(1)
    i = torch.arange(0, dim, 2)
    angles = p / base ** (i / dim)
    table = torch.zeros(n, dim)
    table[:, 0::2] = angles.sin()
    table[:, 1::2] = table[:, 0::2].cos()  # <-
    return table
""",
    ),
]
ROTATIONS = [
    (
        "one-sign",
        """
def rotate(x, base=10000.0):
    n, dim = x.shape[-2:]
    angles = torch.arange(n)[:, None] * base ** (-torch.arange(0, dim, 2) / dim)
    a, b = x[..., 0::2], x[..., 1::2]
    first = a * angles.cos() + b * angles.sin()  # <-
    second = a * angles.sin() + b * angles.cos()
    return torch.stack((first, second), dim=-1).flatten(-2)
""",
    ),
    (
        "one-sign",
        """
def rotate(x, base=10000.0):
    n, dim = x.shape[-2:]
    angles = torch.arange(n)[:, None] * base ** (-torch.arange(0, dim, 2) / dim)
    a, b = x[..., 0::2], x[..., 1::2]
    first = a * angles.cos() - b * angles.sin()
    second = a * angles.sin() - b * angles.cos()  # <-
    return torch.stack((first, second), dim=-1).flatten(-2)
""",
    ),
    (
        "clockwise",
        """
def rotate(x, base=10000.0):
    n, dim = x.shape[-2:]
    angles = torch.arange(n)[:, None] * base ** (-torch.arange(0, dim, 2) / dim)
    a, b = x[..., 0::2], x[..., 1::2]
    cos, sin = angles.cos(), angles.sin()
    turned = torch.empty_like(x)
    turned[..., 0::2] = a * cos + b * sin  # <-
    turned[..., 1::2] = b * cos - a * sin
    return turned
""",
    ),
    (
        "clockwise",
        """
def rotate(x, base=10000.0):
    n, dim = x.shape[-2:]
    p = torch.arange(n)[:, None]
    omega = base ** (-torch.arange(0, dim, 2) / dim)
    cos, sin = (p * omega).cos(), -(p * omega).sin()  # <-
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)
""",
    ),
    (
        "clockwise",
        """
def rotate(x, base=10000.0):
    n, dim = x.shape[-2:]
    p = torch.arange(n)[:, None]
    omega = base ** (-torch.arange(0, dim, 2) / dim)
    angles = -p * omega  # <-
    cos, sin = angles.cos(), angles.sin()
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)
""",
    ),
    (
        "sine-and-cosine-exchanged",
        """
def rotate(x, base=10000.0):
    n, dim = x.shape[-2:]
    p = torch.arange(n)[:, None]
    omega = base ** (-torch.arange(0, dim, 2) / dim)
    sin, cos = (p * omega).cos(), (p * omega).sin()  # <-
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)
""",
    ),
    (
        "overwritten",
        """
def rotate(x, base=10000.0):
    n, dim = x.shape[-2:]
    p = torch.arange(n)[:, None]
    omega = base ** (-torch.arange(0, dim, 2) / dim)
    cos, sin = (p * omega).cos(), (p * omega).sin()
    a, b = x[..., 0::2], x[..., 1::2]
    a = a * cos - b * sin
    b = a * sin + b * cos  # <-
    return torch.stack((a, b), -1).flatten(-2)
""",
    ),
    (
        "overwritten",
        """
def rotate(x, base=10000.0):
    n, dim = x.shape[-2:]
    p = torch.arange(n)[:, None]
    omega = base ** (-torch.arange(0, dim, 2) / dim)
    cos, sin = (p * omega).cos(), (p * omega).sin()
    y = x.clone()
    y[..., 0::2] = y[..., 0::2] * cos - y[..., 1::2] * sin
    y[..., 1::2] = y[..., 0::2] * sin + y[..., 1::2] * cos  # <-
    return y
""",
    ),
    (
        "base-over",
        """
def rotate(x, base=10000.0):
    n, dim = x.shape[-2:]
    p = torch.arange(n)[:, None]
    omega = base ** (torch.arange(0, dim, 2) / dim)  # <-
    cos, sin = (p * omega).cos(), (p * omega).sin()
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)
""",
    ),
    (
        "base-over",
        """
def rotate(x, base=10000.0):
    n, dim = x.shape[-2:]
    p = torch.arange(n)[:, None]
    w = base ** (-torch.arange(0, dim, 2) / dim)
    angles = p / w  # <-
    cos, sin = angles.cos(), angles.sin()
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)
""",
    ),
    (
        "base-over",
        """
def rotate(x, base=10000.0):
    n, dim = x.shape[-2:]
    p = torch.arange(n)[:, None]
    omega = base ** (-torch.arange(0, dim, 2) / dim)
    angles = p / omega  # <-
    cos, sin = angles.cos(), angles.sin()
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)
""",
    ),
    (
        "base-over",
        """
def rotate(x, base=10000.0):
    n, dim = x.shape[-2:]
    p = torch.arange(n)[:, None]
    angles = p * base ** (torch.arange(0, dim, 2) / dim)  # <-
    cos, sin = angles.cos(), angles.sin()
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)
""",
    ),
    (
        "base-over",
        """
def rotate(x, base=10000.0):
    n, dim = x.shape[-2:]
    p = torch.arange(n)[:, None]
    omega = 1 / base ** (torch.arange(0, dim, 2) / dim)
    angles = p / omega  # <-
    a, b = x[..., 0::2], x[..., 1::2]
    first = a * angles.cos() - b * angles.sin()
    second = a * angles.sin() + b * angles.cos()
    return torch.stack((first, second), -1).flatten(-2)
""",
    ),
    (
        "not-taking-turns",
        """
def rotate(x, base=10000.0):
    n, dim = x.shape[-2:]
    p = torch.arange(n)[:, None]
    omega = base ** (-torch.arange(0, dim, 2) / dim)
    angles = p * omega
    a, b = x[..., 0::2], x[..., 1::2]
    first = a * angles.cos() - b * angles.sin()
    second = a * angles.sin() + b * angles.cos()
    return torch.cat((first, second), -1)  # <-
""",
    ),
    (
        "read-as-halves",
        """
def rotate(x, base=10000.0):
    n, dim = x.shape[-2:]
    p = torch.arange(n)[:, None]
    omega = base ** (-torch.arange(0, dim, 2) / dim)
    angles = p * omega
    a, b = x.chunk(2, dim=-1)  # <-
    first = a * angles.cos() - b * angles.sin()
    second = a * angles.sin() + b * angles.cos()
    return torch.stack((first, second), -1).flatten(-2)
""",
    ),
    (
        "reflected",
        """
def rotate(x, base=10000.0):
    n, dim = x.shape[-2:]
    p = torch.arange(n)[:, None]
    omega = base ** (-torch.arange(0, dim, 2) / dim)
    angles = p * omega
    a, b = x[..., 0::2], x[..., 1::2]
    first = a * angles.cos() + b * angles.sin()  # <-
    second = a * angles.sin() - b * angles.cos()
    return torch.stack((first, second), -1).flatten(-2)
""",
    ),
    (
        "one-sign",
        """
def rotate(x, base=10000.0):
    n, dim = x.shape[-2:]
    out = torch.zeros_like(x)
    for p in range(n):
        for i in range(dim // 2):
            t = p / base ** (2 * i / dim)
            c, s = math.cos(t), math.sin(t)
            a, b = x[..., p, 2 * i], x[..., p, 2 * i + 1]
            out[..., p, 2 * i] = a * c + b * s  # <-
            out[..., p, 2 * i + 1] = a * s + b * c
    return out
""",
    ),
    (
        "base-over",
        """
def rotate(x, base=10000.0):
    n, dim = x.shape[-2:]
    out = torch.zeros_like(x)
    for p in range(n):
        for i in range(dim // 2):
            t = p * base ** (2 * i / dim)  # <-
            c, s = math.cos(t), math.sin(t)
            a, b = x[..., p, 2 * i], x[..., p, 2 * i + 1]
            out[..., p, 2 * i] = a * c - b * s
            out[..., p, 2 * i + 1] = a * s + b * c
    return out
""",
    ),
]


def typed(text: str, name: str):
    """The function of this text, whose lines can be read, as those of a notebook's cell can."""
    place = f"<answer {next(_NUMBERS)}>"
    linecache.cache[place] = len(text), None, text.splitlines(keepends=True), place
    space = {"torch": torch, "math": math}
    exec(compile(text, place, "exec"), space)
    return space[name]


@pytest.mark.parametrize(
    "exercise, name, bug, text",
    [("sinusoidal_table", "my_sinusoidal_table", *row) for row in TABLES]
    + [("rotate", "rotate", *row) for row in ROTATIONS],
    ids=lambda part: part if "\n" not in part else "",
)
def test_the_mistake_is_named_and_its_line_pointed_at(exercise, name, bug, text):
    text = text.lstrip()
    (line,) = [n for n, code in enumerate(text.splitlines(), 1) if code.endswith(_HERE)]
    result = getattr(check, exercise)(typed(text, name))
    assert result.bug == bug
    assert result.where and result.where[0] == line, result
