"""Measures coordsidecar beside `etcdctl lock` and `consul lock`: ``python -m bench``."""
