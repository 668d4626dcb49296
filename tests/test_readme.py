"""The README keeps what it promises: its files, its minutes, its commands and its picture."""

import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest
from lab import need_chromium
from PIL import Image, ImageChops
from record_animation import PICTURE

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")
LESSONS = sorted((ROOT / "notebooks").glob("0*.ipynb"))
ROWS = dict(re.findall(r"^\| \[.+?\]\(notebooks/(.+?\.ipynb)\) \| ([\d +]+) \|", README, re.MULTILINE))


def test_each_link_leads_somewhere():
    targets = re.findall(r"\]\(([^)#]+)", README)
    assert targets
    for target in targets:
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_each_file_it_names_is_there():
    named = re.findall(r"(?:tests|binder|notebooks|\.ci)/[\w/.]*\w", README)
    assert {"tests/refresh_notebooks.py", "tests/requirements.txt", ".ci/run"} <= set(named)
    for name in named:
        assert (ROOT / name).exists(), name


def test_every_lesson_is_listed_with_its_own_minutes():
    assert list(ROWS) == [path.name for path in LESSONS]
    for path in LESSONS:
        said = re.search(r"\*\*Time\*\* (.+?) ·", nbformat.read(path, 4).cells[0].source)[1]
        assert ROWS[path.name] == " + ".join(re.findall(r"\d+", said)), path.name


def test_ci_runs_the_test_command():
    install, test = re.search(r"^    (.*tests/requirements.txt) && (.*)$", README, re.MULTILINE).groups()
    ci = (ROOT / ".ci" / "run").read_text("utf-8")
    assert install.replace("install", "install --quiet") in ci.splitlines()
    assert test in ci.splitlines()


def test_the_animation_is_small_and_moves_and_has_words():
    alt, source = re.search(r"!\[([^\]]*)\]\((.+?)\)", README).groups()
    assert ROOT / source == PICTURE
    assert len(alt) > 40
    assert PICTURE.stat().st_size <= 2_000_000
    assert Image.open(PICTURE).n_frames > 20


@pytest.mark.timeout(300)
def test_the_animation_can_be_retaken(tmp_path):
    need_chromium()
    to = tmp_path / "again.webp"
    command = [sys.executable, Path(__file__).with_name("record_animation.py"), "--steps", "2", "--to", to]
    subprocess.run(command, check=True, timeout=280)
    animation = Image.open(to)
    assert animation.n_frames == 4  # three temperatures, and the middle one again on the way back
    shots = []
    for i in range(3):
        animation.seek(i)
        shots.append(animation.convert("L"))
    assert animation.width == Image.open(PICTURE).width
    for before, after in pairwise(shots):
        assert ImageChops.difference(before, after).getextrema()[1] > 30
