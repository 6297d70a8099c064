"""The journal: what a client submitted, kept in a file that survives `kill -9`.

Theory of operation
-------------------
A submission leaves three traces:

    intent ──(SubmitJob)──► job id ──(the job runs)──► end
       │
       └── AWS refused it: the intent is taken back

The *intent* is on disk before SubmitJob is sent. So a program that dies at any moment leaves, for
every job that AWS may have accepted, either the job's id or an intent that says what to look for.
The job id and the end are written when they are known, and nobody waits for that: what is lost of
them is found out again by asking AWS.

`_entries` is what the journal knows, `_file` its file and the statements, `_open` how that is
opened and migrated, `_lock` that one process does so, `_records` how a description is written,
`_writer` how many writes become few, `_journal` all of it together.
"""
