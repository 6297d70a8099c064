"""`Explanation`: why a job waits or failed, what to do, and the evidence for it. Pure values.

`_explaining` makes them.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from asyncbatch._values.results import Failure
from asyncbatch._values.showing import Card, Shown, repr_of, short_name
from asyncbatch._values.status import JobStatus
from asyncbatch._values.text import one_line


class FindingKind(enum.StrEnum):
    """What a finding says about the job's state."""

    #: AWS says so, or its rules leave no other way.
    CAUSE = "cause"
    #: It explains the state, and something else may be the cause.
    LIKELY_CAUSE = "likely cause"
    #: What is worth knowing; by itself it is no cause.
    FACT = "fact"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One piece of evidence: a sentence, and the field of AWS that it rests on.

    Attributes:
        text: One sentence.
        kind: Whether it is the cause, a likely one, or a fact.
        source: Operation and field of AWS, such as ``DescribeJobs statusReason``.
        value: Value of the field, as text.
        resource: What the field belongs to: a job id, or the name of a queue or of a compute
            environment.
        fix: What to do about it; empty where there is nothing to do.
    """

    text: str
    kind: FindingKind
    source: str
    value: str
    resource: str
    fix: str = ""

    def __post_init__(self) -> None:
        """Make the texts safe to show: AWS, a container or a person wrote parts of them."""
        for name in ("text", "source", "value", "resource", "fix"):
            object.__setattr__(self, name, one_line(getattr(self, name)))

    def to_dict(self) -> dict[str, str]:
        """Return the attributes as values of JSON."""
        return {
            "text": self.text,
            "kind": str(self.kind),
            "source": self.source,
            "value": self.value,
            "resource": self.resource,
            "fix": self.fix,
        }


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Explanation(Shown):
    """Why a job is in its state: why it waits, or why it failed.

    ``str()`` of it is text for people, `to_dict` returns values of JSON.

    Attributes:
        job_id: Job id.
        name: Job name.
        status: State of the job when it was described.
        verdict: The answer in one sentence.
        next_step: What to do; empty where there is nothing to do.
        findings: The evidence: causes first, then likely causes, then facts.
        failure: Why it failed, or why it waits, classified; None where AWS gives no known reason.
        missing_permissions: Permissions that this identity lacks for a better explanation, such as
            ``batch:GetJobQueueSnapshot``, each with what it would show.
        not_read: Further calls that failed, each with the error.
    """

    job_id: str
    name: str
    status: JobStatus
    verdict: str
    next_step: str = ""
    findings: tuple[Finding, ...] = ()
    failure: Failure | None = None
    missing_permissions: Mapping[str, str] = field(default_factory=dict)
    not_read: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the texts safe to show."""
        for name in ("verdict", "next_step"):
            object.__setattr__(self, name, one_line(getattr(self, name)))

    def __repr__(self) -> str:
        """Show name, id, state and the answer, in one short line."""
        name = short_name(self.name) or "?"
        return repr_of(f"Explanation {name} {self.job_id} {self.status}: {self.verdict}")

    def _card(self) -> Card:
        facts: list[tuple[str, object]] = [("verdict", self.verdict), ("next", self.next_step)]
        for finding in self.findings:
            where = f"{finding.source} of {finding.resource}: {finding.value}"
            facts.append((finding.kind, f"{finding.text} ({where})"))
        facts += [
            ("not allowed", f"{a}; with it: {use}") for a, use in self.missing_permissions.items()
        ]
        facts += [("not read", f"{name}: {error}") for name, error in self.not_read.items()]
        return Card(title=f"{self.name or '?'} {self.job_id}", status=self.status, facts=facts)

    def __str__(self) -> str:
        """Return text for people, of several lines."""
        return "\n".join(self._lines())

    def _lines(self) -> list[str]:
        name = f" ({self.name})" if self.name else ""
        lines = [one_line(f"{self.job_id}{name}: {self.status}"), self.verdict]
        if self.next_step:
            lines.append(f"Next: {self.next_step}")
        if self.findings:
            lines += ["", "Evidence:"]
        for finding in self.findings:
            field = f"{finding.source} of {finding.resource}: {finding.value}"
            if finding.text in self.verdict:
                lines.append(f"- {finding.kind}: {field}")
            else:
                lines += [f"- {finding.kind}: {finding.text}", f"  {field}"]
        if self.missing_permissions or self.not_read:
            lines.append("")
        for action, use in self.missing_permissions.items():
            lines.append(one_line(f"Not allowed: {action}; with it: {use}."))
        for operation, error in self.not_read.items():
            lines.append(one_line(f"Not read: {operation}: {error}"))
        return lines

    def to_dict(self) -> dict[str, Any]:
        """Return the explanation as values of JSON."""
        failure = self.failure
        return {
            "job_id": self.job_id,
            "name": self.name,
            "status": str(self.status),
            "verdict": self.verdict,
            "next_step": self.next_step,
            "findings": [finding.to_dict() for finding in self.findings],
            "failure": None
            if failure is None
            else {
                "kind": str(failure.kind),
                "transient": failure.transient,
                "message": failure.message,
                "attempt": failure.attempt,
            },
            "missing_permissions": dict(self.missing_permissions),
            "not_read": dict(self.not_read),
        }
