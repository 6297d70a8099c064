"""Handles, and what is done with many jobs at once.

    job        `Job`, the handle of one job
    array_job  `ArrayJob` and its children
    handles    from a session's records to handles, and back
    many       submitting many requests, results in order, jobs as they end
    arguments  checks of what the client's methods are given

A handle holds its session and the session's record of the job, and nothing else. This package is
imported by `import asyncbatch`, so it imports the session for type checkers only.
"""
