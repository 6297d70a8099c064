"""Following CloudWatch log streams: many jobs a call, live, complete, every line once.

    _places     from a job's description to its streams, or why there are none to read
    _window     which events of a stretch that is read again were delivered before
    _feed       the bounded buffer between those who read and whoever consumes
    _cursor     how far one stream was read for one consumer
    _plan       which streams are read next, and from when on
    _hub        reads the streams of one log group, for all followers of a client together
    _pages      single calls: a page of one stream, a page of a hundred streams
    _follower   one job: its attempts in order, from before the first stream to the last late line
    _reader     what a client has: `LogReader`

Two operations read logs. GetLogEvents reads one stream by tokens: exactly, in pages of 10,000
events. FilterLogEvents reads up to 100 streams a call, but finds late events only in what it reads
again, so a stretch of the past is read with it every time, and the events in it are told apart by
their ids. Few streams, and those that write very much, are read with the former, all others with
the latter.

Source: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html
and https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
"""
