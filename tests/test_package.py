"""The package as a stranger meets it."""

import ast
import importlib
import inspect
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
PACKAGES = SETUPTOOLS["packages"]
MODULES = sorted((ROOT / "attention_core").rglob("*.py"))


def test_the_mathematics_imports_nothing_heavy():
    heavy = "{'matplotlib', 'ipywidgets', 'anywidget', 'IPython'}"
    code = f"import sys, attention_core; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_folder_of_the_package_is_installed():
    folders = {path.parent.relative_to(ROOT).as_posix().replace("/", ".") for path in MODULES}
    assert set(PACKAGES) == folders
    assert all((ROOT / name.replace(".", "/") / "__init__.py").is_file() for name in PACKAGES)


def test_what_the_browser_runs_is_installed_with_the_package():
    files = [path for path in (ROOT / "attention_core").rglob("*") if path.suffix not in ("", ".py", ".pyc")]
    assert {"heatmap.js", "heatmap.css", "plane.js", "plane.css"} <= {path.name for path in files}
    for path in files:
        package = path.parent.relative_to(ROOT).as_posix().replace("/", ".")
        patterns = SETUPTOOLS["package-data"].get(package, [])
        assert any(fnmatch(path.name, pattern) for pattern in patterns), f"{path.name} would stay behind"


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
    assert ast.get_docstring(ast.parse(path.read_text()))
