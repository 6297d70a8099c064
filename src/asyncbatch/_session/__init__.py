"""What exists while a client is open.

    session         the session: connection, calls, polling, logs, submissions; runs as one task
    background      the task that a session runs in
    records         what is known about jobs in use, and their waiters
    resumption      continuing a journal
    observers       reporting events
    remaining_jobs  the message about jobs that continue without the client
    settings        what the client was configured with

A session deals in records: `JobRecord` has a job's latest description and its end, wakes waiters,
and is what the poller follows and log readers read. Handles (`_jobs`) hold a session and a record;
a record has only a weak reference to its handle. So a job can be followed, journalled and awaited
without a handle, and a handle that is dropped frees its record.

Work that must not stop halfway when its caller is cancelled, above all a submission, is started
with `Session.start` or `Session.start_submission`: it runs in the background task's group, and the
caller awaits a future. A submission that was not sent yet ends with its caller.
"""
