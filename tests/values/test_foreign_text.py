"""Text of jobs, of AWS and of other people is harmless wherever the package shows it."""

import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from asyncbatch import (
    APIError,
    AsyncBatchError,
    ClientClosed,
    Failure,
    FailureKind,
    InvalidRequest,
    JobDescription,
    JobFailed,
    JobResult,
    JobStatus,
    JobVanished,
    JournalError,
    LogEvent,
    LogsUnavailable,
    NoCredentials,
    SubmitUncertain,
)
from asyncbatch._values import failures
from asyncbatch._values.text import one_line
from asyncbatch_luigi import BatchJobException

# A colour, a window title, a bell, an overwritten line, C1 controls, a right-to-left override.
HOSTILE = "\x1b[31mred\x1b]0;title\x07\x07\rover\x9b2J\x9d0;t\x9c\u202etxt.exe\ud800"
DANGEROUS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def failed(reason: str) -> JobResult:
    return failures.result_of(
        JobDescription(job_id="j-1", name=reason, status=JobStatus.FAILED, status_reason=reason)
    )


def line(message: str) -> LogEvent:
    return LogEvent(
        timestamp=datetime(2024, 1, 15, tzinfo=UTC),
        message=message,
        job_id="j-1",
        attempt=1,
        stream="s",
    )


NOON = datetime(2024, 1, 15, 12, tzinfo=UTC)
ERRORS: dict[str, Callable[[str], AsyncBatchError]] = {
    "any error": lambda text: ClientClosed(f"the task crashed: {text}"),
    "field and rule": lambda text: InvalidRequest(f"tags[{text}]", text, text),
    "API error": lambda text: APIError("SubmitJob", text, text),
    "credentials": NoCredentials,
    "uncertain": lambda text: SubmitUncertain(
        *(text, text, text, APIError("SubmitJob", "1", text)),
        job_definition=text,
        since=NOON,
        until=NOON,
        doubt=text,
    ),
    "journal": lambda text: JournalError(text, text, text),
    "logs": lambda text: LogsUnavailable(text, text),
    "vanished": lambda text: JobVanished(text, ever_seen=True, grace=1),
    "failed": lambda text: JobFailed(failed(text), [line(text)]),
    "failed in Luigi": lambda text: BatchJobException(failed(text), (line(text),)),
}


@pytest.mark.parametrize("case", ERRORS)
def test_message_of_an_error_has_no_control_characters(case: str) -> None:
    error = ERRORS[case](HOSTILE)
    assert "txt.exe" in str(error)
    assert not DANGEROUS.search(str(error))


@pytest.mark.parametrize("case", ["API error", "logs", "vanished", "credentials"])
def test_foreign_text_begins_no_line_of_a_message(case: str) -> None:
    assert "\n" not in str(ERRORS[case]("reason\nINFO: all is well\r\nsecond\u2028third"))


def test_failed_job_keeps_its_name_and_reason_on_one_line() -> None:
    assert "\n" not in str(JobFailed(failed("reason\nINFO: all is well")))


def test_attributes_of_an_error_keep_the_text_as_it_came() -> None:
    error = APIError("SubmitJob", "Code", HOSTILE)
    assert error.message == HOSTILE


def test_notes_of_an_error_have_no_control_characters() -> None:
    error = ClientClosed("closed")
    error.add_note(HOSTILE)
    assert not DANGEROUS.search(error.__notes__[0])


def test_message_of_a_failure_is_one_harmless_line() -> None:
    failure = Failure(kind=FailureKind.UNKNOWN, transient=False, message=f"a\n{HOSTILE}")
    assert not DANGEROUS.search(failure.message)
    assert "\n" not in failure.message


@pytest.mark.parametrize("name", ["asyncbatch", "asyncbatch.local"])
def test_arguments_of_log_records_have_no_control_characters(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger(name).warning("job %s of queue %s: %r, %d", HOSTILE, "q", HOSTILE, 3)
    [message] = caplog.messages
    assert not DANGEROUS.search(message)
    assert message.endswith(", 3")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("größer 日本", "größer 日本"),
        ("a\r\nb\tc\u2028d\x85e", "a b c d e"),
        ("kept\rover", "kept over"),
        ("\x1b[31mred\x07", "red\\x07"),
    ],
)
def test_one_line_keeps_words_and_removes_line_ends_and_controls(text: str, expected: str) -> None:
    assert one_line(text) == expected
