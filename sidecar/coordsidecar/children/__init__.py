"""What runs in the guard's other forks: the job until its exec, the job's fuse, what runs hooks.

Each file is named after its process, as `ps` shows it (``job-to-be``, ``job-fuse``,
``hook-runner``); `forking` is what every fork does first, the elector's too. Here only what is
inherited is used: nothing is imported late, no network, no thread, and nothing that belongs to the
guard is changed.

May import: `trees`.
"""
