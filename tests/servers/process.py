"""One server process that a test starts, kills, freezes and starts again.

A server never outlives its test: it is ended by pid at teardown, and the kernel kills it
(PDEATHSIG) should pytest itself be killed. `setpriv` sets that up, since Python code between fork
and exec is not safe beside the threads that tests run. PDEATHSIG follows the *thread* that started
the server, so start servers from the main thread.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

__all__ = ["MissingServerError", "ServerError", "ServerProcess", "find_program", "free_ports"]

START_TIMEOUT_S = 60.0
_POLL_EVERY_S = 0.02
_LOG_TAIL_CHARS = 3000
# Below Linux's ephemeral range: a port from inside it could be taken by somebody's outgoing
# connection while its server is down, or be connected to itself by a client that keeps trying.
# Each of pytest's worker processes has ports of its own.
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_PORT_RANGE = range(20_000 + _WORKER, 32_000, _WORKERS)
_handed_out: set[int] = set()


class ServerError(Exception):
    """A server did not start, or did not do what the test asked of it."""


class MissingServerError(ServerError):
    """The server's program is not on this machine."""


def find_program(name: str, *, remedy: str) -> str:
    """Return the path of ``name``, from PATH or from beside the running interpreter."""
    beside = str(Path(sys.executable).parent)
    found = shutil.which(name) or shutil.which(name, path=beside)
    if found is None:
        raise MissingServerError(f"{name} is not on PATH, nor in {beside}: {remedy}")
    return found


def free_ports(count: int) -> list[int]:
    """Return loopback ports that nobody listens on, none of them twice in one test run."""
    ports: list[int] = []
    for _ in range(1000):
        port = random.choice(_PORT_RANGE)
        if port in _handed_out:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _handed_out.add(port)
        ports.append(port)
        if len(ports) == count:
            return ports
    raise ServerError(f"found no {count} free loopback ports in {_PORT_RANGE}")


class ServerProcess:
    """A command that is started, killed, stopped and continued; its output goes to a file."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        log_path: Path,
        environ: Mapping[str, str] | None = None,
        start_timeout_s: float = START_TIMEOUT_S,
    ) -> None:
        self.argv = list(argv)
        self.log_path = log_path
        self._environ = dict(os.environ if environ is None else environ)
        self._start_timeout_s = start_timeout_s
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None, "the server was not started"
        return self._process.pid

    def start(self, *, ready: Callable[[], bool]) -> None:
        """Start the command and return once ``ready`` says yes.

        Raises `ServerError` with the end of its log if it exits before, or takes too long.
        """
        assert not self.running, f"{self.argv[0]} is running already"
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *self.argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environ,
                process_group=0,
            )
        give_up_at_s = time.monotonic() + self._start_timeout_s
        while not ready():
            if not self.running:
                raise ServerError(self._story(f"exited with {self._process.returncode}"))
            if time.monotonic() > give_up_at_s:
                self.kill()
                late = f"did not answer within {self._start_timeout_s:g} s"
                raise ServerError(self._story(late))
            time.sleep(_POLL_EVERY_S)  # Another process's readiness gives no event to wait for.

    def kill(self) -> None:
        """SIGKILL the server, stopped or not, and reap it; nothing if it is not running."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        """SIGSTOP the server and return once every thread of it stands still."""
        assert self.running, f"{self.argv[0]} is not running"
        os.kill(self.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOWAIT)

    def resume(self) -> None:
        """SIGCONT the server."""
        if self.running:
            os.kill(self.pid, signal.SIGCONT)

    def _story(self, what: str) -> str:
        tail = self.log_path.read_text(errors="replace")[-_LOG_TAIL_CHARS:]
        return f"{' '.join(self.argv)}\n{what}; the end of its log:\n{tail}"


def listens(port: int) -> bool:
    """Say whether anybody accepts connections on this loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0
