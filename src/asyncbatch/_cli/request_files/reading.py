"""Requests from the text of a file, checked before anything is sent."""

import codecs
import enum
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from asyncbatch._aws.wire import requests as wire
from asyncbatch._cli.request_files import csv_text, fields, json_text, submit_job_fields
from asyncbatch._cli.request_files.documents import Document, MalformedFile, MalformedText, Problem
from asyncbatch._cli.request_files.template import Template
from asyncbatch._values.errors import InvalidRequest, UnknownField
from asyncbatch._values.requests import JobRequest


class Format(enum.StrEnum):
    """How requests are written in a file."""

    JSON = "json"
    JSONL = "jsonl"
    YAML = "yaml"
    CSV = "csv"
    TSV = "tsv"


_SUFFIXES = {
    ".json": Format.JSON,
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".yaml": Format.YAML,
    ".yml": Format.YAML,
    ".csv": Format.CSV,
    ".tsv": Format.TSV,
}
_WITHOUT_TEMPLATE = (
    "Columns are fields, such as name or parameters.NAME; a --template can use others."
)
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


@dataclass(frozen=True, slots=True)
class Source:
    """A file that was read.

    Attributes:
        path: Its name, for messages.
        content: Its bytes.
        format: How it is written; None takes the ending of its name.
    """

    path: str
    content: bytes
    format: Format | None = None


@dataclass(frozen=True, slots=True)
class RequestFile:
    """The requests of a file.

    Attributes:
        requests: The requests, in order.
        lines: Where each of them begins, 1 for the first line.
        unused_columns: Columns of a CSV file that neither the template nor a field uses.
    """

    requests: tuple[JobRequest, ...]
    lines: tuple[int, ...]
    unused_columns: tuple[str, ...] = ()


def read_requests(
    source: Source, *, template: Source | None = None, defaults: Mapping[str, Any] | None = None
) -> RequestFile:
    """Return the requests of a file, each checked against AWS's limits.

    Args:
        source: The file.
        template: The template for the rows of a CSV file.
        defaults: Fields for requests that do not set them.

    Raises:
        MalformedFile: It names the lines, and what is wrong with each.
        InvalidRequest: The format is not known, or there is a template for another format.
    """
    text = _decoded(source)
    form = _format(source)
    unused: tuple[str, ...] = ()
    try:
        if form in (Format.CSV, Format.TSV):
            rows, unused = _rows(source, form, text, template)
        elif template is not None:
            rule = f"is for rows of CSV files, and {source.path} is {form.upper()}"
            raise InvalidRequest("template", template.path, rule)
        else:
            rows = map(_document_fields, _READERS[form](text))
        return _checked(source, rows, defaults or {}, unused)
    except MalformedText as error:
        raise MalformedFile(source.path, [Problem(error.line, error)]) from None


def read_request(source: Source, *, changes: Mapping[str, Any] | None = None) -> JobRequest:
    """Return the only request of a file.

    Args:
        source: The file.
        changes: Fields that replace those of the file; entries of mappings are added.

    Raises:
        MalformedFile: It names the line and what is wrong with it; or there are several requests.
        InvalidRequest: A change breaks a rule, or the format is not known.
    """
    document = _only_document(source)
    changes = changes or {}
    try:
        read = fields.fields_of_document(document.members)
        return checked_request(fields.merged(read, changes))
    except InvalidRequest as error:
        if fields.field_of(error) in changes:
            raise
        raise MalformedFile(source.path, [_problem(document, error)]) from None


def checked_request(values: Mapping[str, Any]) -> JobRequest:
    """Return the request with these fields, which fits into a SubmitJob.

    Raises:
        InvalidRequest: A value breaks a rule, or the request is too large.
    """
    request = fields.request_of(values)
    # Names and queues that are not set are short.
    wire.submit_job(request, name=request.name or "name", queue=request.queue or "queue")
    return request


# A request's place, and how to make its fields; or what is wrong with its line.
_Made = Callable[[], dict[str, Any]]
_Rows = Iterator[tuple[Document, _Made] | Problem]


def _document_fields(item: Document | Problem) -> tuple[Document, _Made] | Problem:
    if isinstance(item, Problem):
        return item
    return item, functools.partial(fields.fields_of_document, item.members)


def _rows(
    source: Source, form: Format, text: str, template: Source | None
) -> tuple[_Rows, tuple[str, ...]]:
    """Return the rows of a CSV file, and the columns that nothing uses.

    Raises:
        MalformedText: The header is malformed.
        MalformedFile: The template, or a column without one, is.
    """
    table = csv_text.Table(text, delimiter="\t" if form is Format.TSV else ",")
    if template is None:
        for column in table.columns:
            try:
                fields.require_column(column)
            except InvalidRequest as error:
                raise MalformedFile(source.path, [Problem(1, _with_hint(error))]) from None
        return _made(table, None, table.columns), ()
    document = _only_document(template)
    try:
        filling = Template(document.members, table.columns)
    except MalformedText as error:
        raise MalformedFile(template.path, [Problem(document.line, error)]) from None
    others = [column for column in table.columns if column not in filling.used]
    setting = [column for column in others if _sets_a_field(column)]
    unused = tuple(column for column in others if column not in setting)
    return _made(table, filling, setting), unused


def _with_hint(error: InvalidRequest) -> InvalidRequest:
    """Return an error about a column that is no field, with what such a column needs."""
    if not isinstance(error, UnknownField):
        return error
    # Where none has a similar name, all 27 fields follow.
    text = str(error).partition("; allowed are")[0]
    return MalformedText(f"{text}{'' if text.endswith('?') else '.'} {_WITHOUT_TEMPLATE}")


def _sets_a_field(column: str) -> bool:
    try:
        fields.require_column(column)
    except InvalidRequest:
        return False
    return True


def _made(table: csv_text.Table, filling: Template | None, setting: Sequence[str]) -> _Rows:
    """Yield how to make the fields of each row: from the template, and from columns."""

    def fields_of(cells: Mapping[str, str]) -> dict[str, Any]:
        base = {} if filling is None else fields.fields_of_document(filling.filled(cells))
        return fields.merged(base, fields.fields_of_cells({name: cells[name] for name in setting}))

    for row in table.rows():
        if isinstance(row, Problem):
            yield row
        else:
            yield Document(row.line, {}), functools.partial(fields_of, row.cells)


def _checked(
    source: Source, rows: _Rows, defaults: Mapping[str, Any], unused: tuple[str, ...]
) -> RequestFile:
    """Make all requests.

    Raises:
        MalformedFile: A line is malformed, a key is there twice, or there are no requests.
    """
    requests: list[JobRequest] = []
    lines: list[int] = []
    problems: list[Problem] = []
    keys: dict[str, tuple[int, int]] = {}
    for row in rows:
        if isinstance(row, Problem):
            problems.append(row)
            continue
        document, make = row
        try:
            request = checked_request(fields.merged(defaults, make()))
            _require_new_key(keys, request.key, len(requests) + 1, document.line)
        except InvalidRequest as error:
            problems.append(_problem(document, error))
            continue
        requests.append(request)
        lines.append(document.line)
    if problems:
        raise MalformedFile(source.path, problems)
    if not requests:
        raise MalformedText("has no requests")
    return RequestFile(tuple(requests), tuple(lines), unused)


def _require_new_key(
    keys: dict[str, tuple[int, int]], key: str | None, number: int, line: int
) -> None:
    """Add the key of a request.

    Raises:
        InvalidRequest: An earlier request has the same one.
    """
    if key is None:
        return
    first = keys.setdefault(key, (number, line))
    if first != (number, line):
        rule = f"the request of line {first[1]} has the same key: each needs its own"
        raise InvalidRequest("key", key, rule)


def _only_document(source: Source) -> Document:
    """Return the only document of a file.

    A file whose ending says nothing, such as ``job.tmpl``, is read as YAML, which includes JSON.

    Raises:
        MalformedFile: It is malformed, or has none or several.
        InvalidRequest: The file has rows.
    """
    form = source.format or _format_of_name(source.path) or Format.YAML
    if form not in _READERS:
        rule = "one request, or a template, must be JSON or YAML, not rows"
        raise InvalidRequest("file", source.path, rule)
    items = list(_READERS[form](_decoded(source)))
    problems = [item for item in items if isinstance(item, Problem)]
    if problems:
        raise MalformedFile(source.path, problems)
    documents = [item for item in items if isinstance(item, Document)]
    if len(documents) == 1:
        return documents[0]
    rule = (
        "has no request"
        if not documents
        else f"has {len(documents)} requests, where one is expected"
    )
    raise MalformedFile(source.path, [Problem(None, MalformedText(rule))])


def _problem(document: Document, error: InvalidRequest) -> Problem:
    if fields.submit_job_member(document.members) is not None:
        error = _with_place(error)
    return Problem(document.lines.get(fields.field_of(error), document.line), error)


def _with_place(error: InvalidRequest) -> InvalidRequest:
    """Return an error that names a field as a SubmitJob document does."""
    place = submit_job_fields.place_of(error.field)
    return error if place == error.field else error.renamed(place)


def _format(source: Source) -> Format:
    if source.format is not None:
        return source.format
    found = _format_of_name(source.path)
    if found is None:
        rule = f"the name must end in one of {', '.join(_SUFFIXES)}; or add --format"
        raise InvalidRequest("file", source.path, rule)
    return found


def _format_of_name(path: str) -> Format | None:
    return _SUFFIXES.get(PurePath(path).suffix.lower())


def _decoded(source: Source) -> str:
    """Return the text of a file: UTF-8, or UTF-16 with its mark.

    Raises:
        MalformedFile: It is neither.
    """
    content = source.content
    marks = (name for mark, name in _BYTE_ORDER_MARKS.items() if content.startswith(mark))
    try:
        return content.decode(next(marks, "utf-8"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        rule = f"not {error.encoding.upper()}: byte 0x{content[error.start]:02x}. Save it as UTF-8."
        raise MalformedFile(source.path, [Problem(line, MalformedText(rule))]) from None


def _yaml_documents(text: str) -> Iterator[Document | Problem]:
    from asyncbatch._cli.request_files.yaml_text import yaml_documents

    return yaml_documents(text)


_READERS: Mapping[Format, Callable[[str], Iterator[Document | Problem]]] = {
    Format.JSON: json_text.json_documents,
    Format.JSONL: json_text.json_lines,
    Format.YAML: _yaml_documents,
}
