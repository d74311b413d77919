"""The same work on many machines: blocks of a bulk encoding, training processes and trials, given to a Ray cluster.

Nothing is computed differently here. Ray starts processes, finds them room, and tells when one is lost; what each does
is the ordinary code of ``use``, ``train`` and ``experiment``. All machines see one file system, on which the results
lie; what Ray itself keeps is worth nothing after the work.
"""
