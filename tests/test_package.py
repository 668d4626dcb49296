"""The package as a stranger meets it."""

import ast
import importlib
import inspect
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SERVER = ROOT / "attention_core" / "server"
PACKAGES = ["attention_core", *(f"attention_core.{x}" for x in ("explain", "live", "practice", "worlds"))]
MODULES = sorted((ROOT / "attention_core").rglob("*.py"))


def test_the_mathematics_imports_nothing_heavy():
    heavy = "{'matplotlib', 'ipywidgets', 'anywidget', 'IPython', 'gymnasium'}"
    code = f"import sys, attention_core; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_moves_imports_no_matplotlib_before_it_draws():
    code = "import sys, attention_core.live, attention_core.practice; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_gymnasium_is_imported_by_the_worlds_alone():
    code = "import sys, attention_core.live, attention_core.practice; print('gymnasium' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    which = {path.parent.name for path in MODULES if "import gymnasium" in path.read_text("utf-8")}
    assert which == {"worlds"}


def test_no_file_is_read_in_the_encoding_of_the_machine():
    """On Windows that is not UTF-8, and the widgets' scripts could not be read."""
    strict = [sys.executable, "-X", "warn_default_encoding", "-W", "error::EncodingWarning", "-c"]
    subprocess.run([*strict, "import attention_core.live, attention_core.practice"], check=True)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """What is installed where, from a wheel built as pip builds it."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", folder, ROOT]
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    (built,) = folder.glob("*.whl")
    return set(zipfile.ZipFile(built).namelist())


def test_each_file_of_the_package_is_installed(wheel):
    ours = [path for path in (ROOT / "attention_core").rglob("*") if path.suffix in (".py", ".js", ".css")]
    inside = {path.relative_to(ROOT).as_posix() for path in ours if SERVER not in path.parents}
    assert "attention_core/live/page/heatmap.js" in inside
    assert {name for name in wheel if name.startswith("attention_core/")} == inside


def test_the_servers_part_stands_beside_the_package(wheel):
    assert {"attention_core_server.py", "attention_core_pictures.py"} <= set(wheel)
    (config,) = (name for name in wheel if name.endswith("attention_core_server.json"))
    assert config.endswith("data/etc/jupyter/jupyter_server_config.d/attention_core_server.json")


@pytest.mark.parametrize("name", PACKAGES)
def test_every_public_name_is_there_once_and_explained(name):
    package = importlib.import_module(name)
    assert package.__doc__
    names = list(getattr(package, "__all__", []))
    assert len(set(names)) == len(names)
    for public in names:
        thing = getattr(package, public)
        if not inspect.ismodule(thing) and callable(thing):
            assert len(inspect.getdoc(thing) or "") > 20, f"{name}.{public} has no docstring"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_module_says_what_it_is_for(path):
    assert ast.get_docstring(ast.parse(path.read_text("utf-8")))
