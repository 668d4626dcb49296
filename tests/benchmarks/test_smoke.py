"""The benchmark still measures everything; how fast it was is read by people, not asserted."""

import re
import subprocess
import sys
from math import isfinite
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # tests/lab.py
from lab import need_chromium

ROWS = [
    "ours, 12 × 12",
    "interact + inline matplotlib",
    "widgets.Image + Agg PNG",
    "ours, 8 heads × 64 × 64",
    "ours, 8 × 512 × 512",
    "hover → readout",
    "hover → readout, kernel busy",
]


def test_the_benchmark_fills_its_table():
    need_chromium()
    script = Path(__file__).with_name("slider_latency.py")
    command = [sys.executable, str(script), "--smoke"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    _heading, *table = done.stdout.split("\n\n")[0].splitlines()
    assert len(table) == len(ROWS)
    for line, name in zip(table, ROWS, strict=True):
        assert line.startswith(name)
        median, p95, n = map(float, re.split(r"\s{2,}", line)[1:])
        assert isfinite(median) and isfinite(p95) and 0 < median <= p95
        assert n == 3
    assert done.stdout.count("× faster than") == 4
    assert len(re.findall(r"^(?:met|MISSED) ", done.stdout, re.MULTILINE)) == 4
