"""What keeps a Feast repository from being read at all."""

from kingpost.core import KingpostError

__all__ = ["FeastRepositoryTooLarge", "NotAFeastRepository"]


class NotAFeastRepository(KingpostError):
    """A folder in which nothing says that it is a Feast repository."""

    code = "not_a_feast_repository"

    def __init__(self, path: str, problem: str, mend: str) -> None:
        super().__init__(path, problem, mend)
        self.path, self.problem, self.mend = path, problem, mend

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}; {self.mend}"


class FeastRepositoryTooLarge(KingpostError):
    """A repository of more files or bytes than one is read with; nothing was read."""

    code = "feast_repository_too_large"

    def __init__(self, path: str, what: str, most: int) -> None:
        super().__init__(path, what, most)
        self.path, self.what, self.most = path, what, most

    def __str__(self) -> str:
        return (
            f"{self.path}: more than {self.most:,} {self.what}; name the folder of the feature "
            "definitions, or leave the others out with a .feastignore"
        )
