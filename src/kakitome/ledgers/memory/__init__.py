"""The ledger in memory: the specification that can be run.

Every rule of the ports is here once, in the plainest Python that says it: no counters but recounts, no indexes but
searches. It is slow and forgets everything; other ledgers are compared with it, call by call.
"""
