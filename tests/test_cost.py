"""What a call costs is counted while it runs, and measured by the processor's own clock."""

import sys
import time

import pytest
import torch

from attention_core import MultiHeadAttention, cost
from attention_core.cost import milliseconds, multiplications, peak_bytes


@pytest.mark.parametrize(("n", "dim"), [(3, 8), (16, 8), (7, 32)])
def test_a_layer_multiplies_as_often_as_the_formula_says(n, dim):
    layer, x = MultiHeadAttention(dim, 2), torch.randn(1, n, dim)
    assert multiplications(layer.to_query, x) == n * dim**2
    assert multiplications(layer, x) == 4 * n * dim**2 + 2 * n**2 * dim
    assert multiplications(layer, x, need_weights=False) == multiplications(layer, x)
    assert multiplications(torch.softmax, x, dim=-1) == 0


def test_the_peak_is_the_most_held_at_once(capfd):
    def call():
        a = torch.empty(1000, dtype=torch.uint8)
        b = torch.empty(2000, dtype=torch.uint8)
        del a, b
        torch.empty(2500, dtype=torch.uint8)

    assert peak_bytes(call) == 3000
    assert capfd.readouterr().err == ""


def test_the_error_stream_is_whole_after_a_call_that_fails(capfd):
    with pytest.raises(ZeroDivisionError):
        peak_bytes(lambda: 1 / 0)
    print("still here", file=sys.stderr)
    assert capfd.readouterr().err == "still here\n"


def test_the_time_is_that_of_the_quickest_call_after_the_first(monkeypatch):
    took, clock = iter((50.0, 3.0, 2.0, 4.0)), [0.0]

    def call():
        clock[0] += next(took)

    monkeypatch.setattr(time, "process_time", lambda: clock[0])
    monkeypatch.setattr(cost, "TIMES", 3)
    assert milliseconds(call) == 2000.0


def test_a_slow_call_is_timed_once(monkeypatch):
    calls, clock = [], [0.0]

    def call():
        calls.append(torch.is_grad_enabled())
        clock[0] += 1.0

    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    assert milliseconds(call) > 0
    assert calls == [False, False]  # one to prepare, without gradients


def test_what_is_called_gets_its_inputs():
    seen = []
    for tell in multiplications, milliseconds, peak_bytes:
        tell(lambda *inputs, **options: seen.append((inputs, options)), 1, 2, times=3)
    assert set(map(repr, seen)) == {"((1, 2), {'times': 3})"}
