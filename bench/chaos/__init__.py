"""Plays the fault matrix on real clusters for as long as you like: ``python -m bench.chaos``."""
