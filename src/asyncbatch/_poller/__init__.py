"""The one poller of a client: asks about all followed jobs within one budget of calls.

`_poller` asks about jobs by id, 100 a call. `_sweep` lists queues in which very many of the
followed jobs are, 1,000 a call, and leaves to the former only those that have gone from the list.
"""

from asyncbatch._poller._poller import Poller as Poller
