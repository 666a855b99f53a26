"""Kubernetes: a Lease as the lock, and an office record in its annotations.

It runs in the elector's threads, and in the process of an operator's question. It talks to the API
server alone, translates every answer into yes, no or not at all, and holds no thread, clock or
retry policy of its own. It never decides.

May import: nothing but what the adapters share, and `coordsidecar.store`.
"""
