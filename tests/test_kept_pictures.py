"""A closed lesson shows its pictures: what Jupyter's server hands out, with a kernel and without."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import attention_core_pictures as pictures
import nbformat
import pytest
from jupyter_client import BlockingKernelClient
from lab import KERNELSPEC, Lab, running_lab
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

VIEW = "application/vnd.jupyter.widget-view+json"
PICTURE = "iVBORw0KGgo="
MANAGERS = {
    "asynchronous": "jupyter_server.services.contents.largefilemanager.AsyncLargeFileManager",
    "synchronous": "jupyter_server.services.contents.largefilemanager.LargeFileManager",
}


def output(text: str | None, *, picture: bool = True, view: bool = True, **more) -> dict:
    data = {"text/plain": text} if text is not None else {}
    data |= {"image/png": PICTURE} if picture else {}
    data |= {VIEW: {"version_major": 2, "version_minor": 0, "model_id": "abc"}} if view else {}
    return new_output("execute_result", data | more, execution_count=1)


OURS = output("AttentionHeatmap(2 queries × 2 keys)")
CELLS = {
    "ours": [OURS],
    "an explorer": [
        new_output("stream", text="so\n"),
        output("MultiHeadExplorer(8 queries × 8 keys, 4 heads)"),
    ],
    "a prediction": [output('Prediction("What will happen?": not answered)')],
    "without a picture": [output("AttentionHeatmap(nothing to show)", picture=False)],
    "without a view": [output("AttentionHeatmap(2 queries × 2 keys)", view=False)],
    "another's": [output("Canvas(toolbar=Toolbar())")],
    "another's name": [output("AttentionHeatmapOfOthers(1)")],
    "without text": [output(None)],
    "with a page": [output("AttentionHeatmap(2 queries × 2 keys)", **{"text/html": "<b>0</b>"})],
    "beside another's": [OURS, output("Canvas(toolbar=Toolbar())")],
}
SHOWN = {"ours", "an explorer", "a prediction", "with a page"}  # as a picture where no kernel runs
BUSY = "import os, time\nwhile not os.path.exists('enough'): time.sleep(0.05)"


@pytest.fixture(scope="module", params=MANAGERS)
def lab(request, tmp_path_factory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "chosen").write_text(MANAGERS[request.param])
    with running_lab(folder, f"--ServerApp.contents_manager_class={MANAGERS[request.param]}") as opened:
        yield opened


@pytest.fixture
def lesson(lab) -> Iterator[str]:
    """A notebook of these cells, and whatever runs for it ended."""
    book = new_notebook(
        cells=[new_code_cell("x", outputs=outputs, execution_count=1) for outputs in CELLS.values()]
    )
    book.cells.append(new_markdown_cell("Words."))
    book.metadata["kernelspec"] = KERNELSPEC
    nbformat.write(book, lab.root / "lesson.ipynb")
    yield "lesson.ipynb"
    for session in ask(lab, "GET", "sessions"):
        ask(lab, "DELETE", f"sessions/{session['id']}")


def ask(lab: Lab, method: str, path: str, body: dict | None = None):
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(
        urllib.request.Request(f"{lab.url}/api/{path}", data, method=method), timeout=30
    ) as answer:
        return json.loads(answer.read() or "null")


def handed_out(lab: Lab, path: str, **query) -> dict:
    asked = "&".join(f"{name}={value}" for name, value in {"content": 1, **query}.items())
    return ask(lab, "GET", f"contents/{path}?{asked}")["content"]


def with_views(book: dict) -> set[str]:
    """Of which cells each output that had a view still has it."""
    cells = zip(
        CELLS, (cell["outputs"] for cell in book["cells"] if cell["cell_type"] == "code"), strict=True
    )
    return {
        name
        for name, outputs in cells
        if all(
            VIEW in now.get("data", {})
            for now, then in zip(outputs, CELLS[name], strict=True)
            if VIEW in then.get("data", {})
        )
    }


def trusted(book: dict) -> set[str]:
    """Of which cells the outputs are shown as they are."""
    return {name for name, cell in zip(CELLS, book["cells"], strict=False) if cell["metadata"]["trusted"]}


def asks(lab: Lab) -> bool:
    """Whether this server's manager can wait for a kernel's answer."""
    return "Async" in (lab.root.parent / "chosen").read_text()


@contextmanager
def running(lab: Lab, kernel: str) -> Iterator[BlockingKernelClient]:
    client = BlockingKernelClient(connection_file=str(lab.root.parent / "runtime" / f"kernel-{kernel}.json"))
    client.load_connection_file()
    client.start_channels(hb=False)  # a busy machine is slow, not dead
    try:
        client.wait_for_ready(timeout=60)
        yield client
    finally:
        client.stop_channels()


@pytest.mark.browser
@pytest.mark.parametrize("query", [{}, {"type": "notebook", "hash": 1}])
def test_where_no_kernel_runs_our_outputs_are_their_pictures(lab, lesson, query):
    file = (lab.root / lesson).read_bytes()
    book = handed_out(lab, lesson, **query)
    assert with_views(book) == set(CELLS) - SHOWN - {"beside another's"}
    kept = book["cells"][list(CELLS).index("beside another's")]["outputs"]
    assert [VIEW in one["data"] for one in kept] == [False, True]
    first = book["cells"][0]["outputs"][0]["data"]
    assert first == {"text/plain": "AttentionHeatmap(2 queries × 2 keys)", "image/png": PICTURE}
    assert (lab.root / lesson).read_bytes() == file


@pytest.mark.browser
def test_where_one_runs_they_are_alive_and_have_leave_to_be(lab, lesson):
    session = ask(
        lab,
        "POST",
        "sessions",
        {"path": lesson, "name": "", "type": "notebook", "kernel": {"name": "python3"}},
    )
    book = handed_out(lab, lesson, type="notebook")
    assert with_views(book) == set(CELLS)
    with running(lab, session["kernel"]["id"]) as kernel:
        kernel.execute(BUSY)
        if asks(lab):  # it has no view of that name, as it says while a cell is running, too
            assert trusted(handed_out(lab, lesson, type="notebook")) == set()
        (lab.root / "enough").touch()
        code = "import comm; comm.create_comm(target_name='jupyter.widget', comm_id='abc')"
        kernel.execute_interactive(code, timeout=60)
        book = handed_out(lab, lesson, type="notebook")
    (lab.root / "enough").unlink()
    assert with_views(book) == set(CELLS)
    assert trusted(book) == {
        "ours",
        "an explorer",
        "a prediction",
    }  # views and pictures alone: no code in them
    ask(lab, "PATCH", f"sessions/{session['id']}", {"path": "other.ipynb"})
    assert "ours" not in with_views(handed_out(lab, lesson, type="notebook"))  # it runs for another now
    ask(lab, "PATCH", f"sessions/{session['id']}", {"path": lesson})
    assert "ours" in with_views(handed_out(lab, lesson, type="notebook"))
    ask(lab, "DELETE", f"kernels/{session['kernel']['id']}")
    assert "ours" not in with_views(handed_out(lab, lesson, type="notebook"))


@pytest.mark.browser
def test_a_notebook_that_brings_its_widgets_state_is_left_alone(lab, lesson):
    book = nbformat.read(lab.root / lesson, 4)
    book.metadata["widgets"] = {
        "application/vnd.jupyter.widget-state+json": {"version_major": 2, "state": {}}
    }
    nbformat.write(book, lab.root / lesson)
    assert with_views(handed_out(lab, lesson, type="notebook")) == set(CELLS)


@pytest.mark.browser
def test_what_is_moved_is_moved_whole(lab, lesson):
    original = json.loads((lab.root / lesson).read_bytes())["cells"]

    def whole(path):
        return json.loads((lab.root / path).read_bytes())["cells"] == original

    copied = ask(lab, "POST", "contents", {"copy_from": lesson})["path"]
    assert copied != lesson and whole(copied)
    ask(lab, "PATCH", f"contents/{copied}", {"path": "renamed.ipynb"})
    assert whole("renamed.ipynb")
    kept = ask(lab, "POST", "contents/renamed.ipynb/checkpoints")["id"]
    assert whole(".ipynb_checkpoints/renamed-checkpoint.ipynb")
    (lab.root / "renamed.ipynb").write_text(
        json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    )
    ask(lab, "POST", f"contents/renamed.ipynb/checkpoints/{kept}")
    assert whole("renamed.ipynb")
    ask(
        lab, "POST", f"contents/{lesson}/trust"
    )  # a signature of all that stands there, or it is worth nothing
    assert whole(lesson) and trusted(handed_out(lab, lesson)) == set(CELLS)
    for way in (f"files/{lesson}", f"files/{lesson}?download=1"):
        with urllib.request.urlopen(f"{lab.url}/{way}", timeout=30) as answer:
            assert json.loads(answer.read())["cells"] == original
    (lab.root / "renamed.ipynb").unlink()


@pytest.mark.browser
def test_a_picture_in_place_of_a_view_that_is_gone_costs_no_signature(lab, lesson):
    """JupyterLab sends back which cells it trusted: those of ours without their views are not to spoil it."""
    (lab.root / lesson).unlink()
    page = output("a table", picture=False, view=False, **{"text/html": "<b>1</b>"})
    cells = [new_code_cell("x", outputs=[one], execution_count=1) for one in (OURS, page)]
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": KERNELSPEC}), lab.root / lesson)
    ask(lab, "POST", f"contents/{lesson}/trust")
    body = {"path": lesson, "name": "", "type": "notebook", "kernel": {"name": "python3"}}
    session = ask(lab, "POST", "sessions", body)
    book = handed_out(lab, lesson, type="notebook")
    assert [cell["metadata"]["trusted"] for cell in book["cells"]] == [not asks(lab), True]
    book["cells"][1]["source"] = "changed"
    ask(lab, "PUT", f"contents/{lesson}", {"type": "notebook", "format": "json", "content": book})
    ask(lab, "DELETE", f"sessions/{session['id']}")
    book = handed_out(lab, lesson, type="notebook")
    assert [cell["metadata"]["trusted"] for cell in book["cells"]] == [True, True]
    assert book["cells"][1]["source"] == "changed" and VIEW not in book["cells"][0]["outputs"][0]["data"]


@pytest.mark.browser
@pytest.mark.parametrize("text", [None, 5, [5], {}])
def test_an_output_that_is_none_is_shown_as_it_always_was(lab, lesson, text):
    book = json.loads((lab.root / lesson).read_bytes())
    book["cells"][0]["outputs"][0]["data"]["text/plain"] = text
    (lab.root / lesson).write_text(json.dumps(book))
    shown = handed_out(lab, lesson, type="notebook")
    assert VIEW in shown["cells"][0]["outputs"][0]["data"]
    assert "an explorer" not in with_views(shown)  # and the others as they should be


@pytest.mark.browser
def test_other_files_and_a_notebook_without_content_are_as_ever(lab, lesson):
    (lab.root / "words.txt").write_text("AttentionHeatmap(1)")
    assert handed_out(lab, "words.txt") == "AttentionHeatmap(1)"
    assert ask(lab, "GET", f"contents/{lesson}?content=0")["content"] is None
    assert lesson in [file["name"] for file in ask(lab, "GET", "contents?content=1")["content"]]


def test_a_manager_that_keeps_its_notebooks_keeps_them_whole_and_is_still_of_its_class():
    class InMemory:
        """A hub's own: it hands out what it keeps, and copies through its own get."""

        def __init__(self):
            self.kept = {
                "type": "notebook",
                "content": {"cells": [{"outputs": [OURS], "metadata": {}}], "metadata": {}},
            }

        def get(self, path, content=True, type=None, format=None):
            return self.kept

        def copy(self, path):
            return self.get(path)

        rename = save = update = trust_notebook = create_checkpoint = restore_checkpoint = copy

    class Sessions:
        async def session_exists(self, path):
            return path == "running.ipynb"

    manager, before = InMemory(), json.dumps(InMemory().kept)
    pictures.keep_pictures(manager, Sessions())
    (shown,) = manager.get("/lesson.ipynb")["content"]["cells"][0]["outputs"]
    assert VIEW not in shown["data"] and type(manager) is InMemory and json.dumps(manager.kept) == before
    for move in pictures.MOVERS:
        assert getattr(manager, move)("lesson.ipynb") is manager.kept
    alive = manager.get("/running.ipynb")["content"]["cells"][0]
    assert (
        VIEW in alive["outputs"][0]["data"]
        and alive["metadata"]["trusted"]
        and json.dumps(manager.kept) == before
    )


def test_the_names_of_our_views_are_those_of_the_package_and_need_no_list():
    from attention_core import live, practice

    shown = {
        name
        for module in (live, practice)
        for name in vars(module)
        if hasattr(getattr(module, name), "_repr_mimebundle_")
    }
    shown |= {"Prediction", "Experiment"}
    assert shown <= pictures.views()
    assert not {"MultiHeadAttention", "Result", "Task", "Frame"} & pictures.views()


def test_a_server_that_cannot_say_what_runs_hands_out_the_file():
    class Sessions:
        async def session_exists(self, path):
            raise OSError("the database is locked")

    class Manager:
        def get(self, path, content=True, type=None, format=None):
            return {
                "type": "notebook",
                "content": {"cells": [{"outputs": [OURS], "metadata": {}}], "metadata": {}},
            }

    for name in pictures.MOVERS:
        setattr(Manager, name, lambda self, path: None)
    manager = Manager()
    pictures.keep_pictures(manager, Sessions())
    assert VIEW in manager.get("lesson.ipynb")["content"]["cells"][0]["outputs"][0]["data"]
