"""The kernel's own locks: the store of one host, and no server.

It runs in the elector's threads, and in the process of an operator's question; the descriptor of
the lock is shared with guard and job. It reads and writes the lock's folder alone, and holds no
thread or retry policy of its own. It never decides.

May import: nothing but what the adapters share, and `coordsidecar.store`.
"""
