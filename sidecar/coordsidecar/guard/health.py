"""The guard's handle on what looks at the job's health (`children.health_prober`).

It is told which run of the job there is to look at, and what it says becomes an event of the core,
which decides. With ``--health-when always`` it looks while we do not lead, too. Nothing waits for
it. One that dies, says nothing for too long, or could not be forked is replaced, after a pause that
grows: meanwhile nothing is known of the job's health, and that is no reason to stop it, nor not to
stand for election.
"""

from __future__ import annotations

import json
import math
import os
import socket
from collections.abc import Iterator, Mapping

from coordsidecar.children.forking import Dispositions
from coordsidecar.children.health_looks import Look, by_command, by_http, by_tcp
from coordsidecar.children.health_prober import (
    NOTHING,
    PACKET_BYTES_MAX,
    STANDBY,
    HealthProber,
)
from coordsidecar.children.one_command import KILLS_AT_MOST_S
from coordsidecar.core.guard.moves import Health
from coordsidecar.core.guard.phases import Guard, Running
from coordsidecar.guard.helper import Helper
from coordsidecar.guard.job_env import environment_beside_job
from coordsidecar.linux import boottime_s
from coordsidecar.log import Log, one_line
from coordsidecar.refusals import refusal
from coordsidecar.settings.health_options import HealthCheck
from coordsidecar.settings.settings import Settings

__all__ = ["HealthWatch"]

_NAME = "health-prober"
_PAUSE_FIRST_S, _PAUSE_LONGEST_S = 1.0, 60.0
# Beyond what a check may take: for a host that is busy.
_PATIENCE_S = 5.0
# Who notices a silence so late has slept itself, perhaps with all of this host.
_LATE_S = 1.0
_ENDS_WITHIN_S = 1.0


class HealthWatch:
    """There is one only where a health check is configured."""

    def __init__(
        self, settings: Settings, log: Log, dispositions: Dispositions, *, guard_pidfd: int
    ) -> None:
        assert settings.health is not None
        self._settings, self._log, self._dispositions = settings, log, dispositions
        self._check = settings.health
        self._guard_pidfd = guard_pidfd
        self._prober = Helper(_NAME, guard_pidfd=guard_pidfd)
        self._wanted = NOTHING
        self._told: tuple[float, ...] = NOTHING
        self._verdict: tuple[int, bool | None] = (NOTHING[0], None)
        self._not_known: list[Health] = []
        self._silent_at_s = math.inf
        self._start_at_s = -math.inf
        self._give_up_at_s = math.inf
        self._failures = 0
        self._start()

    @property
    def pid(self) -> int | None:
        return self._prober.pid

    @property
    def pids(self) -> tuple[int | None, ...]:
        return self._prober.pids

    @property
    def fd(self) -> int | None:
        """What to wait for: what it has found."""
        return self._prober.fd

    @property
    def due_s(self) -> float:
        """When `sees` must be called at the latest."""
        if self.pid is None:
            return self._start_at_s
        return min(self._silent_at_s, self._give_up_at_s)

    def variables(self) -> dict[str, str]:
        """For the job's environment, before each start of it. Raises `OSError`."""
        return {}

    def sees(self, guard: Guard) -> None:
        """Have the run of the job looked at that there is now; and look after who does it."""
        now_s = boottime_s()
        if self.pid is not None and now_s >= self._silent_at_s:
            self._is_silent(now_s)
        if self.pid is not None and now_s >= self._give_up_at_s:
            self._log.once(
                _NAME, "what looks at the job's health does not end; going on without it"
            )
            self._prober.abandon()
            self._is_gone()
        if self.pid is None and now_s >= self._start_at_s:
            self._start()
        self._want(guard, now_s)
        wanted = self._about(self._wanted)
        if self.pid is not None and wanted != self._told:
            self._tell(wanted, now_s)

    def looks_away(self) -> None:
        """The job is about to be suspended, with us: it does nothing, and that is no fault."""
        self._wanted = NOTHING
        self._tell(self._about(NOTHING), boottime_s())

    def verdicts(self) -> Iterator[Health]:
        """What it has found since. Who is sick stays so until the core has heard of it."""
        yield from self._found()
        while self._not_known:
            yield self._not_known.pop(0)

    def _found(self) -> Iterator[Health]:
        while (packet := self._prober.receive(PACKET_BYTES_MAX)) is not None:
            if not packet:  # It ends, or has ended: that is seen when it is reaped.
                self._prober.close_link()
                self._kill(boottime_s())
                return
            run, healthy, why, *more = json.loads(packet)
            self._is_known(more)
            if run == self._told[0]:  # Who has nothing to look at may be silent again.
                self._silent_at_s = self._patient_until_s(boottime_s())
                self._failures = 0
                self._log.may_repeat(_NAME)
            is_news = (run, healthy) != self._verdict
            self._verdict = (run, healthy)
            if healthy is False:
                yield Health(run, healthy=False, why=self._reason(one_line(why)))
            elif healthy and is_news:
                well = "the check is passed" if run == STANDBY else "the job is well"
                yield Health(run, healthy=True, why=well)

    def was_reaped(self, pid: int) -> None:
        """Another follows, though not at once."""
        if self._prober.was_reaped(pid):
            self._log.once(_NAME, "what looks at the job's health has ended; another follows")
            # Its link is closed once its last words are heard.
            self._is_gone()

    def tidy(self) -> None:
        """We end: there is no job any more, and nothing is left of who looked at it."""
        self._prober.end(within_s=_ENDS_WITHIN_S)

    def _is_silent(self, now_s: float) -> None:
        if now_s >= self._silent_at_s + _LATE_S:
            self._silent_at_s = self._patient_until_s(now_s)
            return
        self._silent_at_s = math.inf
        self._log.once(_NAME, "what looks at the job's health says nothing; it is replaced")
        self._kill(now_s)

    def _kill(self, now_s: float) -> None:
        """It may be held by a debugger, or frozen, and not end; or have been reaped already."""
        self._prober.kill()
        if self.pid is not None:
            self._give_up_at_s = now_s + _ENDS_WITHIN_S

    def _patient_until_s(self, now_s: float) -> float:
        return now_s + self._silence_s + _PATIENCE_S

    def _want(self, guard: Guard, now_s: float) -> None:
        run, token = NOTHING[:2]
        if isinstance(guard.phase, Running):
            run, token = guard.runs, guard.phase.lease.token
        elif self._check.when == "always":
            run = STANDBY
        if self._wanted[:2] != (run, token):
            self._wanted = NOTHING if run == NOTHING[0] else (run, token, now_s)
            if self._wanted == NOTHING:
                self._forget("no job runs")

    def _forget(self, why: str) -> None:
        """Nobody knows any more, of whatever there is now."""
        self._not_known.append(Health(max(self._wanted[0], STANDBY), healthy=None, why=why))

    @property
    def _silence_s(self) -> float:
        """For so long it may say nothing of a job that it is to look at."""
        return self._check.interval_s + self._check.timeout_s + KILLS_AT_MOST_S

    def _about(self, run: tuple[int, int, float]) -> tuple[float, ...]:
        """What it is told of this run of the job."""
        return run

    def _say(self, wanted: tuple[float, ...]) -> bool:
        return self._prober.send(json.dumps(wanted).encode())

    def _is_known(self, more: list[object]) -> None:
        """What else it has said: here, why it cannot look."""
        if more:
            self._forget(str(more[0]))

    def _reason(self, why: str) -> str:
        if (fall := self._check.fall) == 1:
            return f"a check failed: {why}"
        return f"{fall} checks failed, the last: {why}"

    def _tell(self, wanted: tuple[float, ...], now_s: float) -> None:
        if self._say(wanted):
            self._told = wanted
            self._silent_at_s = (
                math.inf if wanted[0] == NOTHING[0] else self._patient_until_s(now_s)
            )
        elif math.isinf(self._silent_at_s):
            # It is said again at the next look, or to its successor.
            self._silent_at_s = self._patient_until_s(now_s)

    def _is_gone(self) -> None:
        self._told, self._silent_at_s, self._give_up_at_s = NOTHING, math.inf, math.inf
        self._verdict = (NOTHING[0], None)
        self._forget("nobody looks at the moment")
        pause_s = min(_PAUSE_FIRST_S * 2.0 ** min(self._failures, 10), _PAUSE_LONGEST_S)
        self._failures += 1
        self._start_at_s = boottime_s() + pause_s

    def _start(self) -> None:
        try:
            self._prober.start(self._be_the_prober, self._own_log)
        except OSError as error:
            self._log.once(_NAME, f"nobody looks at the job's health: {refusal(error)}")
            self._is_gone()

    def _be_the_prober(self, link: socket.socket) -> None:
        check = self._check
        HealthProber(
            self._own_log(),
            self._dispositions,
            _look(check, environment_beside_job(os.environ, self._settings, guard=os.getppid())),
            link=link,
            guard_pidfd=self._guard_pidfd,
            interval_s=check.interval_s,
            timeout_s=check.timeout_s,
            rise=check.rise,
            fall=check.fall,
            start_period_s=check.start_period_s,
        ).serve()

    def _own_log(self) -> Log:
        settings = self._settings
        prefix = settings.election.prefix
        return Log(fmt=settings.log_format, election=prefix, node_id=settings.id)


def _look(check: HealthCheck, environ: Mapping[str, str]) -> Look:
    match check.kind:
        case "cmd":
            return by_command(check.target, environ)
        case "http":
            return by_http(*check.address, *check.authority_and_path)
        case "tcp":
            return by_tcp(*check.address)
        case "notify":
            raise AssertionError("nobody looks: see guard.notify_watch")
