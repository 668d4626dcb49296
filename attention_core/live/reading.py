"""What the cells of a map mean where they are no attention weights: the sentences that say so everywhere."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

SLOTS = {  # what may stand in braces, by the sentence
    "cell": ("query", "key", "number"),
    "row": ("query", "sum", "largest"),
    "caption": ("least", "largest"),
}
_SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Reading:
    """Sentences in place of those about attention. Words in braces are filled in.

    Args:
        cell: of one number, with {query}, {key} and {number}.
        row: the heading above a row's numbers, with {query}, and perhaps {sum} or {largest}.
        caption: below the map, perhaps with {least} and {largest} of all its numbers.
        number, rows, columns: what the numbers, the rows and the columns are, in a word or two.
        hidden: what a hatched cell is called.

    Raises: ValueError for another slot.
    """

    cell: str
    row: str
    caption: str
    number: str = "number"
    rows: str = "rows"
    columns: str = "columns"
    hidden: str = "left out"

    def __post_init__(self):
        for field in fields(self):
            if not isinstance(text := getattr(self, field.name), str):
                raise ValueError(f"reading's {field.name} must be a text, got {type(text).__name__}")
            may = SLOTS.get(field.name, ())
            if unknown := [slot for slot in _SLOT.findall(text) if slot not in may]:
                there_are = f"; it may have {', '.join(f'{{{slot}}}' for slot in may)}" if may else ""
                raise ValueError(f"reading's {field.name} has no slot {{{unknown[0]}}}{there_are}")

    def frame(self) -> dict[str, str]:
        """As the browser has it."""
        return asdict(self)


SHADES = Reading(
    cell="{query} · {key} is at {number} of the way from the least product to the greatest.",
    row="{query} with each:",
    caption="Products as shades: 0 is the least of all of them, 1 the greatest.",
    number="shade",
)


def reading_of(given: "Reading | Mapping[str, str] | None") -> Reading | None:
    """The reading that a dict spells out, or that it is. Raises: ValueError, with what it takes."""
    if given is None or isinstance(given, Reading):
        return given
    takes = "cell, row and caption, and perhaps number, rows, columns, hidden"
    if not isinstance(given, Mapping):
        raise ValueError(f"reading must be a dict of {takes}, got {type(given).__name__}")
    names = {field.name for field in fields(Reading)}
    if unknown := [str(name) for name in given if name not in names]:
        raise ValueError(f"reading has no {', '.join(unknown)}; it takes {takes}")
    if missing := [name for name in SLOTS if name not in given]:
        raise ValueError(f"reading needs {', '.join(missing)}; it takes {takes}")
    return Reading(**given)


def filled(template: str, **words: str) -> str:
    """The sentence with these words in its slots, as the page fills it."""
    return _SLOT.sub(lambda slot: words.get(slot[1], slot[0]), template)
