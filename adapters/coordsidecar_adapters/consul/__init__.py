"""Consul: the lock recipe of ``consul lock``, and an office record beside it.

It runs in the elector's threads, and in the process of an operator's question. It talks to Consul
alone, translates every answer into yes, no or not at all, and holds no thread, clock or retry
policy of its own. It never decides.

May import: nothing but what the adapters share, and `coordsidecar.store`.
"""
