"""The fixtures of the guard's tests: what is looked at here belongs to a guard."""

from tests.guard.conftest import arena, etcd_arena, start

__all__ = ["arena", "etcd_arena", "start"]
