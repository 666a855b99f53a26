"""The process ``health-prober``: looks at the job again and again, so that nobody waits for it.

It is there if a health check is configured, forked before there is a session, and holds nothing of
the guard's: no lock, no wire. The guard tells it which run of the job to look at, or that it is to
look while none leads, or not at all. One look at a time runs, in a fork of its own: see
`one_command`. After each the guard is told the verdict so far, and for which run; a packet that is
lost is made good by the next. To say nothing is to know nothing, and costs no job its life.

It ends with its guard; and the kernel wakes it up for that, should somebody have stopped it.
"""

from __future__ import annotations

import json
import math
import select
import signal
import socket
from contextlib import suppress

from coordsidecar.children.forking import Dispositions, detach
from coordsidecar.children.health_looks import Look
from coordsidecar.children.health_tally import Tally
from coordsidecar.children.one_command import OneCommand
from coordsidecar.duration import format_duration
from coordsidecar.linux import become_subreaper, boottime_s, die_with_parent
from coordsidecar.log import Log, one_line
from coordsidecar.refusals import refusal

__all__ = ["NOTHING", "PACKET_BYTES_MAX", "STANDBY", "HealthProber"]

NOTHING = (-1, 0, 0.0)
"""In place of the number of a run, its token, and when it began: there is nothing to look at."""
STANDBY = 0
"""In place of the number of a run: no job leads, and whether one could is looked at."""
PACKET_BYTES_MAX = 4096
_LONGEST_WHY = 200
# Who looks so late at a check was not there itself, be it that all of the host was not.
_LATE_S = 1.0


class HealthProber:
    """Serves one guard, in a fork of it."""

    def __init__(
        self,
        log: Log,
        dispositions: Dispositions,
        look: Look,
        *,
        link: socket.socket,
        guard_pidfd: int,
        interval_s: float,
        timeout_s: float,
        rise: int,
        fall: int,
        start_period_s: float,
    ) -> None:
        """All descriptors but these are closed before. See `Tally` for the last three."""
        self._log = log
        self._look = look
        self._link, self._guard_pidfd = link, guard_pidfd
        self._interval_s, self._timeout_s = interval_s, timeout_s
        self._rise, self._fall, self._start_period_s = rise, fall, start_period_s
        self._command = OneCommand(dispositions)
        self._run, self._token, began_s = NOTHING
        self._tally = self._new_tally(began_s)
        self._next_s = math.inf
        self._said = self._why = ""
        self._was_late = self._over = False

    def serve(self) -> None:
        """Until the guard has ended."""
        detach()
        become_subreaper()
        die_with_parent(signal.SIGCONT)
        try:
            while not self._over:
                if not self._command.runs and boottime_s() >= self._next_s:
                    self._start()
                ready = self._wait()
                if self._link.fileno() in ready or self._guard_pidfd in ready:
                    self._hear()
                self._command.look(ready)
                self._judge()
        finally:
            if self._command.runs:
                self._command.close()

    def _wait(self) -> set[int]:
        poll = select.poll()
        poll.register(self._link, select.POLLIN)
        poll.register(self._guard_pidfd, select.POLLIN)
        wake_s = self._command.watch(poll) if self._command.runs else self._next_s
        left_s = max(wake_s - boottime_s(), 0.0)
        timeout_ms = math.ceil(left_s * 1000) if math.isfinite(left_s) else None
        return {fd for fd, _ in poll.poll(timeout_ms)}

    def _hear(self) -> None:
        """Which run to look at, as the guard said last."""
        while True:
            try:
                packet = self._link.recv(PACKET_BYTES_MAX, socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
            except OSError:
                packet = b""
            if not packet:
                self._over = True
                return
            run, token, began_s = json.loads(packet)
            if run != self._run:
                self._turn_to(run, token, began_s)
        poll = select.poll()
        poll.register(self._guard_pidfd, select.POLLIN)
        self._over = bool(poll.poll(0))

    def _turn_to(self, run: int, token: int, began_s: float) -> None:
        if self._command.runs:
            self._command.close()
        self._run, self._token = run, token
        self._tally, self._why = self._new_tally(began_s), ""
        now_s = boottime_s()
        # Who stands by waits for the first verdict; a job has to come up first.
        first_s = now_s if run == STANDBY else now_s + self._interval_s
        self._next_s = math.inf if run == NOTHING[0] else first_s

    def _new_tally(self, began_s: float) -> Tally:
        return Tally(
            began_s=began_s,
            rise=self._rise,
            fall=self._fall,
            start_period_s=self._start_period_s,
        )

    def _start(self) -> None:
        token, self._said = self._token, ""
        self._next_s = boottime_s() + self._interval_s
        try:
            self._command.start(lambda: self._look(token), self._hear_it, timeout_s=self._timeout_s)
        except OSError as error:
            # Nobody has looked: of the job that says nothing.
            self._log.once("health-prober", f"a check could not be started: {refusal(error)}")
            if self._run != STANDBY:
                self._tell()
                return
            # Nor may it keep who stands by from standing, whatever was found before.
            self._tally = self._new_tally(boottime_s())
            self._tell("a check cannot be started")

    def _hear_it(self, line: str) -> None:
        """The last line that says anything is the reason, should there be need of one."""
        self._said = line if line.strip() else self._said

    def _judge(self) -> None:
        """Once a look is over, or has to be."""
        if not self._command.runs:
            return
        now_s, code, until_s = boottime_s(), self._command.exit_code, self._command.until_s
        if code is None and now_s < until_s:
            return
        left, _ = self._command.close()
        self._log.may_repeat("health-prober")
        # The first that is late proves nothing; a host that is always late must not hide the sick.
        late = code is None and now_s > until_s + _LATE_S and not self._was_late
        self._was_late = late
        if not late:
            self._tally.count(well=code == 0, now_s=now_s)
            self._why = self._reason(code, left)
        self._next_s = boottime_s() + self._interval_s
        self._tell()

    def _reason(self, code: int | None, left: str) -> str:
        if code is None:
            why = f"it did not end within {format_duration(self._timeout_s)}{left}"
        elif code == 1 and self._said:
            return self._said
        else:
            why = f"exit code {code}"
        return why + (f": {self._said}" if self._said else "")

    def _tell(self, *blind: str) -> None:
        """``blind``: why nobody can look."""
        why = one_line(self._why)[:_LONGEST_WHY]
        packet = json.dumps([self._run, self._tally.verdict, why, *blind]).encode()
        assert len(packet) <= PACKET_BYTES_MAX, "the reason is cut to size"
        with suppress(OSError):  # The next one says it as well; or the guard is gone.
            self._link.send(packet, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
