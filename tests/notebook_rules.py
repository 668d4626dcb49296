"""What a stored lesson owes its reader, as rules over one notebook: pure, so that each can be tested."""

import ast
import contextlib
import re
import symtable
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from itertools import pairwise

from attention_core_pictures import views
from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode, v4

LINES, COLUMNS, BYTES = 25, 100, 600_000  # of a code cell; of a file
KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
FOLDED = {"source_hidden": True}
SLIDES = {"slide", "subslide", "fragment", "skip", ""}  # "" goes on; a deck shows no "-" and no "notes"
VIEW = "application/vnd.jupyter.widget-view+json"

_WIDGET = re.compile(rf"(?:{'|'.join(sorted(views()))})\(")
_MEANINGFUL = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_RANDOM = re.compile(r"[0-9a-f]{8}(-[0-9a-f-]*)?")  # nbformat's eight digits, JupyterLab's UUID
_HERE_ONLY = re.compile(r"(?<![\w.])/(home|tmp|work|root|Users)\b|\b[A-Z]:\\{1,2}\w")
_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,}")
_BUILD = re.compile(r"\d\+(cpu|cu\d+|rocm)\w*")  # of torch: another one on another machine
_UNFOLLOWED = re.compile(r"@interact\b|\b(interact(ive(_output)?)?|Output)\(|\b(clear_output|display_id)\b")
_SOLUTION = re.compile(r"<summary>\s*Solution")
_REVEAL = re.compile(r"(\w+)\.reveal\(")
_WHY = re.compile(r"\bwhy=")
_MOVED = re.compile(r"^(\w+) = \w+(?:Explorer|View)\(", re.MULTILINE)
_PREDICT = re.compile(r"^(\w+) = predict\(", re.MULTILINE)
_LINK = re.compile(r"(?:\]\(|href=[\"'])([^)\"'#\s]+\.ipynb)")
_HEADING = re.compile(r" {0,3}(#{1,6})\s|\s*<h([1-6])\b", re.IGNORECASE)


def faults(book: NotebookNode, names: Collection[str] = ()) -> list[str]:
    """What is wrong with a notebook, a line each; `names` are the notebooks beside it, for its links."""
    return [fault for rule in RULES for fault in rule(book)] + list(dead_links(book, names))


def counts(book: NotebookNode) -> Iterator[str]:
    """Counts run 1…n. nbval passes over a cell that has neither a count nor outputs, without a word."""
    found = [cell.execution_count for cell in _code(book)]
    if found != list(range(1, len(found) + 1)):
        yield f"execution counts are {found}, not 1…{len(found)}"


def stored_outputs(book: NotebookNode) -> Iterator[str]:
    """A cell that ends in an expression shows something. A ; hides nothing from nbval."""
    for cell in _code(book):
        try:
            body = ast.parse(TransformerManager().transform_cell(cell.source)).body
        except SyntaxError as error:
            yield f"{cell.id}: is not Python: {error.msg}"
            continue
        if not body:
            yield f"{cell.id}: is an empty code cell"
        elif isinstance(body[-1], ast.Expr) and cell.source.rstrip().endswith(";"):
            yield f"{cell.id}: ends in a ; which hides nothing from nbval: give the result a name"
        elif isinstance(body[-1], ast.Expr) and not cell.outputs:
            yield f"{cell.id}: ends in an expression but has no output"


def plain_metadata(book: NotebookNode) -> Iterator[str]:
    """Nothing that changes by itself: no widget states, no other kernel, no timings."""
    if "widgets" in book.metadata:
        yield "metadata.widgets holds the states of widgets"
    if book.metadata.get("kernelspec") != KERNELSPEC:
        yield f"kernelspec is {book.metadata.get('kernelspec')}"
    if "version" in book.metadata.get("language_info", {}):
        yield "language_info names a version of Python"
    for cell in book.cells:
        if extra := set(cell.metadata) - {"jupyter", "slideshow", "tags"}:
            yield f"{cell.id}: metadata holds {', '.join(sorted(extra))}"
        if cell.metadata.get("jupyter", FOLDED) != FOLDED:
            yield f"{cell.id}: metadata.jupyter is {cell.metadata.jupyter}"


def slides(book: NotebookNode) -> Iterator[str]:
    """Every cell says where it stands when the lesson is shown as slides, and none gives a solution away."""
    for cell in book.cells:
        kind = cell.metadata.get("slideshow", {}).get("slide_type")
        if kind not in SLIDES:
            yield f"{cell.id}: slide_type is {kind!r}"
        elif cell is book.cells[0] and kind != "slide":
            yield f"{cell.id}: is the first cell, and no slide"
        elif kind not in ("", "skip") and cell.metadata.get("jupyter") == FOLDED:
            yield f"{cell.id}: is folded and begins a part of a slide, which the arrow keys pass over"
        elif kind != "skip" and _SOLUTION.search(cell.source):
            yield f"{cell.id}: shows a class the solution: its slide_type should be 'skip'"


def headings(book: NotebookNode) -> Iterator[str]:
    """One H1, at the very top, and no level skipped on the way down."""
    found = [(level, cell.id) for cell in _markdown(book) for level in _levels(cell.source)]
    titles = [cell for level, cell in found if level == 1]
    if len(titles) != 1:
        yield f"there are {len(titles)} H1 headings: {titles}"
    first = book.cells[0].source.splitlines() if book.cells and book.cells[0].cell_type == "markdown" else []
    if not (first and first[0].startswith("# ")):
        yield "the first line is not the H1"
    for (above, _), (level, cell) in pairwise(found):
        if level > above + 1:
            yield f"{cell}: H{level} comes right after H{above}"


def ids(book: NotebookNode) -> Iterator[str]:
    """Ids are names that stay, so that a diff and a link can hold on to a cell."""
    found = [cell.get("id", "") for cell in book.cells]
    for name, times in Counter(found).items():
        if times > 1:
            yield f"{times} cells have the id {name!r}"
        if not _MEANINGFUL.fullmatch(name) or _RANDOM.fullmatch(name):
            yield f"the id {name!r} says nothing: use small-words-like-this"


def pictures(book: NotebookNode) -> Iterator[str]:
    """A widget is a picture where there is no kernel, and its view belongs to a kernel that is gone."""
    for cell, output in _outputs(book):
        data = output.get("data", {})
        if "image/png" in data:
            if VIEW in data:
                yield f"{cell.id}: a widget's view is stored beside its picture"
        elif VIEW in data or _WIDGET.match(data.get("text/plain", "")):
            yield f"{cell.id}: a widget has no picture"


def unspoiled_predictions(book: NotebookNode) -> Iterator[str]:
    """Whoever reads on before choosing meets no answer: reasons and grading stand in folded cells."""
    asked: set[str] = set()
    for cell in _code(book):
        folded, reveals = cell.metadata.get("jupyter") == FOLDED, _REVEAL.findall(cell.source)
        if not folded and (reveals or _WHY.search(cell.source)):
            yield f"{cell.id}: reveals a prediction, or its reason, and is not folded"
        if reveals:
            if not cell.source.startswith("# "):
                yield f"{cell.id}: the line that stays in sight is no comment"
            if unasked := set(reveals) - asked:
                yield f"{cell.id}: reveals what was not asked before: {', '.join(sorted(unasked))}"
            if "print(" in cell.source:
                yield f"{cell.id}: what the experiment shows stands in the cell before, in sight"
        asked |= set(_PREDICT.findall(cell.source))


def lasting_reveals(book: NotebookNode) -> Iterator[str]:
    """A reveal says the same whenever it is run: what it reads one cell makes, and no reader moves."""
    made, moved, cells = {}, set(), list(enumerate(_code(book)))
    for n, cell in cells:
        with contextlib.suppress(SyntaxError):  # which another rule tells
            top = symtable.symtable(cell.source, "cell", "exec")
            for name in (one.get_name() for one in top.get_symbols() if one.is_assigned()):
                made.setdefault(name, {})[n] = cell.get("id", "")
        moved |= set(_MOVED.findall(cell.source))
    for n, cell in cells:
        if not _REVEAL.search(cell.source):
            continue
        nodes = list(ast.walk(ast.parse(cell.source)))
        own = {node.arg for node in nodes if isinstance(node, ast.arg)}  # of a lambda
        names = {node.id for node in nodes if isinstance(node, ast.Name)} - own
        for name in sorted(name for name in names & set(made) if n not in made[name]):
            if len(made[name]) > 1:
                several = ", ".join(made[name].values())
                yield f"{cell.id}: reads {name}, which several cells make: {several}"
            elif name in moved:
                yield f"{cell.id}: reads {name}, which the reader moves: keep what it was, a cell before"


def short_cells(book: NotebookNode) -> Iterator[str]:
    """Code that can be read from the back of a classroom."""
    for cell in _code(book):
        lines = cell.source.splitlines()
        if len(lines) > LINES:
            yield f"{cell.id}: has {len(lines)} lines, more than {LINES}"
        if (widest := max(map(len, lines), default=0)) > COLUMNS:
            yield f"{cell.id}: is {widest} columns wide, more than {COLUMNS}"


def small_file(book: NotebookNode) -> Iterator[str]:
    """A file that GitHub still renders and a diff can still show."""
    size = len(v4.writes(book, indent=1).encode())  # unlike nbformat.writes, changes nothing
    if size > BYTES:
        yield f"the file has {size // 1000} KB, more than {BYTES // 1000}"


def clean_run(book: NotebookNode) -> Iterator[str]:
    """No cell failed, and none grumbled."""
    for cell, output in _outputs(book):
        if output.output_type == "error":
            yield f"{cell.id}: stopped with {output.ename}"
        elif output.get("name") == "stderr":
            yield f"{cell.id}: wrote to stderr: {output.text.strip()[:60]!r}"


def nothing_local(book: NotebookNode) -> Iterator[str]:
    """Nothing that is true on one machine, or in one run, only."""
    for cell in book.cells:
        for text in (cell.source, *(text for _, output in _outputs_of(cell) for text in _texts(output))):
            if found := _HERE_ONLY.search(text):
                yield f"{cell.id}: holds a local path: …{text[found.start() :][:40]!r}"
    for cell, output in _outputs(book):
        for text in _texts(output):
            if found := _ADDRESS.search(text):
                yield f"{cell.id}: shows an object's address, {found[0]}"
            if found := _BUILD.search(text):
                yield f"{cell.id}: shows which build of torch is here, {found[0]}"


def followed_by_nbval(book: NotebookNode) -> Iterator[str]:
    """None of what strict nbval cannot compare: state belongs in the values of widgets."""
    for cell in _code(book):
        if found := _UNFOLLOWED.search(cell.source):
            yield f"{cell.id}: uses {found[0]}"


def dead_links(book: NotebookNode, names: Collection[str]) -> Iterator[str]:
    """A link to another lesson leads somewhere."""
    for cell in _markdown(book):
        for target in _LINK.findall(cell.source):
            if "://" not in target and target.removeprefix("./") not in names:
                yield f"{cell.id}: links to {target}, which is not there"


RULES: tuple[Callable[[NotebookNode], Iterator[str]], ...] = (
    counts,
    stored_outputs,
    plain_metadata,
    slides,
    headings,
    ids,
    pictures,
    unspoiled_predictions,
    lasting_reveals,
    short_cells,
    small_file,
    clean_run,
    nothing_local,
    followed_by_nbval,
)


def _code(book: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in book.cells if cell.cell_type == "code"]


def _markdown(book: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in book.cells if cell.cell_type == "markdown"]


def _outputs(book: NotebookNode) -> Iterator[tuple[NotebookNode, NotebookNode]]:
    for cell in book.cells:
        yield from _outputs_of(cell)


def _outputs_of(cell: NotebookNode) -> Iterator[tuple[NotebookNode, NotebookNode]]:
    for output in cell.get("outputs", ()):
        yield cell, output


def _texts(output: NotebookNode) -> Iterator[str]:
    """What can be read of an output: not the letters that a picture is stored as."""
    yield output.get("text", "")
    yield "\n".join(output.get("traceback", ()))
    for mime, content in output.get("data", {}).items():
        if mime.startswith("text/"):
            yield content


def _levels(source: str) -> Iterator[int]:
    """The levels of the headings in a piece of markdown; a # inside a code fence is a comment."""
    fence, before = "", ""
    for line in source.splitlines():
        opens = re.match(r" {0,3}(`{3,}|~{3,})", line)
        if opens and (not fence or opens[1].startswith(fence)):
            fence = "" if fence else opens[1]
        elif not fence:
            if found := _HEADING.match(line):
                yield len(found[1]) if found[1] else int(found[2])
            elif before and re.fullmatch(r"=+|-+", line.strip()):  # underlined: also a heading
                yield 1 if "=" in line else 2
        before = line.strip()
