"""Values to and from AWS's dicts; AWS's camelCase occurs nowhere else.

    requests    arguments of SubmitJob and RegisterJobDefinition, from values
    responses   values from responses
    parts       parts of a job description: containers, attempts, array, nodes, pod
    shapes      the types that decoding relies on; takes out odd members
    sharing     one copy of what many jobs have in common

Nothing of a response is lost: members without a field are kept in `extra`. Nothing of it is relied
upon either, except a job's id and status: any other member may be missing, null or new.

The modules import `_values`, each other and the standard library.
"""
