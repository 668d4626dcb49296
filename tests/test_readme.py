"""The README keeps what it promises: its files, its minutes, its commands and its picture."""

import re
import textwrap
from pathlib import Path
from types import SimpleNamespace

import nbformat
import torch
from PIL import Image
from record_animation import PICTURE

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")
LESSONS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
ROWS = dict(re.findall(r"^\| \[.+?\]\(notebooks/(.+?\.ipynb)\) \| ([\d +]+) \|", README, re.MULTILINE))


def test_each_link_leads_somewhere():
    targets = re.findall(r"\]\(([^)#]+)", README)
    assert targets
    for target in targets:
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_each_file_it_names_is_there():
    named = re.findall(r"(?:tests|binder|notebooks|\.ci)/[\w/.-]*\w", README)
    assert {"tests/tools/refresh_notebooks.py", "tests/requirements.txt", ".ci/run"} <= set(named)
    for name in named:
        assert (ROOT / name).exists(), name


def test_every_lesson_is_listed_with_its_own_minutes():
    assert list(ROWS) == [path.name for path in LESSONS]
    for path in LESSONS:
        said = re.search(r"\*\*Time\*\* (.+?) ·", nbformat.read(path, 4).cells[0].source)[1]
        assert ROWS[path.name] == " + ".join(re.findall(r"\d+", said)), path.name


def test_the_paths_of_three_hours_are_as_long_as_they_say():
    minutes = {name[:2]: [int(n) for n in said.split(" + ")] for name, said in ROWS.items()}
    (paths,) = re.findall(r"\*\*Three hours only\?\*\* (.+?)\n\n", README, re.DOTALL)
    found = re.findall(r": ([^:()]+) \((\d+) minutes\)", " ".join(paths.split()))
    assert len(found) == 2
    for lessons, said in found:
        first = set(re.findall(r"first part of (\d\d)", lessons))
        walked = [minutes[n][:1] if n in first else minutes[n] for n in re.findall(r"\d\d", lessons)]
        assert sum(map(sum, walked)) == int(said) and abs(int(said) - 180) <= 15


def test_each_word_is_introduced_in_the_lesson_it_is_listed_with():
    """There it stands; and no lesson before makes it stand out."""
    text = {
        path.name[:2]: "\n".join(cell.source for cell in nbformat.read(path, 4).cells) for path in LESSONS
    }
    part = README.split("\n## Words\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (.+) \| (\d\d) \| (.+) \|$", part, re.MULTILINE)
    assert [lesson for _, lesson, _ in rows] == sorted(lesson for _, lesson, _ in rows) and len(rows) > 40
    assert {lesson for _, lesson, _ in rows} == {*text} - {"00"}
    words = [(word, lesson) for all_of_them, lesson, _ in rows for word in all_of_them.split(", ")]
    assert len({word for word, _ in words}) == len(words)
    for word, lesson in words:
        stands = re.compile(rf"\b{re.escape(word)}", re.IGNORECASE)
        bold = re.compile(rf"\*\*{re.escape(word)}s?\*\*", re.IGNORECASE)
        assert stands.search(text[lesson]), (word, lesson)
        early = [n for n in text if "00" < n < lesson and bold.search(text[n])]
        assert early == [], (word, early)


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


def blocks(heading: str) -> list[str]:
    """The code under a heading."""
    part = README.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return [textwrap.dedent(block) for block in re.findall(r"(?:^    .*\n)+", part, re.MULTILINE)]


def test_your_own_model_is_shown_as_it_says():
    class Tokenizer:
        def convert_ids_to_tokens(self, ids):
            return [f"token {i}" for i in ids.tolist()]

    def model(input_ids, output_attentions):
        assert output_attentions
        layers = tuple(torch.rand(1, 12, 5, 5).softmax(-1) for _ in range(6))
        return SimpleNamespace(attentions=layers)

    own, moved = blocks("Your own model")
    assert len(own.splitlines()) == 3
    here = {
        "model": model,
        "tokenizer": Tokenizer(),
        "batch": {"input_ids": torch.tensor([[101, 7, 8, 9, 102]])},
    }
    *before, last = own.splitlines()
    exec("\n".join(before), here)
    assert "5 queries × 5 keys, 12 heads" in repr(shown := eval(last, here))
    assert shown.query_labels[0] == "token 101"
    here["scores"] = torch.randn(4, 4)
    *before, last = moved.splitlines()
    exec("\n".join(before), here)
    assert eval(last, here).weights.shape == (4, 4)


def test_how_to_add_a_thing_names_files_that_are_there_and_counts_their_lines():
    rows = re.findall(r"^\| an? (\w+).* \|$", README, re.MULTILINE)
    assert rows == ["explorer", "view", "exercise", "lesson"]
    lines = re.search(r"\(tests/contributed/reach\.py\), (\d+) lines", README)[1]
    written = (ROOT / "tests/contributed/reach.py").read_text("utf-8").count("\n")
    assert int(lines) == written <= 60
