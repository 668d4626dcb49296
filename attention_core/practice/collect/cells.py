"""Which cells of a notebook another one needs, told by the names that they bind and read."""

import ast
import symtable
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TypeVar


@dataclass(frozen=True)
class Cell:
    """A cell of a notebook: what nbformat's cells have, without their outputs."""

    id: str
    source: str
    cell_type: str = "code"


_C = TypeVar("_C")


def needed(cells: Iterable[_C], names: Collection[str]) -> list[_C]:
    """The code cells of these ids, and all before them that bind a name which they, or what they need, read.

    cells: those of a notebook in its order, as nbformat has them. One that is no Python binds nothing.
    """
    kept, wanted = [], set()
    for cell in reversed([cell for cell in cells if cell.cell_type == "code"]):
        top = symbols(cell.source)
        binds = bound(top)
        if cell.id in names or binds & wanted:
            kept.insert(0, cell)
            wanted = (wanted - binds) | globals_of(top)
    return kept


def symbols(source: str) -> symtable.SymbolTable:
    """Its names; none if it is no Python."""
    try:
        return symtable.symtable(source, "cell", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return symtable.symtable("", "cell", "exec")


def bound(top: symtable.SymbolTable) -> set[str]:
    """The names that a cell gives to the notebook."""
    return {one.get_name() for one in top.get_symbols() if one.is_assigned() or one.is_imported()}


def globals_of(table: symtable.SymbolTable) -> set[str]:
    """The names of the notebook that this code reads, functions and all."""
    top = table.get_type() == "module"
    own = {one.get_name() for one in table.get_symbols() if one.is_referenced() and (top or one.is_global())}
    return own.union(*map(globals_of, table.get_children()))


def imports_apart(cell: Cell) -> list[Cell]:
    """Its imports, and the rest: who needs only what it imports need not wait for its training."""
    try:
        body = ast.parse(cell.source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return [cell]
    parts = [line for line in body if isinstance(line, ast.Import | ast.ImportFrom)]
    rest = [line for line in body if line not in parts]
    if not parts or not rest:
        return [cell]
    return [Cell(cell.id, ast.unparse(ast.Module(part, []))) for part in (parts, rest)]
