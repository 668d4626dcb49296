"""What Binder would build, from binder/ alone, runs lesson 01; and the script sees when it does not."""

import http.server
import os
import subprocess
import sys
import threading
import time
from math import isfinite
from pathlib import Path

import nbformat
import psutil
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
import rebuild_binder

ROOT = Path(__file__).resolve().parents[1]
HOG = "import time; kept = bytearray(150_000_000); print('kept', flush=True); time.sleep({seconds})"


@pytest.mark.timeout(1500)  # it installs torch, on a machine that does other things
def test_lesson_01_runs_in_what_binder_builds():
    command = [sys.executable, str(ROOT / "tests/rebuild_binder.py")]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=1400)
    assert done.returncode == 0, done.stdout + done.stderr
    built, verdict = done.stdout.split("\n\n")
    assert "pip check: ok" in built and "built from binder/" in built
    book = nbformat.read(ROOT / rebuild_binder.LESSON, as_version=4)
    n_cells = sum(cell.cell_type == "code" for cell in book.cells)
    names = "without a limit", f"with a limit of {rebuild_binder.LIMIT} MB"
    rows = built[built.index(rebuild_binder.HEADING) :].splitlines()[1:]
    for row, name in zip(rows, names, strict=True):
        if name == names[1] and row.startswith("not run under a limit: "):
            continue  # said in words; not every machine lets a test set one
        assert row.startswith(name)
        cells, errors, peak, seconds = map(float, row.removeprefix(name).split())
        assert (cells, errors) == (n_cells, 0)
        assert 100 < peak < rebuild_binder.LIMIT and isfinite(seconds)  # torch alone is more than 100 MB
    assert verdict.startswith("met ")


def test_an_index_that_does_not_answer_is_left_out_and_named(capsys):
    class Quiet(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_error(404)

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Quiet) as server:
        address = f"http://127.0.0.1:{server.server_port}/whl"
        lines = f"# pins\n--extra-index-url {address}\ntorch==2.13.0\n"
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        assert rebuild_binder.reachable(lines) == lines
        thread.join()
        assert capsys.readouterr().out == ""
    assert rebuild_binder.reachable(lines) == "# pins\ntorch==2.13.0\n"
    assert capsys.readouterr().out == f"{address} does not answer here: installing the pins without it\n"


def test_the_copy_has_what_is_not_committed_and_nothing_that_is_ignored(tmp_path):
    rebuild_binder.copy_repository(tmp_path)
    assert (tmp_path / "tests" / Path(__file__).name).read_bytes() == Path(__file__).read_bytes()
    assert os.access(tmp_path / "binder/postBuild", os.X_OK)
    assert not (tmp_path / ".git").exists() and not list(tmp_path.rglob("__pycache__"))


def test_memory_is_that_of_everything_that_was_started():
    # the shell itself is small; what it starts is not
    code = HOG.format(seconds=30)
    shell = subprocess.Popen(["sh", "-c", f'"{sys.executable}" -c "{code}"; true'], stdout=subprocess.PIPE)
    process = psutil.Process(shell.pid)
    try:
        assert shell.stdout.readline() == b"kept\n"
        peak = rebuild_binder.Peak(process)
        peak.start()
        for _ in range(100):
            if peak.megabytes:
                break
            time.sleep(0.1)
        peak.stopped.set()
        peak.join()
    finally:
        for child in process.children():
            child.kill()
        shell.wait()
        shell.stdout.close()
    assert 150 < peak.megabytes < 250


def test_what_takes_more_than_the_limit_is_killed():
    try:
        with rebuild_binder.limited_group(100) as group:
            enter = f'echo $$ > "{group}/cgroup.procs" && exec "{sys.executable}" -c'
            for wish, killed in (("pass", 0), (HOG.format(seconds=0), 1)):
                done = subprocess.run(["sh", "-c", f'{enter} "{wish}"'])
                assert (done.returncode == 0) == (killed == 0)
                assert rebuild_binder.killed_in(group) == killed
            left = subprocess.Popen(["sh", "-c", f'{enter} "import time; time.sleep(60)"'])
            while not (group / "cgroup.procs").read_text("utf-8"):
                time.sleep(0.05)
    except rebuild_binder.NoLimit as why:
        pytest.skip(str(why))
    assert left.wait(10) != 0 and not group.exists()


@pytest.mark.parametrize(
    ("cells", "errors", "peak", "good"),
    [(54, [], 450, True), (54, [], 1000, False), (54, ["KeyError: 1"], 450, False), (0, [], 450, False)],
)
def test_a_run_is_good_when_all_cells_ran_in_the_memory(cells, errors, peak, good):
    assert rebuild_binder.Run("a run", cells, errors, peak, 1.0).good(1000) is good
