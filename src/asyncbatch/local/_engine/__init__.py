"""The engine: AWS Batch as a state machine.

There are no sockets, no threads and no sleeping here. The clock and the executor are arguments, so
every rule of AWS Batch can be tested in virtual time with scripted jobs.

* State: `jobs` (jobs and attempts), `queues`, `definitions`, `log_store`. `job_store` finds jobs,
  `status_index` lists them by status at a cost that does not grow with the number of other jobs.
* From request to job: `spec` merges a SubmitJob request with its job definition, `dependencies`
  links jobs that wait for each other, `submission` carries a request that passed all checks.
* Transitions: `engine` is the only module that moves a job to another status. It is driven by
  requests, by the clock and by what the executor reports. `scheduler` chooses which RUNNABLE job
  starts next, `launch` builds what the executor starts.
* The end of an attempt: `verdict` decides what becomes of the job, with `retry` for attempts and
  `evaluateOnExit`.
* Shared by all of them: `errors`, `ids` and `limits` of AWS.

Jobs are never removed from the store. The consequences of a job's end pass through a queue and not
through nested calls, so a chain of 10,000 dependent jobs fails without a deep stack.

The engine imports `_executors` (the contract) and `_time`. `_service` translates requests into
calls of the engine and its state into responses.
"""
