"""Fixtures for the tests of what the pages say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.docs.desk import Desk
from tests.e2e.sidecars import sidecars
from tests.servers import EtcdServer


@pytest.fixture
def desk(etcd_server: Callable[..., EtcdServer], tmp_path: Path) -> Iterator[Desk]:
    with sidecars(tmp_path) as start:
        yield Desk(etcd_server(), tmp_path, start)
