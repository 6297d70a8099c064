"""The policies of the documentation allow what the code calls, and nothing else."""

import json

import pytest

from tools import permissions


@pytest.mark.may_block
def test_policies_on_the_page_are_those_of_the_calls() -> None:
    page = dict(permissions.fences(permissions.PAGE.read_text(encoding="utf-8")))
    needed = permissions.policies()
    assert page == {name: json.dumps(each, indent=2) + "\n" for name, each in needed.items()}, (
        "run `python -m tools.permissions`"
    )
