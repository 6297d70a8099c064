"""Some children of an array job as a smaller array, with their original indexes. Pure.

Theory of operation
-------------------
The children of an array have the indexes from 0 on, and ``AWS_BATCH_JOB_ARRAY_INDEX`` cannot be set
in ``environment``. So a line of POSIX sh before the command replaces the index, and the size of the
array, with the original ones; a single child becomes a plain job. The line contains the original
indexes in the shorter of two forms, so that any of them fit into the 8,192 characters that ECS
allows:

* ranges: ``3 7-9``;
* a hexadecimal number for each four indexes, whose bits say which of them are meant: at most 2,500
  characters.

A child whose index the line cannot determine ends with exit code 64 before the command runs: it
never runs with a wrong index. An image without a shell cannot run the line, so its container does
not start.

Sources: https://docs.aws.amazon.com/batch/latest/userguide/array_jobs.html,
https://pubs.opengroup.org/onlinepubs/9699919799/utilities/V3_chap02.html
"""

from collections.abc import Iterable, Iterator, Sequence

from asyncbatch._submitting.posix_sh import ARRAY_INDEX, ARRAY_SIZE, after_line, why_not_in_sh
from asyncbatch._values import checks
from asyncbatch._values.errors import InvalidRequest
from asyncbatch._values.requests import Dependency, DependencyType, JobRequest

# Both read the index $i of the smaller array and write the original one.
_FROM_RANGES = (
    "for r in {}; do a=${{r%-*}}; n=$((${{r#*-}} - $a + 1));"
    ' [ "$i" -lt "$n" ] && echo "$(($a + $i))" && exit; i=$(($i - $n)); done'
)
_FROM_BITS = (
    's={}; p=0; while [ -n "$s" ]; do t=${{s#?}}; d=$((0x${{s%"$t"}})); s=$t;'
    ' for b in 1 2 4 8; do if [ "$(($d & $b))" -ne 0 ]; then'
    ' [ "$i" -eq 0 ] && echo "$p" && exit; i=$(($i - 1)); fi; p=$(($p + 1)); done; done'
)
# The variables of the subshell do not reach the command.
_LINE = (
    (
        'case "$INDEX" in ""|*[!0-9]*) exit 64;; esac;'
        " INDEX=$(i=$INDEX; {choose}; exit 64) || exit 64; export INDEX SIZE={size}"
    )
    .replace("INDEX", ARRAY_INDEX)
    .replace("SIZE", ARRAY_SIZE)
)


def smaller_array(request: JobRequest, indexes: Iterable[int]) -> JobRequest:
    """Return a request for some children of an array job, each with its original index.

    Args:
        request: The whole array.
        indexes: The original indexes of its children, in any order.

    Returns:
        An array of as many children as there are indexes, in ascending order; a plain job for one
        index; the request itself for all of them. Unless it is that, it has no `key`, which stands
        for the whole array.

    Raises:
        InvalidRequest: The request is no array, an index is not one of its children, the command
            cannot run after a line of sh, or the children depend on those of another array.
    """
    size = request.array_size
    if size is None:
        raise InvalidRequest("array_size", None, "only an array job has children")
    chosen = _chosen(indexes, size)
    if len(chosen) == size:
        return request
    reason = why_not_in_sh(request)
    if reason is not None:
        rule = f"the children cannot keep their indexes: {reason}. Submit the whole array again."
        raise InvalidRequest("command", request.command, rule)
    line = _line(chosen, size)
    return request.replace(
        command=after_line(line, request.command or ()),
        array_size=len(chosen) if len(chosen) > 1 else None,
        depends_on=_dependencies(request, len(chosen)),
        key=None,
    )


def _chosen(indexes: Iterable[int], size: int) -> list[int]:
    """Return the indexes in ascending order, each once."""
    checks.iterable("indexes", indexes, rule="must be a list of indexes")
    given = list(indexes)
    for index in given:
        checks.integer("indexes", index, 0, size - 1)
    if not given:
        raise InvalidRequest("indexes", [], "name at least one child")
    return sorted(set(given))


def _line(chosen: Sequence[int], size: int) -> str:
    """Return the line that sets index and size of the original array."""
    if len(chosen) == 1:
        return f"export {ARRAY_INDEX}={chosen[0]} {ARRAY_SIZE}={size}"
    ranges, bits = " ".join(_ranges(chosen)), _bits(chosen)
    in_ranges, in_bits = _FROM_RANGES.format(ranges), _FROM_BITS.format(bits)
    return _LINE.format(choose=min(in_ranges, in_bits, key=len), size=size)


def _ranges(chosen: Sequence[int]) -> Iterator[str]:
    first = chosen[0]
    for index, following in zip(chosen, [*chosen[1:], -1], strict=True):
        if following != index + 1:
            yield str(first) if first == index else f"{first}-{index}"
            first = following


def _bits(chosen: Sequence[int]) -> str:
    """Return a digit for each four indexes, the least significant bit for the first of them."""
    digits = [0] * (chosen[-1] // 4 + 1)
    for index in chosen:
        digits[index // 4] |= 1 << index % 4
    return "".join(f"{digit:x}" for digit in digits)


def _dependencies(request: JobRequest, size: int) -> list[Dependency]:
    """Return the dependencies of the smaller array; a plain job has no children that wait."""
    kept = [each for each in request.depends_on if isinstance(each, Dependency)]
    if any(each.type == DependencyType.N_TO_N for each in kept):
        rule = (
            "with N_TO_N, the children of the smaller array would wait for other children of the"
            " array that they depend on. Pass depends_on=[] if those have succeeded."
        )
        raise InvalidRequest("depends_on", kept, rule)
    if size > 1:
        return kept
    return [each for each in kept if each.type != DependencyType.SEQUENTIAL]
