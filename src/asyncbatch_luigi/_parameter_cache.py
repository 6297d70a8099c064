"""The Luigi parameters of task classes and their values, read once instead of each time.

With thousands of tasks, most of the time in which they are created is spent on their parameters.
"""

import operator
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any, Self

import luigi

Parameters = list[tuple[str, Any]]
Values = list[tuple[str, Any]]

ReadValues = Callable[[Parameters, Sequence[object], Mapping[str, object]], Values]


class ParameterCache:
    """Parameters of classes, and the values of the task that a thread is creating."""

    def __init__(self) -> None:
        """Start empty."""
        self._known: weakref.WeakKeyDictionary[type, tuple[_Attributes, Parameters]] = (
            weakref.WeakKeyDictionary()
        )
        self._thread = _Thread()

    def of(self, task: type, base: type, read: Callable[[], Parameters]) -> Parameters:
        """Return the parameters of a class; call `read` if the class has changed.

        Of `base`, which all classes have in common, only the parameters are compared.

        Classes change after their definition: `luigi.util.inherits` adds parameters, and tests
        replace attributes. Without a metaclass of our own, with which other metaclasses of the user
        could conflict, only a comparison detects that.
        """
        known = self._known.get(task)
        if known is None or not known[0].are_those_of(task):
            attributes = _Attributes(task, base)
            known = self._known[task] = (attributes, read())
        return list(known[1])

    def values(
        self,
        task: type,
        params: Parameters,
        args: Sequence[object],
        kwargs: Mapping[str, object],
        read: ReadValues,
    ) -> Values:
        """Return the values of parameters: those just read for the task being created, or new ones.

        Luigi's metaclass reads the values to look for an equal task. If there is none, `__init__`
        of the new task reads them again, with the same arguments.
        """
        thread = self._thread
        if thread.is_creating and thread.latest and thread.latest.is_of(task, args, kwargs):
            return thread.latest.values
        values = read(params, args, kwargs)
        thread.latest = _Latest(task, args, kwargs, values)
        return values

    def new_task(self) -> "_Thread":
        """Return a context manager within which a task reads its values in ``__init__``."""
        return self._thread


class _Latest:
    """The latest values that a thread has read."""

    __slots__ = ("_args", "_kwargs", "_task", "values")

    def __init__(
        self, task: type, args: Sequence[object], kwargs: Mapping[str, object], values: Values
    ) -> None:
        self._task = task
        self._args = args
        self._kwargs = kwargs
        self.values = values

    def is_of(self, task: type, args: Sequence[object], kwargs: Mapping[str, object]) -> bool:
        """Return whether the arguments are the very same objects."""
        return (
            task is self._task
            and len(args) == len(self._args)
            and list(kwargs) == list(self._kwargs)
            and all(map(operator.is_, args, self._args))
            and all(map(operator.is_, kwargs.values(), self._kwargs.values()))
        )


class _Thread(threading.local):
    """What one thread is doing; a context manager while it creates a task."""

    def __init__(self) -> None:
        self.is_creating = False
        self.latest: _Latest | None = None

    def __enter__(self) -> Self:
        self.is_creating = True
        return self

    def __exit__(self, *error: object) -> None:
        self.is_creating = False
        self.latest = None


class _Attributes:
    """The attributes of a class and of its bases at one moment, to compare in microseconds."""

    __slots__ = ("_counts", "_mro", "_parameters", "_values", "_views")

    def __init__(self, task: type, base: type) -> None:
        bases = task.__mro__[:-1]  # without `object`, which never changes
        common = (base, luigi.Task)  # they have a hundred attributes
        self._mro = task.__mro__
        self._counts = [(vars(base), len(vars(base))) for base in bases]
        # Views, which change with the classes.
        self._views = [vars(base).values() for base in bases if base not in common]
        self._values = list(chain.from_iterable(self._views))
        self._parameters = [
            (vars(base), name, value)
            for base in common
            for name, value in vars(base).items()
            if isinstance(value, luigi.Parameter)
        ]

    def are_those_of(self, task: type) -> bool:
        """Return whether a class still has these very attributes."""
        if task.__mro__ is not self._mro:
            return False
        for own, count in self._counts:
            if len(own) != count:
                return False
        for own, name, value in self._parameters:
            if own[name] is not value:
                return False
        return all(map(operator.is_, chain.from_iterable(self._views), self._values))
