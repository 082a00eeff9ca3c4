"""Errors of the demand solution."""

import kingpost as kp

__all__ = ["BadDemandFiles"]


class BadDemandFiles(kp.KingpostError):
    """Files that are not there or do not hold series of a known kind."""

    code = "bad_demand_files"

    def __init__(self, path: str, problem: str, mend: str) -> None:
        super().__init__(path, problem, mend)
        self.path, self.problem, self.mend = path, problem, mend

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}; {self.mend}"
