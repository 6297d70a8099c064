"""Reading CloudWatch log streams: many jobs per call, live, complete, every line exactly once.

Theory of operation
-------------------
    reader      `LogReader`, the entry point: one follower per job, one hub per log group
    follower    one job: its attempts in order, from before the first stream to the last late line
    hub         schedules the reads of all streams of one log group, for all followers of a client
    by_token    one read of one stream, with GetLogEvents
    by_filter   one read of up to 100 streams, with FilterLogEvents
    plan        which streams share the next FilterLogEvents call, and the time it starts from
    pages       single API calls, and the estimate of the service's clock
    cursor      how far one stream was read for one consumer
    window      which events of a stretch that is read again were delivered before
    feed        the bounded buffer between readers and one consumer
    streams     from a job's description to its log streams, or why there are none to read
    failure_log the last lines of a failed job

Two operations read logs:

- GetLogEvents reads one stream by continuation tokens: exact, in pages of up to 10,000 events,
  but one call per stream and interval.
- FilterLogEvents reads up to 100 streams per call. It has no token for "what is new since then":
  each read starts at a time. An event becomes readable some seconds after its timestamp (its lag),
  so each read starts a little before the previous one, and events that were delivered before are
  recognised by their ids.

A hub reads few streams, and streams that write a lot, by token, and all others by filter. A
stream may switch between the two at any time; its window recognises what was delivered.

Source: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html
and https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
"""
