"""``coordsidecar doctor``: whether all is well here, before a sidecar is started.

It runs in a process of its own, which ends when it has said so, and in children that it forks to
try what the kernel allows. It may ask a store, never takes part in an election, and leaves nothing
behind. No sidecar imports it.

May import: `settings`, `store`, `core`.
"""
