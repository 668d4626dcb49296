"""A class behind a hub's proxy, each learner with a server of their own, beside the same class on one server.

Run as `classroom.py --hub`. It installs JupyterHub and its proxy into a folder that is then thrown away, and
starts the recipe of the teaching guide. Plain server and hub take turns at the same load. While one is
measured the other idles, so memory that both share is shared out among both (PSS). Then two learners log in
with a browser, each moves lesson 01's slider and predicts; and all homes are collected.
"""

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # tests/lab.py
from a_class import FIRST, PASSED, WAITS, WRONG, solved, started
from classroom import HEADING, Row, measure, server_process, told, typical
from hub import GUIDE, Hub, install, recipe, running_hub
from lab import CHROMIUM, SECONDS, Lab, Notebook, running_chromium, running_lab, until
from playwright.sync_api import Browser, expect
from test_collect import table

ROUNDS = 2
LESSON = f"lessons/{FIRST}.ipynb"
EXPLORER = ".jp-OutputArea-output:has(.attention-explorer)"
TEMPERATURE = 1  # the number of its dial
# of the two accounts: a key, how often it is pressed, the temperature then; a prediction, whether it is right
ACCOUNTS = (("ArrowLeft", 8, 0.6, "mat", "yes"), ("ArrowRight", 12, 1.6, "cat", "no"))
NO_CHROMIUM = "no Chromium, so nobody looked at the pages: apt-get install chromium"
BEGUN = "{n} learners: their servers were there after {seconds:.0f} s"
COLLECTED = "{rows} rows collected from {homes} homes"
VERDICT = "{met} two accounts work apart, and every row that is collected is right"
OTHER_ROW = "of {name} the table says {found}, not {wanted}"
OTHER_MAP = "the two maps said {then}, and later {now}"
STRANGERS = "the pages asked {hosts}"


def beside_a_hub(sizes: Sequence[int], seconds: float) -> int:
    """Measure classes of these sizes, print the tables; 1 only when something did not work."""
    how, rows, problems = recipe(GUIDE.read_text("utf-8")), [], []
    expect.set_options(timeout=30 * SECONDS)  # a busy machine is slow, not wrong
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        install(how, scratch)
        for learners in sizes:
            with running_hub(how, scratch, scratch / f"class of {learners}") as hub:
                labs = [hub.log_in(f"learner-{i:02}") for i in range(learners)]
                print("", BEGUN.format(n=learners, seconds=hub.start_servers(labs)), sep="\n", flush=True)
                plain, behind = _in_turns(scratch / f"plain {learners}", hub, labs, seconds)
                print("", *compared(plain, behind), sep="\n", flush=True)
                rows += [*plain, *behind]
                if learners == max(sizes):
                    problems += _worked_with(hub, labs)
    good = told(rows)
    print(VERDICT.format(met="MISSED" if problems else "met   "))
    for problem in problems:
        print(f"! {problem}")
    return 0 if good and not problems else 1


def _in_turns(scratch: Path, hub: Hub, labs: list[Lab], seconds: float) -> tuple[list[Row], list[Row]]:
    """The rows of a plain server and of the hub, which take turns; prints each."""
    rows: dict[str, list[Row]] = {"plain": [], "hub": []}
    scratch.mkdir()
    print(f"{'':7}{HEADING}")
    with running_lab(scratch) as lab:
        sides = {"plain": ([lab] * len(labs), server_process(scratch)), "hub": (labs, hub.process)}
        for _ in range(ROUNDS):
            for name, (served, process) in sides.items():
                rows[name].append(asyncio.run(measure(served, process, seconds)))
                print(f"{name:7}{rows[name][-1]}", flush=True)
    return rows["plain"], rows["hub"]


def compared(plain: Sequence[Row], behind: Sequence[Row]) -> list[str]:
    """The lines of a table: all rounds of a plain server together, all of a hub, how many times as much."""
    lines = [f"{plain[0].learners:>3} {'learners':<20}{'plain':>10}{'hub':>10}{'ratio':>10}"]
    for (name, one), other in zip(_figures(plain).items(), _figures(behind).values(), strict=True):
        lines.append(f"{name:<24}{one:>10.1f}{other:>10.1f}{other / one:>10.2f}")
    return lines


def _figures(rows: Sequence[Row]) -> Mapping[str, float]:
    middle, most = typical([time for row in rows for time in row.latencies])
    return {
        "median (ms)": middle,
        "p95 (ms)": most,
        "MB/learner": median(row.each for row in rows),
        "of these servers’": median(row.server / row.learners for row in rows),
        "learners/core": median(row.per_core for row in rows),
    }


# ---------------------------------------------------------------- what a class does


def _worked_with(hub: Hub, labs: Sequence[Lab]) -> list[str]:
    """Answers saved in the homes, two accounts in a browser, all collected: what was not as it should be."""
    answers = (solved(FIRST), PASSED), (started(WRONG), "softmax-twice"), (None, WAITS)
    wanted, problems = {}, []
    for i, lab in enumerate(labs):
        book, verdict = answers[i % len(answers)]
        wanted[lab.root.name] = {"problem": "", "01 softmax": verdict}
        if book is not None:
            lab.save(LESSON, book)
    if CHROMIUM is None:
        problems.append(NO_CHROMIUM)
    else:
        with running_chromium() as chromium:
            problems += _two_accounts(chromium, hub, labs[: len(ACCOUNTS)])
        for lab, (*_, chosen, right) in zip(labs, ACCOUNTS, strict=False):
            wanted[lab.root.name] |= {"01 wet: chosen": chosen, "01 wet: right": right}
    done = hub.collect()
    if done.returncode:
        return [*problems, done.stderr]
    rows = table(hub.folder / "collected")
    print("", COLLECTED.format(rows=len(rows), homes=len(labs)), sep="\n")
    return [*problems, *unlike(wanted, rows)]


def unlike(wanted: Mapping[str, Mapping[str, str]], rows: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Which rows are not as wanted, or missing, or nobody's; columns that are not named may hold anything."""
    found = {name: {column: row.get(column) for column in wanted.get(name, {})} for name, row in rows.items()}
    return [
        OTHER_ROW.format(name=name, found=found.get(name), wanted=wanted.get(name))
        for name in sorted({*wanted, *rows})
        if found.get(name) != wanted.get(name)
    ]


def _two_accounts(chromium: Browser, hub: Hub, labs: Sequence[Lab]) -> list[str]:
    """Two learners log in; each moves the slider with the kernel stopped, and predicts. What went wrong."""
    books = [_opened(chromium, hub, lab) for lab in labs]
    for book in books:
        book.run_to("predict-wet")
    then = [_moved(book, *presses) for book, (*presses, _, _) in zip(books, ACCOUNTS, strict=True)]
    now = [_explorer(book).locator(".ah-say").inner_text() for book in books]
    for book, (*_, choice, _) in zip(books, ACCOUNTS, strict=True):
        _predicted(book, choice)
    problems = [said for book in books for said in [*book.errors, *map(str, book.cell_errors())]]
    if then != now or then[0] == then[1]:
        problems.append(OTHER_MAP.format(then=then, now=now))
    if strangers := set().union(*(book.hosts for book in books)) - {"127.0.0.1"}:
        problems.append(STRANGERS.format(hosts=strangers))
    for book in books:
        book.close()
    return problems


def _opened(chromium: Browser, hub: Hub, lab: Lab) -> Notebook:
    """Log in by the hub's own page, which leads to lesson 00; then lesson 01, in the same browser profile."""
    context = chromium.new_context(viewport={"width": 1280, "height": 1000})
    page = context.new_page()
    page.goto(hub.url)
    page.get_by_label("Username").fill(lab.root.name)
    page.get_by_label("Password").fill(hub.how.password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{lab.url}/lab/tree/lessons/00_start_here.ipynb", timeout=120 * SECONDS)
    page.close()
    return Notebook(context, lab, LESSON)


def _explorer(book: Notebook):
    return book.widget(EXPLORER)


def _moved(book: Notebook, key: str, times: int, end: float) -> str:
    """Move the slider while the kernel stands still, so from the bank; what the map says once both agree."""
    temperature = _explorer(book).get_by_role("slider", name="Temperature")
    temperature.focus()  # from then on frames are asked for
    held = [-1]

    def more() -> bool:
        held.append(_number(book, f"explorer._bank._held.get({TEMPERATURE}, 0)"))
        book.page.wait_for_timeout(400)  # what was sent last has arrived
        return held[-1] == 0 or held[-1] != held[-2]

    until(more, lambda goes_on: not goes_on)
    map_, say = _explorer(book).locator(".ah").first, _explorer(book).locator(".ah-say")
    before = _frames(map_)
    with _stopped(int(_number(book, "__import__('os').getpid()"))):
        for n in range(1, times + 1):
            book.page.keyboard.press(key)
            until(lambda: _frames(map_), lambda frames, n=n: frames >= before + n)
    until(lambda: _number(book, "explorer.temperature"), lambda now: abs(now - end) < 0.01)
    expect(say).to_contain_text(f"{_number(book, 'float(explorer.weights[7].max())'):.2f}")
    return say.inner_text()


def _number(book: Notebook, expression: str) -> float:
    return float(book.execute(f"print({expression})"))


def _frames(map_) -> int:
    return map_.evaluate("map => Number(map.dataset.frames)")


@contextmanager
def _stopped(process: int) -> Iterator[None]:
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


def _predicted(book: Notebook, choice: str) -> None:
    """Choose, run what shows who was right, and save."""
    book.widget(".ap").get_by_role("button", name=choice).click()
    expect(book.widget(".ap").get_by_role("button", name=choice)).to_have_text(f"● {choice}")
    book.run_to("reveal-wet")  # runs the question again: the choice is kept beside the notebook
    book.save()
