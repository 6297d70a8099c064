"""The one poller of a client: asks about all followed jobs within one budget of calls.

`_poller` asks about jobs by id, 100 a call. `_sweep` lists those states of a queue in which many of
the followed jobs are, 1,000 a call, and leaves to the former those that have gone from the list;
`_queues` says which states that are.
"""
