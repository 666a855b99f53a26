"""The decisions, and no deeds: the pure cores of guard and elector, and what they share.

`guard` runs in the guard's process, `election` in the elector's, and both in the simulator:
``step(state, event, now_s, …)`` returns the new state and what to do. Never a clock, dice, a
socket, a file, a log, or a module that has one: time and chance are arguments. `messages` is what
the two say to each other, `timing` how long everything may take.

May import: `store`.
"""
