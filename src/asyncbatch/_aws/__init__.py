"""The one way to AWS: aiobotocore clients, and its errors in our words.

The only package that knows botocore's shape. Everything that is not AWS (the embedded engine,
scripted faults, other people's fakes) plugs in below it: at aiobotocore's HTTP-session class or at
the endpoint URL.
"""
