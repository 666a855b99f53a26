"""The guard's fixtures: what the kernel refuses is the same on every store."""

from tests.guard.conftest import arena, etcd_arena, start

__all__ = ["arena", "etcd_arena", "start"]
