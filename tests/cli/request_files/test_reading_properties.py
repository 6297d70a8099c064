"""Any text is read or refused with its line; what was written is what reaches SubmitJob."""

import csv
import io
import json
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncbatch import InvalidRequest, JobRequest
from asyncbatch._aws.wire import requests as wire
from asyncbatch._cli.request_files.reading import Format, Source, read_request, read_requests
from tests.fixtures import strategies

few = settings(max_examples=25)
plain_text = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=12)


def submit_job(request: JobRequest) -> dict[str, Any]:
    return wire.submit_job(request, name=request.name or "n", queue=request.queue or "q")


@few
@given(strategies.sensible_fields, st.sampled_from([Format.JSON, Format.YAML]))
def test_submit_job_document_makes_the_same_submit_job(
    fields: dict[str, Any], form: Format
) -> None:
    document = submit_job(JobRequest("etl", **fields))
    text = json.dumps(document) if form is Format.JSON else yaml.safe_dump(document)
    source = Source("job", text.encode(), form)
    assert submit_job(read_request(source)) == document


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | plain_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(plain_text, inner, max_size=3),
    max_leaves=6,
)
members = st.sampled_from(
    (
        *("job_definition", "jobDefinition", "containerOverrides", "retry", "dependsOn", "timeout"),
        *("environment", "depends_on", "attempt_timeout", "extra", "retryStrategy", "memory_mib"),
    )
)
documents = st.dictionaries(members, values, min_size=1, max_size=3).map(json.dumps)
texts = documents | st.lists(documents, max_size=2).map("\n".join) | plain_text


@few
@given(texts | st.binary(max_size=40), st.sampled_from(Format))
def test_any_text_is_read_or_refused(content: str | bytes, form: Format) -> None:
    content = content if isinstance(content, bytes) else content.encode()
    try:
        assert read_requests(Source("jobs", content, form)).requests
    except InvalidRequest as error:
        assert str(error)  # noqa: PT017 - either is right


@few
@given(st.lists(st.tuples(plain_text, plain_text), min_size=1, max_size=4))
def test_text_of_cells_reaches_the_request_unchanged(cells: list[tuple[str, str]]) -> None:
    rows = [(f"{a}.", b) for a, b in cells]  # a row of blanks is no request
    file = io.StringIO(newline="")
    csv.writer(file).writerows([("a", "b"), *rows])
    job = Source("job.yaml", b"job_definition: etl\nparameters: {both: '{a}|{b}', a: '{a}'}")
    read = read_requests(Source("rows.csv", file.getvalue().encode()), template=job)
    assert [request.parameters for request in read.requests] == [
        {"both": f"{a}|{b}", "a": a} for a, b in rows
    ]
