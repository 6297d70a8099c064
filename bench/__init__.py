"""The benchmark: this package and its peers on the same work, side by side.

`python -m bench` runs it, `nox -s bench` in an environment of its own. Each contender is a program
of its own that knows nothing of the others; it works against the local engine, which another
process serves on loopback, or, where hours have to pass, in virtual time.

What `bench.contenders` and `bench.work` import has to exist in the peers' environments: the
standard library and the peer.
"""
