"""One JupyterLab and one Chromium for all browser tests."""

from collections.abc import Callable, Iterator
from pathlib import Path

import lab as labs
import nbformat
import pytest
from opened import MORE, Lesson, solved
from playwright.sync_api import Browser, expect

expect.set_options(timeout=30 * labs.SECONDS)  # a busy machine is slow, not wrong


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All that stands in this folder is left out by -m "not browser"."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    """What JupyterLab said last stands under a failure: a kernel may have died, and why."""
    report = yield
    running = getattr(item, "funcargs", {}).get("lab")
    if report.failed and running is not None and running.log is not None:
        report.sections.append(("JupyterLab's log", running.log.read_text("utf-8")[-1500:]))
    return report


@pytest.fixture(scope="session")
def lab(tmp_path_factory) -> Iterator[labs.Lab]:
    labs.need_chromium()
    with labs.running_lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture(scope="session")
def chromium(lab) -> Iterator[Browser]:
    with labs.running_chromium() as running:
        yield running


@pytest.fixture(scope="module")
def open_notebook(lab, chromium) -> Iterator[Callable[[str], labs.Notebook]]:
    """Opens a notebook of the copy by its path; in one browser profile, so that only the first is slow."""
    context = chromium.new_context(viewport={"width": 1280, "height": 1000})
    yield lambda path: labs.Notebook(context, lab, path)
    context.close()


@pytest.fixture(scope="module")
def notebook(request, lab, open_notebook) -> Iterator[labs.Notebook]:
    """The module's CELLS, each a slide; they make no complaint, and no request off the machine."""
    name = f"{request.module.__name__.removeprefix('test_')}.ipynb"
    notebook = open_notebook(lab.write(name, request.module.CELLS, slides=True))
    yield notebook
    assert notebook.errors == []
    assert notebook.hosts == {"127.0.0.1"}
    notebook.close()


@pytest.fixture(scope="session")
def lesson(request, lab, chromium) -> Iterator[Lesson]:
    """A lesson, or another notebook of the copy, opened once for all tests that ask for it by its name."""
    path = lab.root / f"notebooks/solved_{request.param}.ipynb"
    if request.param in MORE:
        lab.write(f"notebooks/{path.name}", MORE[request.param])
    elif not path.exists():
        nbformat.write(solved(request.param), path)
    context = chromium.new_context(viewport={"width": 1280, "height": 1000})
    opened = Lesson(context, lab, f"notebooks/{path.name}")
    try:
        yield opened
    finally:
        opened.close()
        context.close()
