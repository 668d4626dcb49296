"""A real JupyterHub on this machine: the recipe of the teaching guide, started as it stands there."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookiejar import CookieJar
from pathlib import Path
from shutil import copytree, ignore_patterns

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # tests/lab.py
import psutil
from lab import NOTEBOOKS, Lab

GUIDE = NOTEBOOKS / "teaching_guide.md"
CHAPTER = "One machine, without Docker"
PATIENCE = 600  # seconds until all servers of a class must be there
NO_NPM = "npm is missing, which installs the hub’s proxy: apt-get install npm"
NOT_INSTALLED = "{what} could not be installed, as {tool} says:\n{said}"
NOT_STARTED = "the hub did not start"
NOT_SERVED = "the server of {name} did not start"
SAID_LAST = "the hub and its servers said last:\n{log}"


@dataclass(frozen=True)
class Recipe:
    """What the guide says: the pins of hub and proxy, the configuration, its password, how to collect."""

    hub: str
    proxy: str
    config: str
    password: str
    collect: str


def recipe(guide: str) -> Recipe:
    """The recipe of this text. Raises: ValueError if a part of it is not there exactly once."""
    (chapter,) = re.findall(rf"^### {CHAPTER}\n(.*?)^###? ", guide, re.MULTILINE | re.DOTALL) or [""]
    config = _one(r"^```python\n(.*?)^```$", chapter)
    return Recipe(
        _one(r"(jupyterhub==\S+)", chapter),
        _one(r"(configurable-http-proxy@\S+)", chapter),
        config,
        _one(r'user_password = "(.+)"', config),
        _one(r"^```bash\n(mkdir collected\n.*?)^```$", chapter),
    )


def _one(pattern: str, text: str) -> str:
    found = re.findall(pattern, text, re.MULTILINE | re.DOTALL if pattern.startswith("^") else 0)
    if len(found) != 1:
        raise ValueError(f"the guide should have {pattern!r} once in “{CHAPTER}”, not {len(found)} times")
    return found[0]


class Hub:
    """A running hub: its address, its folder with the learners' homes, and its process."""

    def __init__(self, url: str, folder: Path, process: psutil.Process, how: Recipe):
        self.url, self.folder, self.process, self.how = url, folder, process, how

    @property
    def log(self) -> Path:
        return self.folder / "hub.log"

    def log_in(self, name: str) -> Lab:
        """Log in as a learner does; returns what will be their server, with the right to talk to it."""
        jar = CookieJar()
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
        # a form has to repeat a cookie of the page it stands in, which another site's form could not know
        browser.open(f"{self.url}/hub/login", timeout=60).close()
        form = {"username": name, "password": self.how.password, "_xsrf": _xsrf(jar)}
        encoded = urllib.parse.urlencode(form).encode()
        browser.open(f"{self.url}/hub/login?next=%2Fhub%2Fhome", encoded, timeout=60).close()
        address = f"{self.url}/hub/api/users/{name}/tokens?_xsrf={urllib.parse.quote(_xsrf(jar))}"
        asked = urllib.request.Request(address, b"{}", {"Content-Type": "application/json"}, method="POST")
        with browser.open(asked, timeout=60) as answer:
            token = json.load(answer)["token"]
        headers = {"Authorization": f"token {token}"}
        return Lab(f"{self.url}/user/{name}", self.folder / "homes" / name, self.log, headers)

    def start_servers(self, labs: list[Lab]) -> float:
        """Start all at once; returns the seconds until the last was there."""
        began = time.perf_counter()
        with ThreadPoolExecutor(len(labs)) as threads:  # an answer comes when one is there, or after 10 s
            list(threads.map(lambda lab: self._ask(lab, "/server", method="POST"), labs))
        for lab in labs:
            while not (servers := self._ask(lab)["servers"]) or not servers[""]["ready"]:
                if (not servers) or time.perf_counter() - began > PATIENCE:
                    raise RuntimeError(NOT_SERVED.format(name=lab.root.name))
                time.sleep(0.2)
        return time.perf_counter() - began

    def _ask(self, lab: Lab, path: str = "", method: str = "GET") -> dict:
        address = f"{self.url}/hub/api/users/{lab.root.name}{path}"
        request = urllib.request.Request(address, method=method, headers=lab.headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or b"{}")

    def _said(self) -> str:
        return self.log.read_text("utf-8")[-2000:]

    def collect(self) -> subprocess.CompletedProcess:
        """The guide's commands, in the hub's folder; the table is in `collected` then."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            ["bash", "-euc", self.how.collect],
            cwd=self.folder,
            env=os.environ | {"PATH": path},
            capture_output=True,
            encoding="utf-8",
        )


def _xsrf(jar: CookieJar) -> str:
    return next(cookie.value for cookie in jar if cookie.name == "_xsrf")


def install(how: Recipe, folder: Path) -> None:
    """Hub and proxy into a folder. Exits, with what is missing in words, where they cannot be had.

    The hub comes with what it needs and this environment does not have, as `pip install` would add it; so
    the learners' servers and kernels are of this environment.
    """
    if shutil.which("npm") is None:
        sys.exit(NO_NPM)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    report = folder / "report.json"
    run(how.hub, [*pip, "--dry-run", "--report", str(report), how.hub])
    new = [package["metadata"] for package in json.loads(report.read_text("utf-8"))["install"]]
    pins = [f"{package['name']}=={package['version']}" for package in new]
    if pins:
        run(how.hub, [*pip, "--no-deps", "--target", str(folder / "python"), *pins])
    run(how.proxy, ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), how.proxy])


def run(what: str, command: list[str]) -> None:
    """Run a command that installs something; exits with what it says where it cannot."""
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    if done.returncode:
        sys.exit(NOT_INSTALLED.format(what=what, tool=Path(command[0]).name, said=done.stderr.strip()))


@contextmanager
def running_hub(how: Recipe, installed: Path, folder: Path) -> Iterator[Hub]:
    """The guide's hub in a folder of its own, as it stands there but for free ports of this machine alone."""
    folder.mkdir()
    copytree(NOTEBOOKS, folder / "lessons", ignore=ignore_patterns(GUIDE.name, ".*"))
    (folder / "node_modules").symlink_to(installed / "node_modules")
    (folder / "jupyterhub_config.py").write_text(how.config, "utf-8")
    port, own, proxys = _free_ports(3)
    url = f"http://127.0.0.1:{port}"
    root = ["--allow-root"] if os.geteuid() == 0 else []  # else a server would not start for root
    command = [
        sys.executable, "-m", "jupyterhub", f"--JupyterHub.bind_url={url}", f"--JupyterHub.hub_port={own}",
        f"--ConfigurableHTTPProxy.api_url=http://127.0.0.1:{proxys}",
        f"--Spawner.args={['--LabApp.expose_app_in_browser=True', *root]}",
    ]  # fmt: skip
    env = os.environ | {
        "PATH": os.pathsep.join(
            [str(installed / "python/bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
        ),
        "PYTHONPATH": os.pathsep.join(
            filter(None, [str(installed / "python"), os.environ.get("PYTHONPATH")])
        ),
    }
    with (folder / "hub.log").open("w") as out:
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=out, stderr=subprocess.STDOUT)
    hub = Hub(url, folder, psutil.Process(process.pid), how)
    try:
        _wait_for(hub, process)
        yield hub
    except Exception as error:
        error.add_note(SAID_LAST.format(log=hub._said()))
        raise
    finally:
        ours = hub.process.children(recursive=True) if process.poll() is None else []
        process.terminate()  # and with it proxy and servers
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for left in psutil.wait_procs(ours, timeout=10)[1]:
            left.kill()


def _free_ports(n: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [free.getsockname()[1] for free in sockets]
    for free in sockets:
        free.close()
    return ports


def _wait_for(hub: Hub, process: subprocess.Popen) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(f"{hub.url}/hub/health", timeout=1).close()
            return
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.2)
    raise RuntimeError(NOT_STARTED)
