"""coordsidecar makes any command active-passive.

One folder per process and concern; the first lines of each say in which process it runs and what it
must never do. What stands beside the folders is shared by all: `linux`, `log`, `duration`, `utc`,
`value`, `hints`, and `wire`, the packets between guard and elector.
"""

__version__ = "0.1.0"
