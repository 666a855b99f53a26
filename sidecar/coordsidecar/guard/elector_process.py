"""The guard's handle on the elector: fork it, talk to it, remember what the next one must adopt."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from coordsidecar.children.forking import all_signals_blocked, detach
from coordsidecar.core import messages as msg
from coordsidecar.hints import Protocol
from coordsidecar.linux import uninterrupted
from coordsidecar.log import Log
from coordsidecar.refusals import asking_for, refusal
from coordsidecar.store.protocol import Session
from coordsidecar.trees.process import NotSeenError, children
from coordsidecar.wire import Wire, wire_pair

__all__ = ["ElectorProcess"]

_BLIND = (
    "/proc does not show the processes that we start; it must be mounted, and belong to the same "
    "PID namespace (unshare --mount-proc)"
)
_LOST = (
    "the kernel refused to pass on the descriptor that holds the session; raise the limit of open "
    "files (ulimit -n), and have the seccomp profile allow SCM_RIGHTS"
)


# A successor that fails before it says a word may have been refused something for a moment; so many
# in a row were not, and the program must be started anew.
_FAILED_STARTS_MAX = 5


class Serve(Protocol):
    """What the fork runs: the elector, which this process must not even import."""

    def __call__(
        self,
        wire: Wire,
        *,
        guard_pidfd: int,
        adopt: Session | None,
        token: int | None,
        run_until_s: float,
        floor: int,
        floor_ttl_s: float,
        failures: Sequence[sys.UnraisableHookArgs],
    ) -> None: ...


class ElectorProcess:
    """The elector that lives now, if any, and the session that outlives it."""

    def __init__(self, serve: Serve, log: Log, *, run_mark: str) -> None:
        self.pid: int | None = None
        self._serve = serve
        self._log = log
        self.run_mark = run_mark
        with asking_for("pidfd_open"):
            self.guard_pidfd = os.pidfd_open(os.getpid())
        with asking_for("pidfd_send_signal"):  # Whoever is to end the job one day must be able to.
            uninterrupted(signal.pidfd_send_signal, self.guard_pidfd, 0)
        self._wire: Wire | None = None
        self._session: Session | None = None
        self._seen = self._spoke = self._began = False
        self.abandoned: set[int] = set()
        """Electors that were killed and have not ended, as far as we have heard."""
        self.failed_starts = 0
        """How many electors in a row failed before they said another word."""

    @property
    def wire_fd(self) -> int | None:
        return self._wire.fd if self._wire else None

    @property
    def session_fds(self) -> tuple[int, ...]:
        """Descriptors that hold the session, for the job to hold too."""
        return self._session.fds if self._session else ()

    def start(
        self, token: int | None, run_until_s: float, floor: int, floor_ttl_s: float = 0.0
    ) -> None:
        """Fork an elector that adopts the session we know of.

        It must not die with us: it has our job to bury. That is why it has no PDEATHSIG, and a
        process group of its own, which no `kill -9 -GROUP` meant for us reaches.
        Raises `OSError` if the kernel refuses another process.
        """
        ours, theirs = wire_pair()
        with all_signals_blocked():
            try:
                with asking_for("fork"):
                    pid = os.fork()
            except OSError:
                ours.close()
                theirs.close()
                raise
            if pid == 0:
                status = 1
                try:
                    ours.close()
                    detach()
                    # A list takes note even where memory has run out, and nothing can be called.
                    failures: list[sys.UnraisableHookArgs] = []
                    sys.unraisablehook = failures.append
                    self._serve(
                        theirs,
                        guard_pidfd=self.guard_pidfd,
                        adopt=self._session,
                        token=token,
                        run_until_s=run_until_s,
                        floor=floor,
                        floor_ttl_s=floor_ttl_s,
                        failures=failures,
                    )
                    status = 0
                except Exception as error:  # noqa: BLE001  # Said; then the guard starts another.
                    self._last_words(error, theirs)
                finally:
                    os._exit(status)
        theirs.close()
        self.pid, self._wire, self._spoke = pid, ours, False

    def start_another(
        self, token: int | None, run_until_s: float, floor: int, floor_ttl_s: float
    ) -> bool:
        """`start`, once there has been one; False if it is refused, which is said once."""
        try:
            self.start(token, run_until_s, floor, floor_ttl_s)
        except OSError as error:
            self._log.once("elector-failed", f"{refusal(error)}")
            return False
        self._log.may_repeat("elector-failed")
        return True

    def _last_words(self, error: Exception, wire: Wire) -> None:
        """In the elector: why it ends. What the first one is refused as it starts, people must
        mend, and so they must what of the program is missing."""
        why = refusal(error)
        if why is None:
            import traceback

            traceback.print_exception(error)
        elif (self._seen or wire.has_sent) and not isinstance(error, ImportError):
            self._log.event("elector-failed", why)
        else:
            wire.send(msg.Failed(125, why))

    def receive(self) -> list[msg.FromElector]:
        """The messages that wait. An elector that talks nonsense is replaced."""
        messages: list[msg.FromElector] = []
        if self._wire is None:
            return messages
        if not self._seen and self.pid is not None:  # One that is reaped cannot be seen.
            sees = _sees_child(self.pid)
            if sees is False:
                self.kill()
                self._close_wire()  # Once is enough.
                return [msg.Failed(125, _BLIND)]
            self._seen = sees is True
        try:
            for message, fds in self._wire.receive():
                match message:
                    case msg.Holding(handle, ttl_s, doubted_until_s):
                        if self._wire.lost_descriptors:
                            return [*messages, self._must_not_lead()]
                        self._keep(Session(handle, ttl_s, fds, doubted_until_s))
                    case msg.Leased() if self._session is None:
                        return [*messages, self._must_not_lead()]
                    case msg.Released():
                        self._keep(None)
                    case msg.Failed() if not self._spoke and self._may_try_again(message):
                        continue
                    case msg.Ready():  # Its first word, but for a failure.
                        self._began, self.failed_starts = True, 0
                    case _:
                        pass
                if not isinstance(message, msg.FromElector):
                    raise msg.MessageError(f"the elector sent {type(message).__name__}")
                messages.append(message)
                self._spoke = True
        except msg.MessageError as error:
            self._log.event("elector-confused", f"replacing the elector: {error}")
            self.kill()
        return messages

    def _may_try_again(self, failed: msg.Failed) -> bool:
        """Whether one that failed before it said another word is followed by one more."""
        self.failed_starts += 1
        if not self._began or self.failed_starts >= _FAILED_STARTS_MAX:
            return False
        if self.failed_starts == 1:
            self._log.event("elector-failed", f"{failed.reason}; trying again")
        return True

    def _must_not_lead(self) -> msg.Failed:
        """Nobody but the elector holds the lock: should it die, another one could lead, too."""
        self.kill()
        self._close_wire()
        return msg.Failed(125, _LOST)

    def tell(self, message: msg.FromGuard, *, fds: Sequence[int] = ()) -> None:
        """A message that does not get through is none that safety rests on: the elector is dead, or
        hangs and is about to be replaced, and the core repeats what its successor must know."""
        if self._wire is not None:
            self._wire.send(message, fds)

    def hears_of_job(self, pid: int) -> None:
        """It gets a pidfd of the job, if the kernel grants one; else its number must do."""
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:
            self.tell(msg.JobIs(pid))
            return
        self.tell(msg.JobIs(pid), fds=(pidfd,))
        os.close(pidfd)

    def kill(self) -> None:
        if self.pid is not None:
            # Not reaped yet, so the pid is still its own.
            uninterrupted(os.kill, self.pid, signal.SIGKILL)

    def abandon(self) -> list[msg.FromElector]:
        """It was killed; whenever it ends, it is none of the job's. Returns its last words."""
        if self.pid is not None:
            self.abandoned.add(self.pid)
        self.pid = None
        last_words = self.receive()
        self._close_wire()
        return last_words

    def kill_if_mute(self) -> None:
        """We end. One that works ends after us; one that never said a word may never see that."""
        if not self._spoke:
            self.kill()

    def was_reaped(self) -> None:
        """From now on its pid may be anybody's; its last words may still be on the wire."""
        self.pid = None

    def is_gone(self) -> None:
        self._close_wire()

    def _close_wire(self) -> None:
        if self._wire is not None:
            self._wire.close()
        self._wire = None

    def _keep(self, session: Session | None) -> None:
        if self._session is not None:
            for fd in self._session.fds:
                os.close(fd)
        self._session = session


def _sees_child(pid: int) -> bool | None:
    """Whether /proc shows a child of ours; if not, we would take a job's tree that lives for dead.

    By its number alone we might take a stranger of another PID namespace for it. None if it cannot
    be known just now.
    """
    try:
        ours = os.readlink("/proc/self") == str(os.getpid())
        return ours and pid in children(os.getpid())
    except NotSeenError:
        return None
    except OSError:
        return False
