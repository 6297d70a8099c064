"""asyncbatch: an async-first AWS Batch client for Python.

The public names are listed in `_public`, which is imported when the first of them is used: a module
of this package, such as the command line, starts without the client. `asyncbatch.local` and
`asyncbatch.progress` are imported by themselves.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncbatch._public import *
else:

    def __getattr__(name: str) -> object:
        """Import all public names when the first one is used (PEP 562)."""
        if name == "__all__" or not name.startswith("_"):
            from asyncbatch import _public
            from asyncbatch._public import _NAMES as NAMES

            globals().update({each: getattr(_public, each) for each in NAMES}, __all__=NAMES)
            if name in globals():
                return globals()[name]
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)

    def __dir__() -> list[str]:
        """Return the public names, and those that every module has."""
        from asyncbatch._public import _NAMES as NAMES

        return sorted({*globals(), *NAMES})
