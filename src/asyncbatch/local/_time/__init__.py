"""Time for the engine: clocks, and an event loop that does not wait.

The engine never reads the machine's clock and never sleeps. It is given a `Clock`, which has the
time and calls back later, so the same engine runs in real time and in virtual time:

* `clock`: the `Clock` protocol, and `LoopClock`, the clock of any asyncio event loop.
* `virtual_time`: `VirtualTimeLoop`, an event loop whose time jumps to the next timer. Hours of
  polling and timeouts pass in seconds, in the order in which they would really happen.

This package imports nothing else of `asyncbatch`.
"""
