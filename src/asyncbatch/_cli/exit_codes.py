"""What the exit codes of the command mean; documented in docs/reference/command.md."""

SUCCEEDED = 0
"""Everything that was asked for was done, and no job that was waited for failed."""

JOB_FAILED = 1
"""A job that was waited for FAILED, vanished, or was not submitted since others failed."""

USAGE = 2
"""An option, a file, or the name or id of a job, queue or definition is wrong."""

AWS = 3
"""AWS refused a call or did not respond, or this machine is not set up for AWS."""

INTERNAL = 70
"""A bug in asyncbatch. The number is EX_SOFTWARE of sysexits.h."""

SIGNAL = 128
"""Plus the number of the signal that ended the command, as shells report it."""

INTERRUPTED = 130
"""SIGINT: Ctrl-C."""

CLOSED_PIPE = 141
"""The reader of the output has closed the pipe, as `head` does: 128 + SIGPIPE."""

TERMINATED = 143
"""SIGTERM."""
