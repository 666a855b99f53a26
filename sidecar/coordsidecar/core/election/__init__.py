"""The elector's core: who leads, and for how long that is certain. Pure; runs in the elector.

`step` is the way in: it says which of the `rules` (moves between the `phases`) and `answers` (what
the store said) is due; `moves` is its vocabulary of events and effects. It must never tell the
guard of more time than the store's last proof of ownership gives (S1).

May import: `core`, `store`.
"""
