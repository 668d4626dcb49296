"""The bug hunt: three suspects that look right, each exposed by a probe of its own."""

import re

import torch

from attention_core import probes
from attention_core.practice import check, suspects

SOLVED = {
    "suspect_a": probes.causality,
    "suspect_b": probes.rows_sum_to_one,
    "suspect_c": probes.fully_masked_row,
}


def test_the_hunt_is_solved_by_three_different_probes_and_only_by_what_exposes():
    result = check.hunt(**SOLVED)
    assert result and all(result.evidence)
    for name, right in SOLVED.items():
        for probe in probes.ALL:
            exposes = probe(getattr(suspects, name)).holds is False and probe is not probes.parity
            one = check.hunt(**{**SOLVED, name: probe})
            assert bool(one) == exposes, (name, probe.__name__)
        others = [p for p in SOLVED.values() if p is not right]
        assert not any(check.hunt(**{**SOLVED, name: p}) for p in others)


def test_each_suspect_looks_right_without_a_probe():
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    for name in SOLVED:
        suspect = getattr(suspects, name)
        output, weights = suspect(x, x, x)
        assert output.shape == (5, 4) and weights.shape == (5, 5) and weights.isfinite().all()
        assert probes.permutation_equivariance(suspect) and probes.rectangular(suspect)
        assert not re.search("leak|wrong|bug|axis|queries", suspect.__doc__)


def test_the_hunt_before_and_on_the_way():
    assert check.hunt().status == "not started"
    assert check.hunt(**dict.fromkeys(SOLVED, ...)).status == "not started"
    result = check.hunt(suspect_a=probes.parity, suspect_b=probes.causality, suspect_c=...)
    assert result.status == "wrong" and "0 of 3" in result.headline
    said = [v.evidence for v in result.evidence]
    assert (
        "Which property" in said[0]
        and "not exposed: causality holds" in said[1]
        and said[2] == "still at large"
    )
    assert "this is an int" in repr(check.hunt(suspect_a=3))
    assert "without brackets" in repr(check.hunt(suspect_a=probes.causality(suspects.suspect_a)))
    assert "there is no suspect_d" in repr(check.hunt(suspect_d=probes.causality))
