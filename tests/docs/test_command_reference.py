"""The reference of the command's options is that of the command."""

from tools import command_reference


def test_page_is_made_from_the_command() -> None:
    written = command_reference.PAGE.read_text(encoding="utf-8")
    assert written == command_reference.page(), "run `python -m tools.command_reference`"
