"""Dates in six formats, to be translated letter by letter."""

import datetime
import re
import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from attention_core._checks import check_whole
from attention_core.tasks.task import Batches

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
