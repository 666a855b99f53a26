"""Apps that somebody else starts, and sidecars that are attached to them."""

from __future__ import annotations

import contextlib
import itertools
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil

from tests.e2e.arena import Arena
from tests.e2e.sidecars import Sidecar, has_ended, status_of, wait_for

__all__ = ["APP", "App", "Apps", "is_held", "is_running"]

APP = (sys.executable, str(Path(__file__).parent / "jobs" / "app.py"))


class App:
    """One start of the app: its main process and its worker."""

    def __init__(self, name: str, main: subprocess.Popen[bytes]) -> None:
        self.name = name
        self.main = main
        self._process = psutil.Process(main.pid)
        self._workers: set[psutil.Process] = set()

    @property
    def everybody(self) -> list[psutil.Process]:
        """Its main process, and its worker, unless it was held before it had started one."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self._workers |= set(self._process.children())
        return [self._process, *self._workers]

    def end(self) -> None:
        for process in self.everybody:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.main.wait(timeout=60)


def is_held(app: App) -> bool:
    """All of it is stopped, or has ended."""
    return all(status_of(one) == psutil.STATUS_STOPPED or has_ended(one) for one in app.everybody)


def is_running(app: App) -> bool:
    return not any(
        status_of(one) == psutil.STATUS_STOPPED or has_ended(one) for one in app.everybody
    )


class Apps:
    """Apps of one test, and the sidecars beside them; all of them write into one file."""

    def __init__(self, arena: Arena) -> None:
        self.arena = arena
        self.folder = arena.folder
        self._mark = uuid.uuid4().hex[:8]  # No sidecar of another test shall match.
        self.stamps = self.folder / "app-stamps"
        self._started: list[App] = []

    def start(self, name: str, *, pid_file: Path | None = None) -> App:
        words = [*APP, str(self.stamps), self.label(name)]
        words += [str(pid_file)] if pid_file else []
        app = App(name, subprocess.Popen(words, start_new_session=True))
        self._started.append(app)
        return app

    def label(self, name: str) -> str:
        return f"app-{self._mark}-{name}"

    def attach(self, name: str, *options: str, pid_file: Path | None = None) -> Sidecar:
        """Start a sidecar for the app of this name, as it is found by its command line."""
        whom = ["--pid-file", str(pid_file)]
        if pid_file is None:
            whom = ["--match-cmdline", f"{self.label(name)}$"]
        return self.arena.start_words("attach", *self.arena.options(), *whom, *options)

    def pair(self, *options: str) -> tuple[Sidecar, App, Sidecar, App]:
        """A leader and its app, which acts, and a standby and its app, which does not."""
        leader, led = self.attach("a", *options), self.start("a")
        wait_for(lambda: "the app goes on" in leader.log(), "the first app to be led")
        standby, held = self.attach("b", *options), self.start("b")
        wait_for(lambda: is_held(held), "the second app to be held")
        wait_for(lambda: "standing-by" in standby.log(), "the second instance to stand by")
        wait_for(lambda: is_running(led), "the first app to act")
        self.forget()
        return leader, led, standby, held

    def forget(self) -> None:
        """What was written before the election had begun; return once the first one has acted."""
        self.stamps.write_bytes(b"")
        wait_for(lambda: self.order() == ["a"], "the first app to act, alone")

    def order(self) -> list[str]:
        """Whose stamps follow whose: each app once for each time it acted."""
        lines = [line.split() for line in self.stamps.read_text().splitlines()]
        written = sorted((int(at), label) for label, _, at in (w for w in lines if len(w) == 3))
        return [label.rpartition("-")[2] for label, _ in itertools.groupby(w[1] for w in written)]

    def await_acts_of(self, name: str) -> None:
        """That it goes on is not enough: its first act may be a while after that."""
        wait_for(lambda: self.order()[-1:] == [name], f"app {name} to act")

    def end(self) -> None:
        for app in self._started:
            app.end()


@contextlib.contextmanager
def apps_of(arena: Arena) -> Iterator[Apps]:
    apps = Apps(arena)
    try:
        yield apps
    finally:
        apps.end()
