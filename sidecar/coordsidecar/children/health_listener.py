"""The process ``health-prober``, where the job itself says how it is (sd_notify), to us.

It listens at the job's socket, so that nobody else has to: the guard would be flooded, and the
elector may hang. As the one that looks (`health_prober`) it holds nothing of the guard's.

**What survives whom.** The socket is the guard's: it makes one for each start of the job, before
that, and never reads it; what it passes on to us is a share. So if we are killed, nothing that is
said meanwhile is lost, nor does the job notice. What is taken from the socket is gone, and a job
says READY=1 only once. So it is taken only after the guard was told what follows from it, and the
guard tells our successor, who so knows what we knew but for the times: the start period, or that of
the watchdog, begins anew for it. A job is never sick because nobody has listened.

**What is of which run.** Each start of the job has a socket and an address of its own. Whatever is
sent to an earlier one is refused by the kernel, or read by nobody. A job that is kept while it
stands by keeps its socket; it is heard there, but not judged.

**What waits for whom.** A job that says something waits, as with systemd, while the queue is full
(net.unix.max_dgram_qlen). So it is read whether anything follows from it or not; who floods us is
read slowly.
"""

from __future__ import annotations

import errno
import json
import math
import os
import select
import signal
import socket
from contextlib import suppress

from coordsidecar.children.forking import detach
from coordsidecar.children.health_prober import NOTHING
from coordsidecar.children.notify_sender import Senders
from coordsidecar.children.notify_socket import Said, read
from coordsidecar.children.notify_tally import NotifyTally, Stage
from coordsidecar.children.status_lines import StatusLines
from coordsidecar.linux import boottime_s, die_with_parent
from coordsidecar.log import Log

__all__ = ["BEAT_S", "HealthListener"]

BEAT_S = 5.0
"""So often the guard is told the verdict, be it the same."""
_ORDER_BYTES_MAX = 4096
_ANCILLARY_BYTES = socket.CMSG_SPACE(4)  # One descriptor.
# Who wakes up so late was not there itself, be it that all of the host was not.
_LATE_S = 1.0
# Whose datagrams do not come to an end is read slowly: then it waits, and others get the processor.
_FLOOD_PAUSE_S = 0.01
_DEAF_PAUSE_S = 0.1
_GONE = select.POLLRDHUP | select.POLLHUP


class HealthListener:
    """Serves one guard, in a fork of it."""

    def __init__(
        self,
        log: Log,
        *,
        link: socket.socket,
        guard: int,
        guard_pidfd: int,
        watchdog_s: float,
        start_period_s: float,
    ) -> None:
        """All descriptors but these are closed before. ``guard``: its pid. See `NotifyTally` for
        the last two."""
        self._link, self._guard_pidfd = link, guard_pidfd
        self._senders = Senders(guard)
        self._status = StatusLines(log)
        self._watchdog_s, self._start_period_s = watchdog_s, start_period_s
        self._socket: socket.socket | None = None
        self._run = self._start = 0
        self._tally = self._new_tally("")
        self._told: tuple[object, ...] = ()
        self._beat_s = self._read_at_s = self._flooded_s = math.inf
        self._was_late = self._over = False

    def serve(self) -> None:
        """Until the guard has ended."""
        detach()
        die_with_parent(signal.SIGCONT)
        while not self._over:
            ready = self._wait()
            if self._link.fileno() in ready or self._guard_pidfd in ready:
                self._hear_guard()
            self._look()

    def _wait(self) -> dict[int, int]:
        poll = select.poll()
        poll.register(self._link, select.POLLIN)
        poll.register(self._guard_pidfd, select.POLLIN)
        now_s = boottime_s()
        if self._socket is not None and math.isinf(self._read_at_s):
            poll.register(self._socket, select.POLLIN | select.POLLRDHUP)
        wake_s = min(self._read_at_s, self._beat_s, self._status.due_s)
        if self._run and math.isinf(self._flooded_s):
            wake_s = min(wake_s, self._tally.due_s)
        left_s = max(wake_s - now_s, 0.0)
        ready = dict(poll.poll(math.ceil(left_s * 1000) if math.isfinite(left_s) else None))
        self._woke_up(max(wake_s, now_s), boottime_s())
        if self._socket is not None and ready.get(self._socket.fileno(), 0) & _GONE:
            self._use(None)  # The guard has shut it: another start of the job is under way.
        return ready

    def _woke_up(self, meant_s: float, now_s: float) -> None:
        """The first time that is late proves nothing; a host that is always late must not hide the
        sick."""
        is_late = now_s > meant_s + _LATE_S
        if is_late and not self._was_late:
            self._tally.begins_anew(now_s)
        self._was_late = is_late

    def _hear_guard(self) -> None:
        """Which run there is, of which start of the job, and what is known of that."""
        while True:
            try:
                packet, ancillary, flags, _ = self._link.recvmsg(
                    _ORDER_BYTES_MAX, _ANCILLARY_BYTES, socket.MSG_DONTWAIT
                )
            except BlockingIOError:
                break
            except OSError:
                packet = b""
            if not packet:
                self._over = True
                return
            if flags & socket.MSG_CTRUNC:  # Our successor may get it.
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), "us the job's socket")
            fds = [fd for *_, data in ancillary for fd in memoryview(data).cast("i")]
            sockets = [socket.socket(fileno=fd) for fd in fds]
            run, _token, _began_s, start, stage = json.loads(packet)
            run = 0 if run == NOTHING[0] else run
            self._turn_to(run, start, stage, sockets[0] if sockets else None)
        poll = select.poll()
        poll.register(self._guard_pidfd, select.POLLIN)
        self._over = bool(poll.poll(0))

    def _turn_to(self, run: int, start: int, stage: Stage, sock: socket.socket | None) -> None:
        if start == self._start:
            stage = self._tally.stage or stage  # The guard may have asked before it heard of it.
        if (run, start) == (self._run, self._start):
            if self._socket is None:
                self._use(sock)
            elif sock is not None:
                sock.close()
            return
        self._run, self._start = run, start
        self._use(sock)
        self._tally = self._new_tally(stage)
        self._beat_s = boottime_s() + BEAT_S if run else math.inf

    def _use(self, sock: socket.socket | None) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = sock
        self._read_at_s = self._flooded_s = math.inf

    def _new_tally(self, stage: Stage) -> NotifyTally:
        return NotifyTally(
            stage=stage,
            began_s=boottime_s(),
            watchdog_s=self._watchdog_s,
            start_period_s=self._start_period_s,
        )

    def _look(self) -> None:
        """Hear what there is, then judge, then say so if it is news or time."""
        now_s = boottime_s()
        if self._socket is not None and (math.isinf(self._read_at_s) or now_s >= self._read_at_s):
            self._read(self._socket)
        now_s = boottime_s()
        # In a flood, what was said in time may have to be read yet; but not for longer than this.
        if math.isinf(self._flooded_s) or now_s >= self._tally.due_s + _LATE_S:
            self._judge(now_s)
        self._status.flush(now_s)
        self._tell(now_s)

    def _read(self, sock: socket.socket) -> None:
        how = read(sock, self._senders, self._hear)
        now_s = boottime_s()
        if how == "all":
            self._read_at_s = self._flooded_s = math.inf
            return
        self._flooded_s = min(self._flooded_s, now_s)
        self._read_at_s = now_s + (_FLOOD_PAUSE_S if how == "more" else _DEAF_PAUSE_S)
        if how == "nobody":
            self._tally.begins_anew(now_s)

    def _judge(self, now_s: float) -> None:
        if self._run:
            self._tally.judge(now_s)

    def _hear(self, said: Said) -> None:
        now_s = boottime_s()
        self._tally.hear(said, now_s)
        self._tell(now_s)  # Before it is taken from the socket: see above.
        if "STATUS" in said:
            self._status.say(said["STATUS"], now_s)

    def _tell(self, now_s: float) -> None:
        tally = self._tally
        verdict = tally.verdict if self._run else None
        news = (self._run, verdict, tally.why, self._start, tally.stage)
        if news == self._told and now_s < self._beat_s:
            return
        with suppress(OSError):  # It is said again; or the guard is gone.
            packet = json.dumps(news).encode()
            self._link.send(packet, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
            self._told = news
        if self._run:
            self._beat_s = now_s + BEAT_S
