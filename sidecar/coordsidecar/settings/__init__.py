"""What the user asked for: every option once, checked once, and frozen.

It runs before guard and elector exist, in the process that becomes the guard; from then on both
only read the result. It may read the configuration file and the environment; it never asks a store
and starts nothing. What cannot work cannot be built.

May import: `core`, `store`.
"""
