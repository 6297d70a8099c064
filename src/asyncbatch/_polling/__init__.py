"""Following jobs: one poller for all jobs of a client, within one budget of calls.

    poller    describes jobs by id, 100 a call, and delivers what changed
    sweep     lists queues in which many followed jobs are, 1,000 jobs a call
    schedule  when each job is due (pure)
    queues    which states of a queue are worth listing (pure)
    changes   how two descriptions differ (pure)
    followed  the one record that polling keeps about a job

A job is due again after a share of the time since its last change, between two bounds
(`PollPolicy`). Awaited jobs come first. A list never decides that a job has ended or vanished; it
only makes it due to be described.
"""
