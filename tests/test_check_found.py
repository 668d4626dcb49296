"""`check` finds its exercises: one more file is one more check; JupyterLab completes their names."""

import subprocess
import sys

import pytest
from jupyter_client.manager import start_new_kernel

from attention_core.practice import check
from attention_core.practice.result import Result


def python(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_each_check_is_the_variable_of_its_file_and_answers_with_a_result():
    for name in dir(check):
        thing = getattr(check, name)
        assert isinstance(thing(), Result) and thing().status == "not started", name
    assert len(dir(check)) >= 15 and check.softmax is check.softmax


def test_a_name_that_is_no_check_is_refused_with_those_that_are():
    with pytest.raises(
        AttributeError, match=f"there is no check.softmaxx; there are {', '.join(dir(check))}$"
    ):
        check.softmaxx  # noqa: B018


def test_one_more_file_is_one_more_check_and_none_is_imported_early(tmp_path):
    (tmp_path / "double.py").write_text(
        "from attention_core.practice.exercise import Case, Exercise\n"
        "double = Exercise('double', ('twice',), lambda x: 2 * x, lambda: [Case('1', (1,))], (), '')\n"
    )
    (tmp_path / "broken.py").write_text("1 / 0")  # another's mistake, which is no one else's
    (tmp_path / "_shared.py").write_text("")
    found = python(
        "import sys\n"
        "from attention_core.practice import exercises\n"
        f"exercises.__path__.append({str(tmp_path)!r})\n"
        "from attention_core.practice import check\n"
        "early = [m for m in sys.modules if m.startswith(exercises.__name__ + '.')]\n"
        "print(early, '_shared' in dir(check), 'broken' in dir(check))\n"
        "print(check.double, check.softmax, sep='; ')"
    )
    assert found.splitlines() == [
        "[] False True",
        "the check of double: call it with your answer; the check of softmax: call it with your answer",
    ]


def test_jupyter_completes_their_names():
    manager, client = start_new_kernel()
    try:
        client.execute_interactive("from attention_core.practice import check", timeout=60)
        offered = client.complete("check.s", 7, reply=True, timeout=60)["content"]["matches"]
        assert offered == [name for name in dir(check) if name.startswith("s")]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
