"""What an elector does beside its election is in nobody's way, even where it cannot begin."""

from __future__ import annotations

import sys
from collections.abc import Callable

from tests.e2e.arena import Arena

# As where a file that the store's URL names is replaced in that moment.
_CANNOT_ANNOUNCE = """
from coordsidecar.cli import main
from coordsidecar.store import registry

def announcer(*_, **__):
    raise ValueError("ca.crt: no certificate in it")

registry.announcer = announcer
main.main()
"""


def test_who_cannot_begin_to_say_who_leads_leads_all_the_same(
    arena_of: Callable[[str], Arena],
) -> None:
    arena = arena_of("local")

    sidecar = arena.start(program=(sys.executable, "-c", _CANNOT_ANNOUNCE))

    arena.stamps.wait_for_stints(1)
    said = (
        "what is done beside the election does not begin: ca.crt: no certificate in it; trying on"
    )
    assert said in sidecar.log()
    assert "Traceback" not in sidecar.log()
