"""A class of thirty, collected twice: how long it takes, whether every row is right, and the table the same.

python tests/benchmarks/collected_class.py   # some minutes: among the thirty are loops that never end
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # tests/a_class.py
import a_class
from test_collect import collect, fits, in_table, table

from attention_core._calling import LONGEST
from attention_core.practice.collect.handed_in import OUTPUTS
from attention_core.practice.collect.judged import Limits

MOST = 600  # seconds for thirty on two cores
ROUNDS = 2


def main() -> int:
    """Collect, print what it took; 1 when a row is wrong or the second table another."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--smoke", action="store_true", help="three learners: does it work?")
    limits = Limits()
    learners = a_class.thirty(LONGEST, limits.cell, limits.each)
    if parser.parse_args().smoke:
        learners = [learners[3], learners[-1], a_class.mistaken("02_multi_head_attention")]
    wrong, took, tables = [], [], []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        a_class.write(learners, folder)
        for _ in range(ROUNDS):
            begun = time.monotonic()
            done = collect(folder, "--predictions")
            took.append(time.monotonic() - begun)
            assert done.returncode == 0, done.stderr
            tables.append([(folder / name).read_bytes() for name in OUTPUTS])
        rows = table(folder)
        wrong = [f"{x.name}: {rows[in_table(x)]}" for x in learners if not fits(x, rows[in_table(x)])]
    print(f"{'files handed in':<24}{len(learners):>8}")
    print(f"{'rows that are wrong':<24}{len(wrong):>8}")
    for n, seconds in enumerate(took, 1):
        print(f"{f'seconds, round {n}':<24}{seconds:>8.1f}")
    print()
    same = tables[0] == tables[1]
    print(f"{'met   ' if same else 'MISSED'} the second table is the first, byte for byte")
    print(f"{'met   ' if max(took) < MOST else 'MISSED'} under {MOST} seconds, on {os.cpu_count()} cores")
    for row in wrong:
        print(f"! {row}")
    return 1 if wrong or not same else 0


if __name__ == "__main__":
    sys.exit(main())
