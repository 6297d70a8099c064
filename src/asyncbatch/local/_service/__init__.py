"""The service: AWS Batch and CloudWatch Logs as request in, response out.

`service` handles a request in fixed steps, and each step has its module:

1. `routing` finds the operation and validates the input with botocore's own service models, so the
   service accepts exactly what the installed client can send. `messages` holds the values.
2. `ledger` counts the request.
3. `faults` (injected by a test) and `quotas` (token buckets, as AWS has) may delay, throttle or
   lose it. A fault is drawn before the request is carried out and says at which step it applies,
   so a test chooses whether a lost response belongs to a request that was carried out.
4. A handler carries it out: `job_api` (submit, describe, list, end), `resource_api` (queues,
   definitions, tags) or `logs_api` (log events). `descriptions` writes AWS's JSON; `listing`,
   `paging`, `log_pages` and `log_filter` decide what a page holds and what its token means.
5. `rendering` writes the response, errors included, in the protocol of the called service.

A fault can also hide something from a response that is otherwise correct: `messages.Visibility`
carries a visibility lag, a retention time, an empty page or a partial result to the handler.

The service knows nothing of sockets: `_doors` brings requests in. It imports `_engine` and `_time`.
"""
