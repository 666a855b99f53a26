"""One store, one team, and one fault after the other: a thread's work."""

from __future__ import annotations

import itertools
import random
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil

from tests.chaos.matrix import Fault
from tests.chaos.play import Outcome, play, quiet
from tests.chaos.stores import open_store
from tests.chaos.team import Team, team_on
from tests.servers import ServerError

__all__ = ["StoppedError", "run_lane"]


class StoppedError(Exception):
    """Somebody asked the lane to end."""


def run_lane(
    store_name: str,
    faults: Iterable[Fault],
    folder: Path,
    *,
    ttl_s: float,
    hear: Callable[[Outcome], None],
    stopped: Callable[[], bool],
    quiet_s: Callable[[], float] = lambda: 0.0,
    dice: random.Random | None = None,
) -> None:
    """Play ``faults`` on a store of this name, and let ``hear`` know of each outcome.

    After a cell that failed a new team goes on. Before each fault there is a quiet time of
    ``quiet_s`` seconds. Ends early, without an error, once ``stopped`` says so.
    """

    def patience() -> None:
        if stopped():
            raise StoppedError

    left = iter(faults)
    try:
        with open_store(store_name, folder / "store") as store:
            for number in itertools.count():
                patience()
                team_folder = folder / f"team-{number}"
                options = {"ttl_s": ttl_s, "patience": patience, "dice": dice}
                with team_on(store, team_folder, **options) as team:
                    if not _play_until_failure(team, left, hear, quiet_s):
                        return
    except StoppedError:
        return


def _play_until_failure(
    team: Team,
    left: Iterable[Fault],
    hear: Callable[[Outcome], None],
    quiet_s: Callable[[], float],
) -> bool:
    """Whether a cell failed, and there may be more to play."""
    for fault in left:
        length_s, team.drawn = quiet_s(), ""
        restless = quiet(team, length_s) if length_s else 0
        try:
            outcome = play(team, fault)
        except (AssertionError, psutil.Error, ServerError) as failure:
            story = traceback.format_exception(failure)
            outcome = Outcome(team.store.scheme, fault.name, failures=["".join(story)])
            outcome.account = team.ledger.account()
        outcome.drawn = team.drawn
        outcome.quiet_s, outcome.restless = length_s, restless
        if outcome.failures:
            outcome.log = team.log_tail()
        hear(outcome)
        if outcome.failures:
            return True
    return False
