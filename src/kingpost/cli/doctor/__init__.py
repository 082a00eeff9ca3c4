"""What a doctor looks at: this machine, this installation, and what it reaches."""

from kingpost.cli.doctor.door import door_checks
from kingpost.cli.doctor.findings import Finding, State, examine, worst
from kingpost.cli.doctor.installation import installation_checks
from kingpost.cli.doctor.machine import machine_checks
from kingpost.cli.doctor.reach import reach_checks
from kingpost.cli.doctor.rot import rot_checks

__all__ = [
    "Finding",
    "State",
    "door_checks",
    "examine",
    "installation_checks",
    "machine_checks",
    "reach_checks",
    "rot_checks",
    "worst",
]
