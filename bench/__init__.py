"""The benchmark: asyncbatch and other clients on the same work.

`python -m bench` runs it; `nox -s bench` runs it in a separate environment. Each contender is an
independent program. It uses the local engine, which another process serves on the loopback address,
or runs together with the engine in virtual time, for workloads that take hours.

`bench.contenders` and `bench.work` import only what exists in the environments of the peers: the
standard library and the peer itself.
"""
