"""Why a job waits or failed: read what AWS says with few calls, and apply rules to it.

Theory of operation
-------------------
`gathering` reads the `Facts`: the job itself, and what its state makes worth reading. One
DescribeJobs is enough for most failed jobs. Jobs that a job depends on cost one call for each step
towards the root. A RUNNABLE job costs up to four more: its queue, the compute environments of the
queue, the front of the queue, and the job at its head.

Only the first call is required. A further call that is refused becomes a permission that is named,
and one that fails an error that is named; the rules then work with what was read.

`waiting`, `failing` and `dependencies` are the rules: pure functions from facts to findings. Each
finding names the field of AWS that it rests on. `explain` puts them in order, and makes the verdict
of the first one.
"""
