"""The package as a stranger meets it."""

import subprocess
import sys


def test_the_mathematics_imports_nothing_heavy():
    heavy = "{'matplotlib', 'ipywidgets', 'anywidget', 'IPython'}"
    code = f"import sys, attention_core; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
