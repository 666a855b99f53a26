"""The one command that tells a failure again."""

from __future__ import annotations

from tests.sim.scenario import Report

__all__ = ["command"]


def command(report: Report, *, mutant: str | None = None) -> str:
    """For a shell at the root of the checkout; what failed is its comment."""
    words = ["python -m tests.sim", f"--seed {report.seed}"]
    if report.schedule is not None:
        words.append(f"--schedule '{report.schedule}'")
    if mutant is not None:
        words.append(f"--mutant {mutant}")
    return " ".join([*words, "--trace", f" # {report.failure}"])
