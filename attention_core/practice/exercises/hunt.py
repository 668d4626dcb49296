"""The bug hunt of lesson 01: which probe exposes which suspect? It is found out by running it."""

from collections.abc import Callable

from attention_core import probes
from attention_core._saying import a
from attention_core.practice import suspects
from attention_core.practice.result import Result
from attention_core.probes import Verdict

SUSPECTS: dict[str, Callable] = {
    name: thing for name, thing in vars(suspects).items() if name.startswith("suspect_")
}


def hunt(*given, **found) -> Result:
    """Does the probe named for each suspect expose it? `check.hunt(suspect_a=probes.causality, …)` runs it.

    Parity does not count: it says that a function differs from ours, not which property it lacks.
    """
    if given:
        said = "name each suspect: check.hunt(suspect_a=probes.causality, …), or check.hunt(**found)"
        return Result("bug hunt", "wrong", said)
    if unknown := sorted(set(found) - set(SUSPECTS)):
        return Result(
            "bug hunt", "wrong", f"there is no {unknown[0]}; the suspects are {', '.join(SUSPECTS)}"
        )
    if all(_open(found.get(name)) for name in SUSPECTS):
        return Result("bug hunt", "not started", "not started yet. Which probe exposes each suspect?")
    verdicts = tuple(_accused(name, found.get(name)) for name in SUSPECTS)
    exposed = sum(map(bool, verdicts))
    if exposed == len(SUSPECTS):
        return Result("bug hunt", "passed", f"passed: all {exposed} are exposed", evidence=verdicts)
    return Result("bug hunt", "wrong", f"{exposed} of {len(SUSPECTS)} exposed", evidence=verdicts)


def _open(probe) -> bool:
    return probe is ... or probe is None


def _accused(name: str, probe) -> Verdict:
    """A verdict that is true when the suspect is exposed."""
    if _open(probe):
        return Verdict(name, None, "still at large")
    if not any(probe is each for each in probes.ALL):  # not `in`, which asks an array whether it is equal
        return Verdict(
            name, False, f"name a probe, such as probes.causality, without brackets; this is {a(probe)}"
        )
    if probe is probes.parity:
        return Verdict(
            name, False, "parity only says that its numbers are not ours. Which property does it lack?"
        )
    found = probe(SUSPECTS[name])
    if found.holds is False:
        return Verdict(name, True, f"exposed by {found.name}: {found.evidence}")
    return Verdict(name, False, f"not exposed: {found.name} holds ({found.evidence})")
