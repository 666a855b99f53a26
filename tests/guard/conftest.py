"""Fixtures for the guard's tests: sidecars as real processes, mostly on lock files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from coordsidecar.store.protocol import Election
from tests.e2e.arena import Arena
from tests.e2e.sidecars import Sidecar, sidecars
from tests.guard.shell import Shell
from tests.guard.terminal import terminal
from tests.servers import EtcdServer, Proxy


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Sidecar]]:
    """Start `coordsidecar` with these arguments; ended with the test."""
    with sidecars(tmp_path) as start_sidecar:
        yield start_sidecar


@pytest.fixture
def arena(
    tmp_path: Path,
    election: Election,
    start: Callable[..., Sidecar],
    proxy: Callable[[str], Proxy],
) -> Arena:
    """An election by lock file: what the guard does is the same on every store."""
    return Arena("local", None, election=election, folder=tmp_path, start=start, proxy=proxy)


@pytest.fixture
def etcd_arena(
    tmp_path: Path,
    election: Election,
    start: Callable[..., Sidecar],
    proxy: Callable[[str], Proxy],
    etcd: EtcdServer,
) -> Arena:
    """An election whose leases end: for what a deadline has to do with."""
    return Arena("etcd", etcd, election=election, folder=tmp_path, start=start, proxy=proxy)


@pytest.fixture
def shell(arena: Arena) -> Iterator[Shell]:
    """An interactive bash on a terminal of its own."""
    env = {name: value for name, value in os.environ.items() if "COORDSIDECAR" not in name}
    bash = ("bash", "--norc", "--noprofile", "--noediting", "-i")
    with terminal(*bash, env=env) as screen:
        shell = Shell(screen, arena)
        shell.run("stty -echo")
        shell.prompts()
        yield shell
