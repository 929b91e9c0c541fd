"""What runs inside namespaces: a program of its own, started by :mod:`imagelock.build.oci.sandbox`.

It reads one JSON job on stdin, enters the namespaces of its tier, does the job and answers on
stdout. Everything it mounts and starts dies with it: the kernel cleans up, whoever kills us.
"""
