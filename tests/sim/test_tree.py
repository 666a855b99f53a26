"""The model of a job's tree does what Linux does where the simulator once proved it wrong."""

from __future__ import annotations

import math

from tests.sim.tree import Temper, Tree
from tests.sim.world import Host, World


def test_sigcont_takes_back_a_sigstop_that_is_still_pending() -> None:
    world = World(0)
    temper = Temper(life_s=math.inf, stop_timeout_s=1.0, kill_reserve_s=1.0)
    tree = Tree(Host(world, rate=1.0), "job", temper, token=1, tell=lambda: None)
    tree.enter_state_d(1.0)

    tree.freeze()
    tree.thaw()
    world.run(2.0)

    assert tree.able
