"""The command line: what the user typed, and the one sentence they read if it cannot be done.

It runs in the process that the user starts: `launch` wires guard and elector together, and then
that process is the guard; ``--help`` and the questions of an operator end without one. It may read
files and environment; only `check`, `doctor` and what `operators` dispatches may ask a store, only
`order` and `curb` leave an order there, and only `health` asks a status page, in a process where no
job runs. It never decides anything about a job or an election.

May import: `guard`, `elector`, `children`, `trees`, `settings`, `store`, `core`, `doctor`.
"""
