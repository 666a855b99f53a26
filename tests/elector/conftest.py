"""Doors at which orders are taken: at a port, with a token, and at a unix socket."""

from __future__ import annotations

from pathlib import Path

import pytest

from coordsidecar.settings.serving import UnixSocket
from tests.elector.door import TOKEN, Door


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def port(tmp_path: Path, token_file: Path) -> Door:
    return Door(("127.0.0.1", 0), str(token_file), tmp_path / "log")


@pytest.fixture
def file(tmp_path: Path) -> Door:
    return Door(UnixSocket(str(tmp_path / "x.sock")), None, tmp_path / "log")
