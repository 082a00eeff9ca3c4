"""What a client raises beside the errors of a call (`kingpost.calls`)."""

from kingpost.client.documents import Problem
from kingpost.core import KingpostError

__all__ = ["ApiError", "BadAnswer"]


class ApiError(KingpostError):
    """The server answered with a problem, also when it was asked again where that is safe.

    Attributes:
        code: The server's own, as `contract_violation`.
        status: Of HTTP.
        problem: All that it said.
        retry_after_s: When to ask again at the earliest; 0 where it did not say.
        idempotency_key: What the request was sent with; send it again under the same one.
    """

    code = "api_error"

    def __init__(
        self, problem: Problem, retry_after_s: float = 0.0, idempotency_key: str = ""
    ) -> None:
        super().__init__(problem, retry_after_s, idempotency_key)
        self.code = problem.code  # pyright: ignore[reportAttributeAccessIssue]  one class for all the server's codes
        self.problem, self.status = problem, problem.status
        self.retry_after_s, self.idempotency_key = retry_after_s, idempotency_key

    def __str__(self) -> str:
        said = self.problem.detail or self.problem.title or "the server refused"
        wait = f"; retry in {self.retry_after_s:g} s" if self.retry_after_s else ""
        return f"{self.code} (status {self.status}): {said}{wait}"


class BadAnswer(KingpostError):
    """A success that is not of the form that it should have."""

    code = "bad_answer"

    def __init__(self, path: str, status: int, difference: str) -> None:
        super().__init__(path, status, difference)
        self.path, self.status, self.difference = path, status, difference

    def __str__(self) -> str:
        return (
            f"{self.path} answered with status {self.status} and not as Kingpost does "
            f"({self.difference}): check the client's URL, and that its version fits the server's"
        )
