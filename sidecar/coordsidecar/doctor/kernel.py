"""What the kernel must let us do, really tried: in forked children, or by a call that changes
nothing."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Iterator

from coordsidecar.doctor.finding import Finding, fail, ok, warn
from coordsidecar.linux import BootTimer, SignalFd, become_subreaper, die_with_parent

__all__ = ["kernel"]

# For what the kernel does at once; a busy host may not let us see it sooner.
_PATIENCE_MS = 5_000
_MOST_BYTES = 4096
_PROFILE = (
    "have the seccomp profile allow it (Docker's and Podman's own do), and use Linux 5.3 or newer"
)
_RR_REMEDY = (
    "harmless on a host that is not starved; else allow CAP_SYS_NICE (systemd: "
    "AmbientCapabilities=CAP_SYS_NICE; docker: --cap-add SYS_NICE)"
)


def kernel() -> Iterator[Finding]:
    """All of it. Call it while the process has one thread: it forks."""
    yield _allowed("pdeathsig", "PDEATHSIG", _dies_with_its_parent, "ends children of a dead one")
    yield _allowed("subreaper", "subreaper", _adopts, "orphans come to us")
    yield _allowed("pidfd", "pidfd_open", _pidfd, "allowed")
    yield _allowed("eventfd", "eventfd", lambda: _close(os.eventfd(0)), "allowed")
    yield _allowed("timerfd", "timerfd", lambda: BootTimer().close(), "allowed")
    yield _allowed("signalfd", "signalfd", lambda: SignalFd().close(), "allowed")
    yield _proc()
    yield _fuse_runs_first()


def _allowed(check: str, subject: str, attempt: Callable[[], object], said: str) -> Finding:
    try:
        why = attempt()
    except OSError as error:
        why = f"the kernel refused it: {error.strerror}"
    return fail(check, subject, str(why), _PROFILE) if why else ok(check, subject, said)


def _pidfd() -> None:
    fd = os.pidfd_open(os.getpid())
    try:
        signal.pidfd_send_signal(fd, 0)
    finally:
        os.close(fd)


def _close(fd: int) -> None:
    os.close(fd)


def _in_child(act: Callable[[], str]) -> str:
    """What ``act`` says in a forked child."""
    read_fd, write_fd = os.pipe()
    pid = os.fork()
    if pid == 0:
        _say_and_end(act, write_fd)
    os.close(write_fd)
    try:
        return os.read(read_fd, _MOST_BYTES).decode()
    finally:
        os.close(read_fd)
        os.waitpid(pid, 0)


def _say_and_end(act: Callable[[], str], write_fd: int) -> None:
    """The whole life of a child. It never returns into its parent's code."""
    said = "a child that was to try it broke"
    try:
        said = act()
    except OSError as error:
        said = f"the kernel refused it: {error.strerror}"
    finally:
        os.write(write_fd, said.encode())
        os._exit(0)


def _adopts() -> str:
    def as_reaper() -> str:
        become_subreaper()
        between = os.fork()
        if between == 0:
            # Dead before its parent or after: whoever adopts it can wait for it.
            os.fork()
            os._exit(0)
        os.waitpid(between, 0)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return "an orphan of ours went to another process"
        return ""

    return _in_child(as_reaper)


def _dies_with_its_parent() -> str:
    """Fork a parent, which forks a child; end the parent, and see whether the child dies of it.

    The child says "ready", holds a pipe open for as long as it lives, and ends by itself once we
    let go of another.
    """
    told, tell = os.pipe()
    gate, gate_held = os.pipe()
    end, end_held = os.pipe()
    parent = os.fork()
    if parent == 0:
        for fd in (told, gate_held, end_held):
            os.close(fd)
        _say_and_end(lambda: _parent_until(gate, end, tell), tell)
    for fd in (tell, gate, end):
        os.close(fd)
    try:
        said = os.read(told, _MOST_BYTES).decode()
        os.close(gate_held)
        os.waitpid(parent, 0)
        if said != "ready":
            return said
        poll = select.poll()
        poll.register(told, select.POLLIN)
        return "" if poll.poll(_PATIENCE_MS) else "a child outlived its parent"
    finally:
        os.close(end_held)
        os.close(told)


def _parent_until(gate: int, end: int, tell: int) -> str:
    if os.fork() == 0:
        _say_and_end(lambda: _ready_until(end, tell), tell)
    os.read(gate, 1)
    return ""


def _ready_until(end: int, tell: int) -> str:
    die_with_parent(signal.SIGKILL)
    os.write(tell, b"ready")
    os.read(end, 1)
    return ""


def _proc() -> Finding:
    remedy = "mount proc at /proc, for this PID namespace: the job's processes are found there"
    try:
        with open("/proc/self/stat", "rb") as file:
            pid = int(file.read().split(b" ")[0])
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
            hidden = hides_processes(file.read())
    except (OSError, ValueError) as error:
        return fail("proc", "/proc", f"cannot be read: {error}", remedy)
    if pid != os.getpid():
        return fail("proc", "/proc", "shows another PID namespace than ours", remedy)
    if hidden and os.geteuid() != 0:
        return warn(
            "proc",
            "/proc",
            "is mounted with hidepid: a job's processes under another user cannot be seen",
            "let the job run as one user, or remount /proc with hidepid=0 or gid= for this one",
        )
    return ok("proc", "/proc", "shows our processes")


def hides_processes(mountinfo: str) -> bool:
    """Whether the proc that is mounted last at /proc hides the processes of other users.

    The text is that of /proc/self/mountinfo: proc(5).
    """
    hides = False
    for line in mountinfo.splitlines():
        mount, _, file_system = line.partition(" - ")
        if mount.split(" ")[4:5] == ["/proc"] and file_system.startswith("proc "):
            options = file_system.split(" ")[-1].split(",")
            shown = {"hidepid=0", "hidepid=off"}
            hides = any(o.startswith("hidepid=") and o not in shown for o in options)
    return hides


def _fuse_runs_first() -> Finding:
    refused = _in_child(_what_is_refused_of_a_fuse)
    if not refused:
        return ok("fuse", "fuse", "may run before all others (nice -20, SCHED_RR)")
    said = f"may not run before all others; not allowed: {refused}"
    return warn("fuse", "fuse", said, _RR_REMEDY)


def _what_is_refused_of_a_fuse() -> str:
    """As `linux.run_first`, which does not say."""

    def nicest() -> None:
        os.setpriority(os.PRIO_PROCESS, 0, -20)

    def real_time() -> None:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))

    refused = []
    for what, attempt in (("nice -20", nicest), ("SCHED_RR", real_time)):
        try:
            attempt()
        except OSError:
            refused.append(what)
    return " and ".join(refused)
