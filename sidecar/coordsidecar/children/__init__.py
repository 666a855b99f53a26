"""What runs in the guard's other forks: the job until its exec, its fuse, what serves beside it.

Each file is named after its process, as `ps` shows it (``job-to-be``, ``job-fuse``,
``hook-runner``, ``health-prober``); `forking` is what every fork does first, the elector's too.
Here only what is inherited is used: nothing is imported late, no thread, and nothing that belongs
to the guard is changed; the network only by a look at the job's health, in a fork of its own.
The process ``health-prober`` is one of two: `health_prober` looks, `health_listener` is told.

May import: `trees`.
"""
