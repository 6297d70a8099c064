"""Values and pure rules: no I/O, no await, no clock.

    text          text of jobs and of AWS, made safe for terminals
    status        `JobStatus` and the order of states
    errors        all exceptions, with their tree
    checks        checks of values when they are made
    requests      `JobRequest` and what belongs to it
    descriptions  jobs, job queues and job definitions as AWS returns them
    results       results, failures and log events
    failures      classification of failures: one ordered table
    events        what a client reports to its observers
    policies      settings of a client

Rules:

- Values are frozen dataclasses with slots. A value that exists has passed its checks.
- The current time and random number generators are arguments. (One exception: `checks.moment`
  turns "an hour ago" into a time.)
- Names and units are AWS's, in snake_case: MiB, seconds in settings, `timedelta` in requests and
  descriptions, UTC-aware `datetime`. None means that AWS or the job definition decides.
- The package imports nothing else of asyncbatch and no third-party package. `import asyncbatch`
  loads all of it, so its imports are cheap.
"""
