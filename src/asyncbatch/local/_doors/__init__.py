"""Doors: the two ways in which requests reach the service.

* `in_process`: an aiobotocore session whose clients hand their signed requests to the service
  directly. There is no socket, so virtual time works. Everything above aiobotocore's HTTP layer
  (serializer, signer, parser) is the real one.
* `http_server`: HTTP on 127.0.0.1, for other programs such as the AWS CLI and boto3.

Both turn a `ConnectionLost` of the service into what a client sees when that happens to it: the
in-process door raises the exceptions of aiobotocore's aiohttp session, the HTTP door closes or
resets the connection.
"""
