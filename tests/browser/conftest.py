"""One JupyterLab and one Chromium for all browser tests."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # tests/lab.py
import lab as labs

expect.set_options(timeout=30 * labs.SECONDS)  # a busy machine is slow, not wrong


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
