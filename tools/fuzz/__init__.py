"""Malformed requests by the thousand, to see that a server stands them.

    python -m tools.fuzz --url http://127.0.0.1:8080 --key kp_… --count 10000

The rule: what is sent follows from the seed alone, so that a finding can be had again. A
server stands it when it gives no 5xx but an expected 503, lets no connection hang, and
answers good requests all the while.
"""

from tools.fuzz.run import Finding, FuzzReport, Target, fuzz

__all__ = ["Finding", "FuzzReport", "Target", "fuzz"]
