"""Reading requests from files: formats, spellings, and what bad lines get."""

from collections.abc import Callable, Mapping
from datetime import timedelta

import pytest

from asyncbatch import Dependency, InvalidRequest, JobRequest, RetryStrategy
from asyncbatch._cli.request_files.documents import MalformedFile
from asyncbatch._cli.request_files.reading import (
    Format,
    RequestFile,
    Source,
    read_request,
    read_requests,
)

Fields = Mapping[str, object] | None


def read(
    name: str,
    content: str | bytes,
    *,
    template: Source | None = None,
    defaults: Fields = None,
) -> RequestFile:
    data = content if isinstance(content, bytes) else content.encode()
    return read_requests(Source(name, data), template=template, defaults=defaults)


def one(
    name: str, content: str, *, template: Source | None = None, defaults: Fields = None
) -> JobRequest:
    (request,) = read(name, content, template=template, defaults=defaults).requests
    return request


def job_yaml(content: str) -> Source:
    return Source("job.yaml", content.encode())


# -- formats --------------------------------------------------------------------------------------

DAYS = [JobRequest("etl", parameters={"day": day}) for day in ("2024-01-15", "007")]

SAME_TWO_REQUESTS = [
    (
        "a.json",
        (
            '[{"job_definition": "etl", "parameters": {"day": "2024-01-15"}},\n'
            '{"job_definition": "etl", "parameters": {"day": "007"}}]'
        ),
    ),
    (
        "a.jsonl",
        (
            '{"job_definition": "etl", "parameters": {"day": "2024-01-15"}}\n'
            '{"job_definition": "etl", "parameters": {"day": "007"}}'
        ),
    ),
    (
        "a.yaml",
        (
            "- {job_definition: etl, parameters: {day: 2024-01-15}}\n"
            "- {job_definition: etl, parameters: {day: 007}}"
        ),
    ),
    (
        "a.yml",
        (
            "job_definition: etl\nparameters: {day: 2024-01-15}\n"
            "---\njob_definition: etl\nparameters: {day: 007}\n"
        ),
    ),
    ("a.csv", "job_definition,parameters.day\netl,2024-01-15\netl,007\n"),
    ("a.tsv", "job_definition\tparameters.day\netl\t2024-01-15\netl\t007\n"),
]


@pytest.mark.parametrize(("name", "content"), SAME_TWO_REQUESTS)
def test_every_format_makes_the_same_requests(name: str, content: str) -> None:
    assert list(read(name, content).requests) == DAYS


@pytest.mark.parametrize(("name", "content"), SAME_TWO_REQUESTS)
@pytest.mark.parametrize(
    "encoded",
    [
        lambda text: text.encode("utf-8-sig"),
        lambda text: text.encode("utf-16"),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: f"{text}\n\n".encode(),
    ],
    ids=["byte order mark", "UTF-16", "CRLF", "blank lines at the end"],
)
def test_marks_line_ends_and_blank_lines_make_no_difference(
    name: str, content: str, encoded: Callable[[str], bytes]
) -> None:
    assert list(read(name, encoded(content)).requests) == DAYS


def test_format_can_be_named() -> None:
    source = Source("-", b'{"job_definition": "etl"}', Format.JSONL)
    assert read_requests(source).requests == (JobRequest("etl"),)


def test_lines_are_those_where_requests_begin() -> None:
    assert read("a.csv", 'name,parameters.text\na,"1\n2"\n\nb,x\n', defaults=ETL).lines == (2, 5)
    assert read("a.yaml", "- job_definition: a\n  vcpus: 1\n- job_definition: b").lines == (1, 3)
    assert read("a.json", '[{"job_definition":\n"a"},\n\n{"job_definition": "b"}]').lines == (1, 4)


# -- spellings ------------------------------------------------------------------------------------

ETL = {"job_definition": "etl"}


def test_submit_job_document_is_read_as_the_aws_cli_reads_it() -> None:
    document = """{
        "jobName": "nightly", "jobQueue": "spot", "jobDefinition": "etl:3",
        "containerOverrides": {
            "command": ["sh", "-c", "true"],
            "environment": [{"name": "DAY", "value": "mon"}],
            "resourceRequirements": [
                {"type": "VCPU", "value": "0.5"},
                {"type": "MEMORY", "value": "2048"},
                {"type": "GPU", "value": "1"}
            ]
        },
        "arrayProperties": {"size": 3},
        "dependsOn": [{"jobId": "job-1", "type": "N_TO_N"}],
        "retryStrategy": {
            "attempts": 2, "evaluateOnExit": [{"onExitCode": "75", "action": "RETRY"}]
        },
        "timeout": {"attemptDurationSeconds": 600},
        "consumableResourcePropertiesOverride": {
            "consumableResourceList": [{"consumableResource": "licence", "quantity": 2}]
        },
        "propagateTags": true, "schedulingPriorityOverride": 5, "shareIdentifier": "blue",
        "tags": {"team": "a"}, "key": "k"
    }"""
    request = one("job.json", document)
    assert request == JobRequest(
        "etl:3",
        name="nightly",
        queue="spot",
        command=["sh", "-c", "true"],
        environment={"DAY": "mon"},
        vcpus=0.5,
        memory_mib=2048,
        gpus=1,
        array_size=3,
        depends_on=[Dependency("job-1", request.depends_on[0].type)],  # type: ignore[union-attr]
        retry=request.retry,
        attempt_timeout=timedelta(minutes=10),
        consumable_resources={"licence": 2},
        propagate_tags=True,
        scheduling_priority=5,
        share_identifier="blue",
        tags={"team": "a"},
        key="k",
    )
    assert isinstance(request.retry, RetryStrategy)
    assert request.retry.evaluate_on_exit[0].on_exit_code == "75"


@pytest.mark.parametrize(
    ("member", "field", "value"),
    [
        ("memory_mib: '2048'", "memory_mib", 2048),
        ("vcpus: .5", "vcpus", 0.5),
        ("attempt_timeout: 90m", "attempt_timeout", timedelta(minutes=90)),
        ("attempt_timeout: 90", "attempt_timeout", timedelta(seconds=90)),
        ("propagate_tags: 'true'", "propagate_tags", True),
        ("name: 20240115", "name", "20240115"),
        ("command: [sleep, 10]", "command", ("sleep", "10")),
        ("tags: {version: 1.10}", "tags", {"version": "1.10"}),
        ("environment: {N: 1e3, NORWAY: no}", "environment", {"N": "1e3", "NORWAY": "no"}),
        ("parameters: {hex: 0x10, time: 12:30:45}", "parameters",
         {"hex": "0x10", "time": "12:30:45"}),
        ("retry: 3", "retry", RetryStrategy(attempts=3)),
        ("retry: {attempts: 3}", "retry", RetryStrategy(attempts=3)),
        ("retry: 'spot:3'", "retry", RetryStrategy.for_spot(3)),
        ("depends_on: [job-1, {job_id: job-2}]", "depends_on",
         (Dependency("job-1"), Dependency("job-2"))),
        ("node_overrides: {numNodes: 4}", "node_overrides", {"numNodes": 4}),
        ("queue: null", "queue", None),
    ],
)  # fmt: skip
def test_value_of_a_document_becomes_that_of_a_field(
    member: str, field: str, value: object
) -> None:
    request = one("a.yaml", f"job_definition: etl\n{member}\n")
    assert getattr(request, field) == value
    assert type(getattr(request, field)) is type(value)


def test_yaml_merges_mappings() -> None:
    content = "- &base {job_definition: etl, vcpus: 1, queue: a}\n- {<<: *base, queue: b}\n"
    assert read("a.yaml", content).requests[1] == JobRequest("etl", vcpus=1, queue="b")


def test_defaults_fill_what_a_request_does_not_set() -> None:
    defaults = {"job_definition": "etl", "queue": "a", "tags": {"team": "x", "run": "1"}}
    request = one("a.jsonl", '{"queue": "b", "tags": {"run": "2"}}', defaults=defaults)
    assert request == JobRequest("etl", queue="b", tags={"team": "x", "run": "2"})


# -- CSV with a template --------------------------------------------------------------------------


def test_columns_fill_placeholders_and_fields_with_their_text() -> None:
    job = job_yaml("""
        job_definition: etl
        memory_mib: "{mem}"
        parameters: {day: "{day}", path: "s3://b/{day}/{part of day}"}
        command: [sh, -c, "awk '{print $1}' ${HOME}/{{day}}"]
    """)
    rows = "day,part of day,mem,name,environment.X,notes\n2024-01-15,am,0512,a,1.0,hm\n"
    result = read("days.csv", rows, template=job)
    assert result.requests == (
        JobRequest(
            "etl",
            memory_mib=512,
            parameters={"day": "2024-01-15", "path": "s3://b/2024-01-15/am"},
            command=["sh", "-c", "awk '{print $1}' ${HOME}/{day}"],
            name="a",
            environment={"X": "1.0"},
        ),
    )
    assert result.unused_columns == ("notes",)


def test_template_may_be_a_submit_job_document() -> None:
    job = Source(
        "job.json", b'{"jobDefinition": "etl", "containerOverrides": {"command": ["{c}"]}}'
    )
    request = one("a.csv", "c,memory_mib\nx,512\n", template=job)
    assert request == JobRequest("etl", command=["x"], memory_mib=512)


def test_empty_cell_sets_no_field_and_fills_a_placeholder_with_nothing() -> None:
    job = job_yaml("{job_definition: etl, parameters: {a: 'x{a}'}}")
    assert (
        one("a.csv", "a,queue\n,\n".replace("\n,\n", "\n\"\",' '\n"), template=job).queue == "' '"
    )
    requests = read("a.csv", "a,queue\n1,\n,q\n", template=job).requests
    assert [request.parameters["a"] for request in requests] == ["x1", "x"]
    assert [request.queue for request in requests] == [None, "q"]


# -- bad input ------------------------------------------------------------------------------------

ALIASES = """{a: &a [1,1,1,1,1,1,1,1,1], b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a],
c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b], d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c],
e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d], f: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e],
g: [*f,*f,*f,*f,*f,*f,*f,*f,*f]}"""


def ours(members: str) -> str:
    return f'{{"job_definition": "etl", {members}}}'


def theirs(members: str) -> str:
    return f'{{"jobDefinition": "etl", {members}}}'


def overrides(members: str) -> str:
    return theirs(f'"containerOverrides": {{{members}}}')


PAIR = '{"name": "A", "value": "secret"}'

BAD: list[tuple[str, str | bytes, str]] = [
    ("a.jsonl", '{"job_definition": "etl"}\n{oops}', "a.jsonl:2: not JSON: Expecting property"),
    ("a.jsonl", '{"job_definition": "etl"} 1', "a.jsonl:1: not JSON: there is more after its end"),
    ("a.jsonl", "\n\n[1]", "a.jsonl:3: a request must be a JSON object, and this is a list"),
    ("a.jsonl", '{"queue": "a", "queue": "b"}', "a.jsonl:1: not usable: 'queue' is there twice"),
    ("a.jsonl", ours('"vcpus": NaN'), "a.jsonl:1: not usable: NaN is not JSON"),
    ("a.jsonl", '{"job_definition": "etl", "vcpus": ' + "9" * 5000 + "}", "a.jsonl:1: not usable"),
    ("a.jsonl", "[" * 100_000, "a.jsonl:1: not JSON: it is nested too deeply"),
    ("a.jsonl", ours('"memry": 1'), "did you mean memory_mib?"),
    ("a.jsonl", ours('"memory_mib": "2 GB"'), "a.jsonl:1: memory_mib='2 GB': "),
    ("a.jsonl", ours('"memory_mib": true'), "a.jsonl:1: memory_mib=True: must"),
    ("a.jsonl", ours('"environment": {"A": true}'),
     "a.jsonl:1: environment['A']=<class 'bool'>: must be a string or a number"),
    ("a.jsonl", ours('"command": "ls"'), "command='ls': must be a list"),
    ("a.jsonl", ours('"attempt_timeout": "soon"'), "attempt_timeout='soon': "),
    ("a.jsonl", ours('"retry": {"tries": 3}'), "tries: retry has no such field"),
    ("a.jsonl", ours('"retry": {"attempts": 99}'), "retry.attempts=99: must be"),
    ("a.jsonl", '{"queue": "a"}', "a.jsonl:1: job_definition=None: a request needs a job"),
    ("a.jsonl", ours('"parameters": {"x": "' + "x" * 40_000 + '"}'),
     "SubmitJob may have 30,720 bytes"),
    ("a.jsonl", '{"job_definition": "a", "key": "k"}\n{"job_definition": "b", "key": "k"}',
     "a.jsonl:2: key='k': the request of line 1 has the same key"),
    ("a.jsonl", theirs('"memory_mib": 512'), "and not both"),
    ("a.jsonl", theirs('"jobNam": "x"'), "jobNam: SubmitJob has no such field; did"),
    ("a.jsonl", theirs('"jobName": "a b"'), "a.jsonl:1: jobName='a b': job names"),
    ("a.jsonl", theirs('"arrayProperties": {"size": 1}'),
     "a.jsonl:1: arrayProperties.size=1: array jobs need 2"),
    ("a.jsonl", theirs('"arrayProperties": 3'), "arrayProperties=3: must be an obj"),
    ("a.jsonl", theirs('"dependsOn": "job-1"'), "dependsOn='job-1': must be a list"),
    ("a.jsonl", overrides(f'"environment": [{PAIR}, {PAIR}]'),
     "containerOverrides.environment.name='A': is there twice"),
    ("a.jsonl", overrides('"resourceRequirements": [{"type": "RAM", "value": "1"}]'),
     "must be one of VCPU, MEMORY, GPU"),
    ("a.jsonl", "", "a.jsonl: has no requests"),
    ("a.json", "", "a.json: has no requests"),
    ("a.json", "[]", "a.json: has no requests"),
    ("a.json", '[{"job_definition": "etl"}\n{"job_definition": "etl"}]',
     "a.json:2: not JSON: a comma or ] must follow"),
    ("a.json", '{"job_definition": "etl"}\n{"job_definition": "etl"}',
     "a.json:2: not JSON: there is more after its end. Files of JSON lines end in .jsonl."),
    ("a.json", '[{"job_definition": "etl"},\n 3]', "a.json:2: a request must be a JSON object"),
    ("a.yaml", "- job_definition: etl\n  queue: [\n", "a.yaml:"),
    ("a.yaml", "job_definition: etl\nqueue: a\nqueue: b", "a.yaml:3: not usable: 'queue' is there"),
    ("a.yaml", "job_definition: etl\nmemory_mib: 1", "a.yaml:2: memory_mib=1: must be an integer"),
    ("a.yaml", "jobDefinition: etl\ntimeout:\n  attemptDurationSeconds: 1",
     "a.yaml:2: timeout.attemptDurationSeconds"),
    ("a.yaml", "job_definition: !!python/name:os.system x", "a.yaml:1: not usable: "),
    ("a.yaml", "job_definition: &a [*a]", "a.yaml:1: not usable: a value contains itself"),
    ("a.yaml", ALIASES, "a.yaml:1: not usable: its aliases stand for too many values"),
    ("a.yaml", "- 1\n- job_definition: etl", "a.yaml:1: a request must be a mapping"),
    ("a.yaml", "job_definition: 'a\0b'", "a.yaml: not YAML"),
    ("a.yaml", "", "a.yaml: has no requests"),
    ("a.csv", "", "a.csv: has no header"),
    ("a.csv", "job_definition\n", "a.csv: has no requests"),
    ("a.csv", "job_definition,job_definition\netl,etl", "two columns have the name"),
    ("a.csv", "job_definition,\netl,etl", "a.csv:1: column 2 has no name"),
    ("a.csv", "job_definition;queue\netl;a", "a.csv:1: columns must be separated by commas"),
    ("a.csv", "job_definition,queue\netl,a\netl", "a.csv:3: this row has 1 columns, and the head"),
    ("a.csv", 'job_definition\netl\n"etl', "a.csv:3: not CSV"),
    ("a.csv", "job_definition,memry\netl,2", "a.csv:1: memry: a request has no such field; did"),
    ("a.csv", "job_definition,command\netl,ls", "column='command': a column cannot set command"),
    ("a.csv", "job_definition,parameters\netl,ls", "name it parameters.NAME, or use a template"),
    ("a.csv", "job_definition,memory_mib\netl,2 GB", "a.csv:2: memory_mib='2 GB': must be"),
    ("a.csv", b"job_definition\netl\n\xe9tl\n", "a.csv:3: not UTF-8: byte 0xe9. Save it as UTF-8."),
    ("a.txt", "", "file='a.txt': the name must end in one of .json, "),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "message"), BAD)
def test_bad_line_is_named_with_file_line_field_value_and_rule(
    name: str, content: str | bytes, message: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(name, content)
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)


BAD_TEMPLATES = [
    ("job_definition: etl\nmemory_mib: {day}", 'job.yaml:1: write "{day}" with quotes'),
    ("job_definition: '{dy}'", "job.yaml:1: no column fills {dy}: the columns are day."),
    ("- job_definition: a\n- job_definition: b", "job.yaml: has 2 requests, where one is expected"),
    ("", "job.yaml: has no request"),
    ("a: [", "job.yaml:"),
    ("job_definition: etl\nmemory_mib: '{day}'", "a.csv:2: memory_mib='mon': must be an integer"),
]  # fmt: skip


@pytest.mark.parametrize(("job", "message"), BAD_TEMPLATES)
def test_bad_template_is_named(job: str, message: str) -> None:
    with pytest.raises(MalformedFile) as caught:
        read("a.csv", "day\nmon\n", template=job_yaml(job))
    assert str(caught.value).startswith(message)


def test_template_is_for_csv_only() -> None:
    with pytest.raises(InvalidRequest, match=r"is for rows of CSV files, and a.jsonl is JSONL"):
        read("a.jsonl", "{}", template=job_yaml("job_definition: etl"))


def test_first_ten_bad_lines_are_shown_and_the_others_counted() -> None:
    with pytest.raises(MalformedFile) as caught:
        read("a.jsonl", "1\n" * 12)
    lines = str(caught.value).split("\n")
    assert lines[9].startswith("a.jsonl:10: ")
    assert lines[10:] == ["2 more lines are malformed."]
    assert len(caught.value.problems) == 12


def test_control_characters_of_a_file_do_not_reach_the_terminal() -> None:
    with pytest.raises(MalformedFile) as caught:
        read("a.jsonl", '{"job_definition": "etl", "\\u001b[2J\\n\\u202e": 1}')
    assert "\x1b" not in str(caught.value)
    assert "\n" not in str(caught.value)


# -- one request ----------------------------------------------------------------------------------


def test_changes_replace_fields_of_a_request_and_add_to_its_mappings() -> None:
    source = Source("job.json", b'{"jobDefinition": "etl", "jobQueue": "a", "tags": {"x": "1"}}')
    request = read_request(source, changes={"queue": "b", "tags": {"y": "2"}})
    assert request == JobRequest("etl", queue="b", tags={"x": "1", "y": "2"})


def test_file_of_one_request_must_have_one() -> None:
    source = Source("job.yaml", b"- job_definition: a\n- job_definition: b")
    with pytest.raises(MalformedFile, match=r"job.yaml: has 2 requests, where one is expected"):
        read_request(source)
    with pytest.raises(InvalidRequest, match="one request, or a template, must be JSON or YAML"):
        read_request(Source("job.csv", b""))


@pytest.mark.parametrize("content", [b"job_definition: etl", b'{"job_definition": "etl"}'])
@pytest.mark.parametrize("name", ["job", "job.tmpl", "job.yaml.in"])
def test_one_request_may_be_in_a_file_with_any_ending(name: str, content: bytes) -> None:
    assert read_request(Source(name, content)) == JobRequest("etl")
    rows = read_requests(Source("a.csv", b"name\na\nb\n"), template=Source(name, content))
    assert [request.name for request in rows.requests] == ["a", "b"]


def test_column_without_a_template_names_what_would_use_it() -> None:
    with pytest.raises(MalformedFile, match=r"day: a request has no such field.*a --template can"):
        read_requests(Source("a.csv", b"job_definition,day\netl,1\n"))
