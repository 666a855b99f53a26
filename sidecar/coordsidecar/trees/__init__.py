"""Whose processes these are, how all of them end, and when that is proven (rules S3 and S4).

It runs wherever a tree must end: in the guard, in the elector that buries it, in the fuse. It reads
/proc and sends signals, a pass at a time, and never waits: whoever calls decides when to look
again. It may signal what descends from the guard or carries the run's mark, and nobody else.

May import: nothing but what all share.
"""
