"""From single checks to a verdict."""

from __future__ import annotations

from coordsidecar.children.health_tally import Tally


def verdicts(
    checks: str, *, rise: int = 1, fall: int = 3, start_period_s: float = 0.0
) -> list[bool | None]:
    """After each of the checks, one a second: ``+`` for a good one, ``-`` for one that failed."""
    tally = Tally(began_s=100.0, rise=rise, fall=fall, start_period_s=start_period_s)
    found = []
    for number, check in enumerate(checks, start=1):
        tally.count(well=check == "+", now_s=100.0 + number)
        found.append(tally.verdict)
    return found


def test_a_job_is_well_after_its_first_good_check_and_sick_after_three_failed_ones() -> None:
    assert verdicts("+---") == [True, True, True, False]


def test_they_must_fail_in_a_row() -> None:
    assert verdicts("--+--+-") == [None, None, *[True] * 5]


def test_nobody_knows_before_there_were_enough() -> None:
    assert verdicts("++-+++", rise=3) == [None, None, None, None, None, True]


def test_it_may_get_well_again() -> None:
    assert verdicts("--++", rise=2, fall=2) == [None, False, False, True]


def test_failures_in_the_start_period_do_not_count() -> None:
    assert verdicts("------", fall=2, start_period_s=4.5) == [*[None] * 5, False]


def test_the_first_success_ends_the_start_period_though_it_takes_more_to_be_well() -> None:
    assert verdicts("-+--", rise=2, fall=2, start_period_s=60.0) == [None, None, None, False]
