"""The only access to AWS: aiobotocore clients, and their errors as those of this package.

    connection    sessions and clients of one account and Region
    sdk_hooks     hooks in these clients: fast parsing, no retries of the SDK
    errors        translation of botocore's exceptions
    wire/         encoding of arguments and decoding of responses; the only camelCase
    pacing        the rate limit of one kind of call
    retrying      pacing and retries of every call; the only retry loop
    api           the operations of AWS Batch and CloudWatch Logs, in values

Everything else that is not AWS, such as the local engine, scripted faults and other emulators, is
connected below: as aiobotocore's HTTP session or as the endpoint URL. So every test runs the real
serializer, signer and parser.

Only this package and `asyncbatch.local` import botocore and aiobotocore. It imports `_values` and
nothing else of asyncbatch. Modules that load aiobotocore are imported when a client opens, as that
takes 0.4 s.
"""
