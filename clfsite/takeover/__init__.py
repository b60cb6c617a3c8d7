"""The replacement of a running server by another one without a failed call.

The next server gets the listening sockets of the running one, starts its own web processes on them, and lets the
others finish. Connections that wait for their acceptance belong to the socket, so none of them is lost.
"""
