"""Values to and from AWS's dicts: the only place that spells AWS's camelCase.

`requests` turns what a caller asks for into arguments of API operations, `answers` turns what AWS
says into values.
"""
