"""Values behave like frozen dataclasses, which is what type checkers take them for."""

import pytest

from coordsidecar.core.guard.moves import StartElector
from coordsidecar.core.messages import JobIs, Leased, Released
from coordsidecar.core.timing import Timing
from coordsidecar.store.protocol import Office
from coordsidecar.value import replace


def test_values_are_equal_if_class_and_fields_are() -> None:
    assert JobIs(1) == JobIs(1)
    assert JobIs(1) != JobIs(2)
    assert JobIs(1) != Released(1)
    assert len({JobIs(1), JobIs(1), Released(1)}) == 2


def test_a_value_cannot_be_changed() -> None:
    job = JobIs(1)

    with pytest.raises(AttributeError):
        job.pid = 2  # type: ignore[misc]
    with pytest.raises(AttributeError):
        del job.pid

    assert job == JobIs(1)


def test_replace_makes_a_changed_copy_and_checks_it() -> None:
    leased = Leased(1, 2.0, 3.0)

    assert replace(leased, token=5) == Leased(5, 2.0, 3.0)
    assert leased.token == 1
    with pytest.raises(TypeError):
        replace(leased, tokne=5)
    with pytest.raises(ValueError, match="--margin"):
        replace(Timing.for_ttl(15), margin_s=0.1)


def test_fields_are_needed_defaulted_and_matched_in_order() -> None:
    with pytest.raises(TypeError, match="run_until_s"):
        StartElector(1)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        JobIs(1, 2)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Timing(15)  # type: ignore[call-arg]

    assert Office(led=3) == Office(3, 0, "", "")
    match StartElector(4, 5.0, 0):
        case StartElector(token, run_until_s):
            assert (token, run_until_s) == (4, 5.0)
