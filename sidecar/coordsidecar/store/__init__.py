"""What a store is, and how the one that a URL names is found.

`protocol` is the contract between the elector and every adapter; its types are the cores' words for
what a store says, too. `registry` runs where a URL is checked or shown, and, in the elector and in
``check``, imports the one adapter that is asked for. Neither talks to a server itself. `examiner`
is what ``doctor`` may ask besides, which no sidecar imports, and `directory` what an operator asks
of many elections, and orders.

May import: nothing but what all share.
"""
