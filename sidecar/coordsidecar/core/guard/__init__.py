"""The guard's core: what becomes of the job, and by when. Pure; runs in the guard.

`step` is the way in: it says which of the `rules` (moves between the `phases`) and `signals` is
due; `moves` is its vocabulary of events and effects. It must never let a job begin or go on without
a lease that lasts, nor release a tree that is not confirmed dead (S1, S4).

May import: `core`, `store`.
"""
