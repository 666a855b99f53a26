"""Fixtures for attached sidecars: the arenas of the guard's tests, with apps in them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.attach.apps import Apps, apps_of
from tests.e2e.arena import Arena
from tests.guard.conftest import arena, etcd_arena, start

__all__ = ["apps", "arena", "etcd_apps", "etcd_arena", "start"]


@pytest.fixture
def apps(arena: Arena) -> Iterator[Apps]:
    """By lock file: what is done to an app is the same on every store."""
    with apps_of(arena) as made:
        yield made


@pytest.fixture
def etcd_apps(etcd_arena: Arena) -> Iterator[Apps]:
    """By leases that end: for what a deadline has to do with."""
    with apps_of(etcd_arena) as made:
        yield made
