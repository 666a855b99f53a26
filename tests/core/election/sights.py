"""A leader that tells its limits, and what a candidate sees of it from one look to the next."""

from __future__ import annotations

from coordsidecar.core.election import sight
from coordsidecar.core.election.sight import Sight
from coordsidecar.store.protocol import Behind, Held, Limits
from coordsidecar.value import replace
from tests.core.election.electors import BEHIND, UNCLEAN

LIMITS = Limits(15.0, 9.0)
LED = replace(BEHIND, in_office=True, limits=LIMITS)
VACATED = replace(UNCLEAN, last_led=5, last_limits=LIMITS)


def look(was: Sight | None, behind: Behind | Held, now_s: float) -> Sight | None:
    """An answer that came a second after its question."""
    return sight.seen(was, behind, now_s - 1.0, now_s)


def seen(was: Sight | None, behind: Behind | Held, now_s: float) -> Sight:
    found = look(was, behind, now_s)
    assert found is not None
    return found


def watched(behind: Behind, from_s: float, until_s: float) -> Sight:
    """Who looks every two seconds, and sees the same each time."""
    found = seen(None, behind, from_s)
    while (from_s := from_s + 2.0) <= until_s:
        found = seen(found, behind, from_s)
    return found
