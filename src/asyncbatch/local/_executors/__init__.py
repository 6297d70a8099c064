"""Executors: what runs an attempt of a job.

`base` is the contract. The engine hands an executor a `Launch`; the executor returns a `Process`
that can be stopped, and reports what happens (running, a line of output, the exit) to the
`AttemptEvents` that came with the launch. Events come later, never from within `start`. That is all
that the engine knows, so the rules of AWS Batch are the same for every executor:

* `scripted`: plays a script on the engine's clock. With virtual time, thousands of jobs take no
  time, and with a seed a run can be repeated exactly.
* `processes`: runs the command as a process group of this machine. `guardian` is a separate,
  dependency-free process that starts the commands and ends them when the engine ends, even by
  SIGKILL. `guardian_link` is the engine's end of the socket to it, `lines` cuts output into events.

This package imports `_time` only.
"""
