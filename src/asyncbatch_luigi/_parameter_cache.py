"""The Luigi parameters of task classes and their values, read once instead of each time.

With thousands of tasks, most of the time in which they are created is spent on their parameters.
"""

import functools
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
        values = read(
            [(name, each if name in kwargs else _ReadOnce(each)) for name, each in params],
            args,
            kwargs,
        )
        thread.latest = _Latest(task, args, kwargs, values)
        return values

    def new_task(self) -> "_Thread":
        """Return a context manager within which a task reads its values in ``__init__``."""
        return self._thread


class _ReadOnce:
    """A parameter whose default is read once for two questions of Luigi: is there one, and which.

    Each time, Luigi searches the command line and its configuration for the default.
    """

    __slots__ = ("_default", "_parameter", "normalize", "positional")

    def __init__(self, parameter: Any) -> None:  # noqa: ANN401 - Luigi's, with types only in part
        self.positional = parameter.positional
        self.normalize = parameter.normalize
        self._parameter = parameter
        self._default: list[object] = []

    def has_task_value(self, task_name: str, param_name: str) -> bool:
        """Return whether the parameter has a default."""
        try:
            self._default = [self._parameter.task_value(task_name, param_name)]
        except luigi.parameter.MissingParameterException:
            return False
        return True

    def task_value(self, task_name: str, param_name: str) -> object:
        """Return the default, which was just read."""
        if self._default:
            return self._default[0]
        return self._parameter.task_value(task_name, param_name)


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

    __slots__ = (
        "_dicts",
        "_lengths",
        "_mro",
        "_parameters",
        "_read_parameters",
        "_values",
        "_views",
    )

    def __init__(self, task: type, base: type) -> None:
        self._mro = task.__mro__
        bases = self._mro[:-1]  # without `object`, which never changes
        common = (base, luigi.Task)  # they have a hundred attributes
        self._dicts = [vars(each) for each in bases]
        self._lengths = list(map(len, self._dicts))
        # Views, which change with the classes.
        self._views = [vars(each).values() for each in bases if each not in common]
        self._values = list(chain.from_iterable(self._views))
        names = [name for name, value in vars(base).items() if isinstance(value, luigi.Parameter)]
        self._read_parameters = functools.partial(operator.itemgetter(*names), vars(base))
        self._parameters = self._read_parameters()

    def are_those_of(self, task: type) -> bool:
        """Return whether a class still has these very attributes."""
        return (
            task.__mro__ is self._mro
            and list(map(len, self._dicts)) == self._lengths
            and self._read_parameters() == self._parameters
            and all(map(operator.is_, chain.from_iterable(self._views), self._values))
        )
