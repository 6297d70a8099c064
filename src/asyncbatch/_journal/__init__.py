"""The journal: what a client submitted, in a file that survives `kill -9`.

Theory of operation
-------------------
A submission is recorded in up to three steps:

    intent ──(SubmitJob)──► job id ──(the job runs)──► end
       │
       └── AWS refused the request: the intent is deleted

The *intent* is on disk before SubmitJob is sent. So a program that dies at any moment leaves, for
each job that AWS may have accepted, either the job's id or an intent with the name or tag to search
for. Job id and end are written when they are known, and no caller waits for these writes: what is
lost of them is found again with ListJobs and DescribeJobs.

The modules:

    entries     what the journal knows of one submission, and which requests are the same
    encoding    a job's last description as JSON, and back
    file        the SQLite file: statements and transactions
    opening     opening, checking and migrating it; SQLite's errors as `JournalError`
    lock        at most one process uses a journal
    forks       a forked child never touches the parent's journal
    writer      many small writes in few transactions
    journal     `OpenJournal`: all of it together, for an open client
"""
