"""The speed table's tool: that it runs, measures what it says, and finds memory linear without weights."""

import importlib.util
import sys
from pathlib import Path

import fast_attention
import pytest
import torch

from attention_core import MultiHeadAttention
from attention_core.cost import peak_bytes

FILE = Path(__file__).parent / "benchmarks" / "attention_speed.py"


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Test processes share the cores: many threads for so little work would only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def speed():
    spec = importlib.util.spec_from_file_location("attention_speed", FILE)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_the_table_has_a_row_for_each_case(speed):
    rows = list(speed.rows([3], dim=4, num_heads=2, batch=1, pairs=2))
    cases = [(row.n, row.weights, row.backward) for row in rows]
    assert cases == [(3, w, b) for w in (False, True) for b in (False, True)]
    for row in rows:
        assert row.ours > 0 and row.theirs > 0 and row.ratio > 0
        assert row.our_peak > 0 and row.their_peak > 0
        assert len(str(row)) == len(speed.HEADING)


def test_the_means_are_geometric_and_by_case(speed):
    cases = [(False, False, 0.5), (False, False, 2.0), (False, True, 1.0), (True, True, 3.0)]
    rows = [speed.Row(16, weights, backward, 1, 1, ratio, 1, 1) for weights, backward, ratio in cases]
    assert list(speed.means(rows)) == [
        "without weights, forward: geometric mean 1.00, worst 2.00",
        "without weights, forward+backward: geometric mean 1.00, worst 1.00",
        "with weights, forward+backward: geometric mean 3.00, worst 3.00",
        "without weights, all rows: geometric mean 1.00, worst 2.00",
    ]


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("leading", [(), (2,)])
def test_memory_grows_with_n_without_weights_and_with_its_square_with_them(speed, backward, leading):
    layer = MultiHeadAttention(16, 2)

    def bytes_at(n, need_weights):
        x = torch.randn(*leading, n, 16)
        return peak_bytes(speed._call(layer, lambda layer: layer(x, need_weights=need_weights), backward))

    # from 768 on: there the fused kernel takes larger blocks, which is a step and not a slope
    assert bytes_at(2048, False) < 2.2 * bytes_at(1024, False)
    assert bytes_at(2048, True) > 3.5 * bytes_at(1024, True)


def test_the_table_of_fast_attention_has_its_rows_and_says_what_is_met(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["fast_attention.py", "--quick"])
    monkeypatch.setattr(fast_attention, "QUICK", {"sizes": (8, 300), "steps": (2, 3), "keys": (5,)})
    fast_attention.main()
    first, heading, *lines = capsys.readouterr().out.splitlines()
    assert "one thread" in first and heading == fast_attention.HEADING
    rows, verdicts = lines[:9], lines[9:]
    for line in rows:
        assert len(line) == len(heading), line
        size, time, against, ratio, most, their_most = map(float, line[50:].split())
        assert size in (8, 300, 2, 3, 5) and min(time, against, ratio) > 0 and min(most, their_most) >= 0
    assert len(verdicts) == 4 and all(line.startswith(("met   ", "MISSED")) for line in verdicts)
    assert "tiles against all weights, 300: " in verdicts[0]  # of the largest size


def test_a_target_is_met_by_the_last_row_alone():
    names = [
        "tiles against all weights",
        "tokens with a cache against without",
        "the same without the projections",
    ]
    rows = [
        fast_attention.Row(name, n, 1, 1, ratio, 1, 30) for name in names for n, ratio in ((1, 9.0), (2, 0.1))
    ]
    assert [line[:6] for line in fast_attention.targets(rows)] == ["met   "] * 4
    rows.append(fast_attention.Row(names[0], 3, 1, 1, 0.7, 1, 10))
    assert [line[:6] for line in fast_attention.targets(rows)] == ["MISSED", "MISSED", "met   ", "met   "]
