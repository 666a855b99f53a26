"""The elector: the process that talks to the store, and that may crash, hang and be replaced.

It runs in a fork of the guard. The loop never blocks; three threads (`workers`, `sweeping`) and the
status page's own may. It touches the store, the wire to the guard and, once the guard is dead or
frozen, the job's tree. It never starts anything, and it tells of a lead only what the store has
confirmed.

May import: `core`, `trees`, `settings`, `store`.
"""
