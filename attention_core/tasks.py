"""Toy tasks with exact solutions: what a tiny transformer can learn while one watches.

    task = Reverse(length=8)
    for x, y in task.batches(300, batch_size=64, seed=0):  # (64, 8) and (64, 8), whole numbers
        ...

The same seed gives the same batches, today and tomorrow, whatever else draws random numbers.
"""

import datetime
import re
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from attention_core._checks import check_whole, shape

IGNORE = -100  # the answer where none is determined; `cross_entropy` leaves it out by itself


@dataclass(frozen=True)
class Task:
    """Sequences `(batch, length)` of tokens from 0 to vocabulary − 1, each with an exact answer.

    A subclass says how a sequence is drawn, `sample`, and what its answer is, `solve`.
    """

    length: int = 8
    vocabulary: int = 10

    def __post_init__(self):
        self._keep_whole("length", 1)
        self._keep_whole("vocabulary", 2)

    def sample(self, batch_size: int, generator: torch.Generator) -> Tensor:
        """Random sequences `(batch_size, length)`."""
        return torch.randint(self.vocabulary, (batch_size, self.length), generator=generator)

    def solve(self, x: Tensor) -> Tensor:
        """The answers to `(batch, n)`, of the same shape; IGNORE where none is determined."""
        raise NotImplementedError

    def batches(self, steps: int, batch_size: int = 64, seed: int = 0) -> "Batches":
        """`steps` batches `(x, y)`, both `(batch_size, length)`; iterating again gives the same ones.

        Raises: ValueError for a negative number of steps, a batch below 1, or a seed that is none.
        """
        return Batches(self, steps, batch_size, seed)

    def _keep_whole(self, name: str, least: int) -> None:
        object.__setattr__(self, name, check_whole(name, getattr(self, name), least))  # it is frozen

    def _checked(self, x: Tensor) -> Tensor:
        if not isinstance(x, Tensor) or x.is_floating_point() or x.ndim != 2:
            got = f"{shape(x)} of {x.dtype}" if isinstance(x, Tensor) else type(x).__name__
            raise ValueError(f"x must be whole numbers of shape (batch, n), got {got}")
        return x


@dataclass(frozen=True)
class Copy(Task):
    """Say the sequence as it is: 3 1 4 → 3 1 4. Easy to look up, hard to remember.

    With `shortest` each batch has a length of its own, from `shortest` to `length`.
    """

    shortest: int | None = None

    def __post_init__(self):
        super().__post_init__()
        if self.shortest is not None:
            object.__setattr__(self, "shortest", check_whole("shortest", self.shortest, 1, self.length))

    def sample(self, batch_size: int, generator: torch.Generator) -> Tensor:
        """Random sequences `(batch_size, n)`, all of one length."""
        n = self.length
        if self.shortest is not None:
            n = int(torch.randint(self.shortest, n + 1, (), generator=generator))
        return torch.randint(self.vocabulary, (batch_size, n), generator=generator)

    def solve(self, x: Tensor) -> Tensor:
        """`(batch, n)` → the same."""
        return self._checked(x).clone()


class Reverse(Task):
    """Say the sequence backwards: 3 1 4 → 4 1 3. Where to look is a matter of position alone."""

    def solve(self, x: Tensor) -> Tensor:
        """`(batch, n)` → `(batch, n)`, each row backwards."""
        return self._checked(x).flip(-1)


class Sort(Task):
    """Put the sequence in order: 3 1 4 → 1 3 4. Where to look is a matter of what is written there."""

    def solve(self, x: Tensor) -> Tensor:
        """`(batch, n)` → `(batch, n)`, each row from small to large."""
        return self._checked(x).sort(dim=-1).values


@dataclass(frozen=True)
class Repeat(Task):
    """A few random tokens, again and again: 7 2 9 7 2 9 7 → what comes next?

    How many they are, from `shortest` to `longest`, changes from row to row, so that no fixed distance
    helps: one has to look up what came after this token the last time. No token is in the few twice.
    The answer is determined from the first repeated token on, and IGNORE before.

    Source: Olsson et al. 2022, "In-context Learning and Induction Heads": the same token sequences,
    there of one length.
    """

    length: int = 20
    vocabulary: int = 16
    shortest: int = 4
    longest: int = 10

    def __post_init__(self):
        super().__post_init__()
        self._keep_whole("shortest", 2)
        self._keep_whole("longest", self.shortest)
        if self.longest > self.vocabulary:
            raise ValueError(f"longest={self.longest} different tokens, but vocabulary={self.vocabulary}")
        if self.longest >= self.length:
            raise ValueError(f"longest={self.longest} leaves nothing to repeat within length={self.length}")

    def sample(self, batch_size: int, generator: torch.Generator) -> Tensor:
        """Random sequences `(batch_size, length)`, each with a period of its own."""
        drawn = torch.rand(batch_size, self.vocabulary, generator=generator, dtype=torch.float32)
        order = drawn.argsort(-1)  # distinct tokens
        period = torch.randint(self.shortest, self.longest + 1, (batch_size, 1), generator=generator)
        return order.gather(-1, torch.arange(self.length) % period)  # (batch_size, length)

    def solve(self, x: Tensor) -> Tensor:
        """What followed the last earlier copy of each token: `(batch, n)` → `(batch, n)`, or IGNORE."""
        n = self._checked(x).shape[-1]
        earlier = torch.ones(n, n, dtype=torch.bool).tril(-1)  # (n, n): key before query
        same = (x[:, :, None] == x[:, None, :]) & earlier  # (batch, n, n)
        last = (same * torch.arange(n)).amax(-1)  # (batch, n): where the last copy stands
        return x.gather(-1, last + 1 if n > 1 else last).where(same.any(-1), IGNORE)


MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_FORMATS = (  # how a date may be written; a weekday is told by the calendar, and not checked
    "{day} {month} {year}",
    "{month} {day}, {year}",
    "{day} {mon} {year}",
    "{weekday}, {day} {month} {year}",
    "{day:02}.{number:02}.{year}",
    "the {day}. of {month} {year}",
)
_SLOTS = {
    "day": r"(?P<day>\d{1,2})",
    "number": r"(?P<number>\d{2})",
    "month": f"(?P<month>{'|'.join(MONTHS)})",
    "mon": f"(?P<mon>{'|'.join(month[:3] for month in MONTHS)})",
    "weekday": f"(?:{'|'.join(DAYS)})",
    "year": r"(?P<year>\d{4})",
}


def _pattern(form: str) -> re.Pattern:
    """What a text of this format looks like."""
    literal = re.split(r"\{(\w+)(?::\w+)?\}", form)  # words and slots take turns
    return re.compile("".join(_SLOTS[x] if i % 2 else re.escape(x) for i, x in enumerate(literal)))


_PATTERNS = tuple(map(_pattern, _FORMATS))


@dataclass(frozen=True)
class Dates:
    """Dates as people write them → as a machine does: “tuesday, 3 march 1998” → 1998-03-03, by letters.

    Six ways to write one, each as likely, and each day from `first_year` to `last_year`. A batch is
    `(x, y)`: x `(batch, n)`, letters of SOURCE, filled up with `pad` to the longest; y `(batch, 11)`,
    letters of TARGET, the last being `end`.

    Raises: ValueError for years that are not of four digits, or in the wrong order.
    """

    first_year: int = 1950
    last_year: int = 2023

    SOURCE: ClassVar[str] = "_ ,.-" + string.digits + string.ascii_lowercase
    TARGET: ClassVar[str] = "_^$-" + string.digits
    pad: ClassVar[int] = 0  # of both
    start: ClassVar[int] = 1  # of TARGET
    end: ClassVar[int] = 2  # of TARGET
    most: ClassVar[int] = 11  # letters of an answer, with its end

    def __post_init__(self):
        for name, least in (("first_year", 1000), ("last_year", self.first_year)):
            object.__setattr__(self, name, check_whole(name, getattr(self, name), least, 9999))

    def batches(self, steps: int, batch_size: int = 64, seed: int = 0) -> "Batches":
        """`steps` batches `(x, y)`, as those of any task; iterating again gives the same ones."""
        return Batches(self, steps, batch_size, seed)

    def sample(self, batch_size: int, generator: torch.Generator) -> Tensor:
        """Dates as people write them, `(batch_size, n)`."""
        first = datetime.date(self.first_year, 1, 1).toordinal()
        beyond = datetime.date(self.last_year, 12, 31).toordinal() + 1
        days = torch.randint(first, beyond, (batch_size,), generator=generator).tolist()
        forms = torch.randint(len(_FORMATS), (batch_size,), generator=generator).tolist()
        return self.encode([self.written(day, form) for day, form in zip(days, forms, strict=True)])

    def solve(self, x: Tensor) -> Tensor:
        """The exact answers, `(batch, n)` → `(batch, 11)`. Raises: ValueError for what is no date."""
        answers = [self.translate(self.decode(row, self.SOURCE)) for row in x]
        return torch.tensor([[*map(self.TARGET.index, answer), self.end] for answer in answers])

    def written(self, day: int, form: int) -> str:
        """Day number so-and-so of the calendar (`date.toordinal()`), in the format of that number, 0 to 5."""
        date = datetime.date.fromordinal(day)
        month = MONTHS[date.month - 1]
        return _FORMATS[form].format(
            day=date.day,
            number=date.month,
            month=month,
            mon=month[:3],
            year=date.year,
            weekday=DAYS[date.weekday()],
        )

    def translate(self, text: str) -> str:
        """The exact answer to one date: “3 Mar 1998” → “1998-03-03”.

        Raises: ValueError for what is written in none of the six ways, or is not in the calendar.
        """
        text = text.lower()
        found = next(filter(None, (pattern.fullmatch(text) for pattern in _PATTERNS)), None)
        if found is None:
            raise ValueError(f"“{text}” is none of the six ways to write a date")
        of = found.groupdict()
        number = int(of["number"]) if "number" in of else _month(of.get("month") or of["mon"])
        try:
            return datetime.date(int(of["year"]), number, int(of["day"])).isoformat()
        except ValueError:
            raise ValueError(f"“{text}” is not in the calendar") from None

    def encode(self, texts: str | Sequence[str]) -> Tensor:
        """Texts as letters of SOURCE, `(batch, n)`, each filled up with `pad`; capitals become small.

        Raises: ValueError for a letter that there is not.
        """
        rows = [text.lower() for text in ([texts] if isinstance(texts, str) else texts)]
        known = set(self.SOURCE[1:])
        if unknown := [letter for row in rows for letter in row if letter not in known]:
            raise ValueError(
                f"“{unknown[0]}” is no letter of these dates: they have a to z, 0 to 9, and “ ,.-”"
            )
        n = max(map(len, rows), default=0)
        full = [[*map(self.SOURCE.index, row), *[self.pad] * (n - len(row))] for row in rows]
        return torch.tensor(full, dtype=torch.long).reshape(len(rows), n)

    def decode(self, tokens: Tensor, letters: str = TARGET) -> str:
        """Tokens `(n,)` as text, without start and padding, up to the first end."""
        text = "".join(letters[token] for token in tokens.tolist())
        return text.split("$")[0].strip("_^")


def _month(name: str) -> int:
    return next(i for i, month in enumerate(MONTHS, start=1) if month.startswith(name))


class Batches:
    """The batches of a task: `len()` of them, the same each time they are iterated."""

    def __init__(self, task: Task | Dates, steps: int, batch_size: int, seed: int):
        self.task, self.steps = task, check_whole("steps", steps, 0)
        self.batch_size, self.seed = check_whole("batch_size", batch_size), check_whole("seed", seed, 0)

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        generator = torch.Generator().manual_seed(self.seed)
        for _ in range(self.steps):
            x = self.task.sample(self.batch_size, generator)  # (batch_size, length)
            yield x, self.task.solve(x)


def accuracy(logits: Tensor, y: Tensor) -> float:
    """The share of determined answers that the largest logit gets right, from 0 to 1.

    Args: logits: `(batch, n, vocabulary)`. y: `(batch, n)`, IGNORE where nothing is determined.
    Raises: ValueError if the shapes differ, or no answer is determined.
    """
    if logits.shape[:-1] != y.shape:
        raise ValueError(f"logits answer for {shape(logits)[:-1]} but y is {shape(y)}")
    determined = y != IGNORE
    if not determined.any():
        raise ValueError(f"none of the {y.numel()} answers is determined")
    return float((logits.argmax(-1) == y)[determined].float().mean())
