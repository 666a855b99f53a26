"""One store, one team, and one fault after the other: a thread's work."""

from __future__ import annotations

import itertools
import random
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import psutil

from tests.chaos.play import Outcome, quiet
from tests.chaos.stores import open_store
from tests.chaos.team import Team, team_on
from tests.servers import ServerError

__all__ = ["Lane", "Named", "StoppedError"]


class Named(Protocol):
    @property
    def name(self) -> str: ...


Cell = TypeVar("Cell", bound=Named)


class StoppedError(Exception):
    """Somebody asked the lane to end."""


class Lane(Generic[Cell]):
    """Plays cells on a store of this name, and lets ``hear`` know of each outcome.

    After a cell that failed a new team goes on. Before each cell there is a quiet time of
    ``quiet_s`` seconds. Ends early, without an error, once ``stopped`` says so. ``alone``: the
    store is one server. ``team`` goes to `Team`.
    """

    def __init__(
        self,
        store_name: str,
        folder: Path,
        *,
        play: Callable[[Team, Cell], Outcome],
        hear: Callable[[Outcome], None],
        stopped: Callable[[], bool],
        quiet_s: Callable[[], float] = lambda: 0.0,
        dice: random.Random | None = None,
        alone: bool = False,
        **team: Any,
    ) -> None:
        self._store_name = store_name
        self._folder = folder
        self._play, self._hear, self._stopped, self._quiet_s = play, hear, stopped, quiet_s
        self._alone = alone
        self._team = {"patience": self._patience, "dice": dice, **team}

    def run(self, cells: Iterable[Cell]) -> None:
        left = iter(cells)
        try:
            with open_store(self._store_name, self._folder / "store", alone=self._alone) as store:
                for number in itertools.count():
                    self._patience()
                    with team_on(store, self._folder / f"team-{number}", **self._team) as team:
                        if not self._play_until_failure(team, left):
                            return
        except StoppedError:
            return

    def _patience(self) -> None:
        if self._stopped():
            raise StoppedError

    def _play_until_failure(self, team: Team, left: Iterable[Cell]) -> bool:
        """Whether a cell failed, and there may be more to play."""
        for cell in left:
            length_s, team.drawn = self._quiet_s(), ""
            restless = quiet(team, length_s) if length_s else 0
            try:
                outcome = self._play(team, cell)
            except (AssertionError, psutil.Error, ServerError) as failure:
                story = traceback.format_exception(failure)
                outcome = Outcome(team.store.scheme, cell.name, failures=["".join(story)])
                outcome.account = team.ledger.account()
            outcome.drawn = team.drawn
            outcome.quiet_s, outcome.restless = length_s, restless
            if outcome.failures:
                outcome.log = team.log_tail()
            self._hear(outcome)
            if outcome.failures:
                return True
        return False
