"""Cores that do not heed what operators have ordered to hold (S20)."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from coordsidecar.core.election import curbing
from coordsidecar.value import replace
from tests.sim.breaking import patched

__all__ = [
    "a_cordon_is_overlooked",
    "a_pause_ends_when_somebody_comes_anew",
    "a_pause_is_overlooked",
    "a_transfer_is_for_anybody",
]


def _overlooking(**gone: Any) -> AbstractContextManager[None]:
    def make(bar: Any) -> Any:
        def blind(elector: Any, *rest: Any) -> Any:
            return bar(replace(elector, curbs=replace(elector.curbs, **gone)), *rest)

        return blind

    return patched(curbing, "bar", make)


def a_pause_is_overlooked() -> AbstractContextManager[None]:
    return _overlooking(pause=None)


def a_cordon_is_overlooked() -> AbstractContextManager[None]:
    return _overlooking(cordons=())


def a_transfer_is_for_anybody() -> AbstractContextManager[None]:
    return _overlooking(transfer=None)


def a_pause_ends_when_somebody_comes_anew() -> AbstractContextManager[None]:
    """Its time counts from long ago for who has only just seen it."""
    return patched(curbing, "_pause_ends_s", lambda ends: lambda elector: ends(elector) - 100.0)
