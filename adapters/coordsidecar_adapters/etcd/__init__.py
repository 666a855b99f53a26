"""etcd: the election recipe of its own tools, over the JSON gateway or over gRPC.

It runs in the elector's threads, and in the process of an operator's question. It talks to etcd
alone, translates every answer into yes, no or not at all, and holds no thread, clock or retry
policy of its own. It never decides.

May import: nothing but what the adapters share, and `coordsidecar.store`.
"""
