"""A real JupyterLab on a copy of the notebooks, and Chromium on it: for browser tests and benchmark."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
from playwright.sync_api import Browser, BrowserContext, Locator, sync_playwright

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
# Debian's headless shell is the same Chromium without the parts that nobody sees: a fifth quicker.
BROWSERS = "chromium-headless-shell", "chromium", "google-chrome"
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
SETTINGS = {
    "docmanager-extension/plugin": {"autosave": False},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}
KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
IN_PAGE = """
window.panel = () => window.jupyterapp?.shell.currentWidget; // the notebook in front
window.kernel = () => panel()?.sessionContext?.session?.kernel;
window.COLOURS = (() => {
    const one = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const rgba = (colour) => { // whatever its notation
        one.clearRect(0, 0, 1, 1); one.fillStyle = colour; one.fillRect(0, 0, 1, 1);
        return one.getImageData(0, 0, 1, 1).data;
    };
    const over = (top, under) => under.map((u, i) => u + (top[i] - u) * top[3] / 255);
    const behind = (node) => {
        if (!node) return [255, 255, 255];
        return over(rgba(getComputedStyle(node).backgroundColor), behind(node.parentElement));
    };
    const linear = (c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
    const bright = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    const ratio = (one, other) => { // the contrast of two colours, as WCAG 2 has it
        const [low, high] = [bright(one), bright(other)].sort((a, b) => a - b);
        return (high + 0.05) / (low + 0.05);
    };
    return { rgba, over, behind, ratio };
})();
"""
WORN = """(light) => document.body.dataset.jpThemeLight === String(light)
    && (getComputedStyle(document.body).getPropertyValue("--jp-layout-color0") === "white") === light
    && !document.querySelector("#jupyterlab-splash")"""
SECONDS = 1000  # in Playwright's milliseconds


class Lab:
    """A running JupyterLab: `url`, and `root`, the folder it serves; `headers` say who asks."""

    def __init__(
        self, url: str, root: Path, log: Path | None = None, headers: Mapping[str, str] | None = None
    ):
        self.url, self.root, self.log, self.headers = url, root, log, dict(headers or {})

    def write(self, name: str, cells: Sequence[str], *, slides: bool = False) -> str:
        """Write a notebook of these code cells, each a slide or none; returns its path for `Notebook`."""
        kind = {"slideshow": {"slide_type": "slide"}} if slides else {}
        book = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(source, metadata=kind) for source in cells]
        )
        book.metadata["kernelspec"] = KERNELSPEC  # without one, JupyterLab would ask which kernel to start
        nbformat.write(book, self.root / name)
        return name

    def forget_deck(self) -> None:
        """A page left while it showed slides would make the next one open as slides."""
        self._ask("PUT", "/lab/api/settings/@deathbeds/jupyterlab-deck:plugin", b'{"raw": "{}"}')

    def shut_kernel_down(self, kernel: str) -> None:
        """Through the server, so that it works whatever has become of the page."""
        self._ask("DELETE", f"/api/kernels/{kernel}")

    def save(self, path: str, book: Mapping) -> None:
        """Write a notebook through the server, as its page does."""
        said = {"type": "notebook", "format": "json", "content": book}
        self._ask("PUT", f"/api/contents/{path}", json.dumps(said).encode())

    def _ask(self, method: str, path: str, body: bytes | None = None) -> None:
        request = urllib.request.Request(self.url + path, body, self.headers, method=method)
        urllib.request.urlopen(request, timeout=20).close()


def until(read, wanted, seconds: float = 20):
    """Ask again until the answer is wanted; returns it."""
    end = time.monotonic() + seconds
    while not wanted(answer := read()):
        assert time.monotonic() < end, f"still {answer!r:.300} after {seconds} s"
        time.sleep(0.05)
    return answer


def need_chromium() -> None:
    """Without Chromium, skip the test; or fail it, where one was promised (REQUIRE_BROWSER=1)."""
    import pytest  # here, because the benchmark runs without it

    if CHROMIUM is None:
        why = "no Chromium on this machine: apt-get install chromium"
        (pytest.fail if os.environ.get("REQUIRE_BROWSER") == "1" else pytest.skip)(why)


@contextmanager
def running_lab(scratch: Path, *options: str) -> Iterator[Lab]:
    """JupyterLab with files, settings, workspaces and configuration of its own: nothing is written back."""
    root = scratch / "root"
    shutil.copytree(
        NOTEBOOKS, root / "notebooks", ignore=shutil.ignore_patterns(".ipynb_checkpoints", ".predictions")
    )
    for plugin, values in SETTINGS.items():
        file = scratch / "settings" / "@jupyterlab" / f"{plugin}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values))
    env = os.environ | {
        "JUPYTER_CONFIG_DIR": str(scratch / "config"),
        "JUPYTER_DATA_DIR": str(scratch / "data"),
        "JUPYTER_RUNTIME_DIR": str(scratch / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(scratch / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(scratch / "workspaces"),
        "IPYTHONDIR": str(scratch / "ipython"),
    }
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}",
        "--ServerApp.port_retries=0", "--ServerApp.ip=127.0.0.1", "--IdentityProvider.token=",
        "--ServerApp.password=", "--ServerApp.disable_check_xsrf=True",
        "--LabApp.expose_app_in_browser=True", f"--ServerApp.root_dir={root}", *options,
    ]  # fmt: skip
    log = scratch / "lab.log"
    with log.open("w") as out:
        process = subprocess.Popen(command, env=env, stdout=out, stderr=subprocess.STDOUT)
    lab = Lab(f"http://127.0.0.1:{port}", root, log)
    try:
        _wait_for(lab, process)
        yield lab
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(lab: Lab, process: subprocess.Popen) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(f"{lab.url}/api", timeout=1).close()
            return
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.2)
    raise RuntimeError("JupyterLab did not start:\n" + lab.log.read_text("utf-8")[-2000:])


_playwright: list = []  # one for each that is in use; the first is the one there is


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """The system's Chromium. A process can have only one Playwright at a time: those who ask share it."""
    _playwright.append(_playwright[0] if _playwright else sync_playwright().start())
    browser = _playwright[0].chromium.launch(executable_path=CHROMIUM, args=FLAGS)
    try:
        yield browser
    finally:
        browser.close()
        if not _playwright[1:]:
            _playwright[0].stop()
        _playwright.pop()


class Notebook:
    """One notebook, open in a page of its own. `errors` is what the console said, `hosts` who was asked."""

    def __init__(self, context: BrowserContext, lab: Lab, path: str):
        self.lab, self.path = lab, path
        self.page = context.new_page()
        self.page.add_init_script(IN_PAGE)
        self.errors: list[str] = []
        self.hosts: set[str] = set()
        self.page.on("pageerror", lambda error: self.errors.append(f"page error: {error}"))
        self.page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        self.page.on("request", lambda request: self._asked(request.url))
        self.page.on("websocket", lambda socket: self._asked(socket.url))
        lab.forget_deck()
        self.page.goto(f"{lab.url}/lab/tree/{path}?reset")
        self.page.wait_for_function("() => kernel()?.status === 'idle'", timeout=120 * SECONDS)
        self.kernel = self.page.evaluate("() => kernel().id")
        self.command("application:toggle-left-area")

    def close(self) -> None:
        """Close the page and shut its kernel down."""
        self.page.close()
        self.lab.shut_kernel_down(self.kernel)

    def command(self, name: str, **arguments) -> None:
        """One of JupyterLab's own commands, to its end."""
        self.page.evaluate("([name, given]) => jupyterapp.commands.execute(name, given)", [name, arguments])

    def wear(self, theme: str) -> None:
        """One of JupyterLab's themes, once its colours are there: they come later than its name."""
        light = theme == "JupyterLab Light"
        if not self.page.evaluate(WORN, light):
            self.command("apputils:change-theme", theme=theme)
        self.page.wait_for_function(WORN, arg=light)

    def _asked(self, url: str) -> None:
        if urlsplit(url).scheme not in ("data", "blob"):
            self.hosts.add(urlsplit(url).hostname)

    def hurry(self) -> None:
        """Trainings do not wait for an eye to follow; in test_later_lessons.py and test_slides.py they do."""
        said = self.execute("__import__('attention_core.live.recorder', fromlist=['SIGHT']).SIGHT *= 0")
        assert said == ""

    def run_all(self) -> None:
        """Run every cell and wait for the last one."""
        self.command("notebook:run-all-cells")

    def run_to(self, cell: str) -> None:
        """Run the cells down to the one of this id, and wait for it."""
        self.page.evaluate(
            """(id) => {
                const { content } = panel();
                content.activeCellIndex = 1 + content.widgets.findIndex((cell) => cell.model.id === id);
            }""",
            cell,
        )
        self.command("notebook:run-all-above")

    def save(self) -> dict:
        """Save; returns what stands in the file then."""
        self.page.evaluate("() => panel().context.save()")
        return nbformat.read(self.lab.root / self.path, 4)

    def reload(self) -> None:
        """Load the page again; its kernel lives on."""
        self.page.reload()
        self.page.wait_for_function("(id) => kernel()?.id === id", arg=self.kernel, timeout=60 * SECONDS)
        self.page.wait_for_function("() => kernel().status === 'idle'", timeout=60 * SECONDS)

    def execute(self, code: str) -> str:
        """Run code in the notebook's kernel; returns what it printed, or its traceback."""
        return self.page.evaluate(
            """async (code) => {
                const request = kernel().requestExecute({ code });
                const said = [];
                request.onIOPub = ({ header, content }) => {
                    if (header.msg_type === "stream") said.push(content.text);
                    if (header.msg_type === "error") said.push(`${content.ename}: ${content.evalue}`);
                };
                await request.done;
                return said.join("");
            }""",
            code,
        )

    def outputs(self) -> list[dict]:
        """The outputs of every cell, as nbformat has them."""
        return self.page.evaluate(
            """() => panel().content.widgets
                .filter((cell) => cell.model.type === "code")
                .flatMap((cell) => cell.model.outputs.toJSON())"""
        )

    def cell_errors(self) -> list[dict]:
        """The error outputs, and the words on stderr, of every cell."""
        return [o for o in self.outputs() if o["output_type"] == "error" or o.get("name") == "stderr"]

    def widget(self, selector: str = ".ah", n: int = 0) -> Locator:
        """The n-th heatmap, or another part of the page, once it is there."""
        found = self.page.locator(f".jp-NotebookPanel {selector}").nth(n)
        found.wait_for(timeout=60 * SECONDS)
        return found
