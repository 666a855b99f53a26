"""Our files are removed or replaced beneath sidecars that run: nobody holds a lead for ever."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.arena import Arena
from tests.e2e.sidecars import Sidecar, wait_for

_ROOT = Path(__file__).parents[2]
_CHANGED = "the program was upgraded or removed while this sidecar ran; start it again"


class Installed:
    """A copy of the program, to run sidecars from and to be taken away."""

    def __init__(self, folder: Path) -> None:
        self.program = folder / "coordsidecar"
        self._adapters = folder / "coordsidecar_adapters"
        no_caches = shutil.ignore_patterns("__pycache__")
        shutil.copytree(_ROOT / "sidecar/coordsidecar", self.program, ignore=no_caches)
        shutil.copytree(_ROOT / "adapters/coordsidecar_adapters", self._adapters, ignore=no_caches)
        self.env = {"PYTHONPATH": str(folder)}

    def remove(self) -> None:
        shutil.rmtree(self.program)
        shutil.rmtree(self._adapters)

    def remove_a_part(self) -> None:
        shutil.rmtree(self.program / "elector")

    def upgrade(self) -> None:
        """As pip and dpkg do: a new file in the place of the old one."""
        init = self.program / "__init__.py"
        new = init.with_suffix(".new")
        new.write_bytes(init.read_bytes())
        new.rename(init)


_CHANGES: dict[str, Callable[[Installed], None]] = {
    "removed": Installed.remove,
    "a part is missing": Installed.remove_a_part,
    "upgraded": Installed.upgrade,
}


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    return Installed(tmp_path / "installed")


@pytest.fixture(params=["local", "etcd"])
def either_arena(request: pytest.FixtureRequest) -> Arena:
    name = {"local": "arena", "etcd": "etcd_arena"}[request.param]
    arena: Arena = request.getfixturevalue(name)
    return arena


def pair(
    arena: Arena, leaders: dict[str, str] | None, standbys: dict[str, str] | None = None
) -> tuple[Sidecar, Sidecar]:
    """A leader and a standby, each with an environment that says where its files are."""
    leader = arena.start(env=leaders)
    arena.stamps.wait_for_stints(1)
    standby = arena.start(env=standbys)
    wait_for(lambda: "standing-by" in standby.log(), "the second instance to stand by")
    return leader, standby


@pytest.mark.parametrize("change", _CHANGES)
def test_a_leader_that_can_have_no_other_elector_gives_way_and_says_why(
    either_arena: Arena, installed: Installed, change: str
) -> None:
    leader, _ = pair(either_arena, installed.env)
    elector = leader.elector()
    _CHANGES[change](installed)

    elector.kill()

    assert leader.wait() == 125
    either_arena.stamps.wait_for_stints(2)
    either_arena.stamps.assert_never_two()
    why = "cannot be read" if change == "a part is missing" else _CHANGED
    assert why in leader.log()
    assert "Traceback" not in leader.log()
    assert leader.log().count("\n") < 15, leader.log()
    wait_for(lambda: not leader.everyone(), "all of the first instance to end")


@pytest.mark.parametrize("change", _CHANGES)
def test_a_standby_that_can_have_no_other_elector_ends_and_says_why(
    arena: Arena, installed: Installed, change: str
) -> None:
    _, standby = pair(arena, None, installed.env)
    elector = standby.elector()
    _CHANGES[change](installed)

    elector.kill()

    assert standby.wait() == 125
    assert "Traceback" not in standby.log()
    assert standby.log().count("\n") < 15, standby.log()


def test_a_part_that_was_missing_for_a_moment_ends_nobody(
    arena: Arena, installed: Installed
) -> None:
    arena.ttl = "60s"
    leader, _ = pair(arena, installed.env)
    kept, elector = installed.program.with_name("kept"), installed.program / "elector"
    first = leader.elector()
    elector.rename(kept)
    first.kill()
    wait_for(lambda: "trying again" in leader.log(), "the next elector to fail")

    kept.rename(elector)

    wait_for(lambda: "elector-replaced" in leader.log(), "another elector to start")
    leader.signal(signal.SIGTERM)
    arena.stamps.wait_for_stints(2)
    assert leader.wait() == 128 + signal.SIGTERM
    assert " failed: " not in leader.log()


def test_electors_that_run_go_on_without_their_files(
    either_arena: Arena, installed: Installed
) -> None:
    """They bury, release and take over with what is in memory."""
    either_arena.ttl = "15s"  # On a busy host, an elector may be slow, and be replaced.
    leader, standby = pair(either_arena, installed.env, installed.env)
    installed.remove()

    leader.process.kill()

    either_arena.stamps.wait_for_stints(2)
    either_arena.stamps.assert_never_two()
    assert "releasing" in leader.log()
    assert standby.leads()
