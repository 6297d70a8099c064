"""`python -m asyncbatch` is the `asyncbatch` command."""

from asyncbatch._cli import main

main()
