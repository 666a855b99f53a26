"""The guard: the process whose pid the user knows, and that owns the job's tree.

It runs in one thread and one loop, and touches signals, the terminal, its child processes, the
role file and the wire to the elector. Never the network, a lock, a thread, or a read or write that
may block: it has a deadline to keep (rules S1 to S4), so nothing in here may hang.

May import: `core`, `children`, `trees`, `settings`, `store`.
"""
