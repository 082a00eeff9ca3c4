"""Sending operations and reading what is answered, for threads and for tasks."""

import time
from typing import TypeVar

from kingpost.calls import AsyncServiceClient, CallFailed, OutcomeUnknown, ServiceClient
from kingpost.client.connection import failure_of, read_answer
from kingpost.client.operations import Operation

__all__ = ["AsyncSending", "Sending"]

T = TypeVar("T")


class Sending:
    """Sends operations, and reads what is answered."""

    def __init__(self, calls: ServiceClient) -> None:
        self._calls = calls

    def __call__(self, operation: Operation[T]) -> T:
        """Do it.

        Raises:
            ApiError: The server answered with a problem.
            KingpostError: See `ServiceClient.call`.
        """
        try:
            answer = self._calls.call(operation.call)
        except (CallFailed, OutcomeUnknown) as error:
            failure = failure_of(error, operation, time.time())
            if failure is error:
                raise
            raise failure from error
        return read_answer(operation, answer, time.time())


class AsyncSending:
    """Sends operations, and reads what is answered."""

    def __init__(self, calls: AsyncServiceClient) -> None:
        self._calls = calls

    async def __call__(self, operation: Operation[T]) -> T:
        """Do it, as `Sending` does."""
        try:
            answer = await self._calls.call(operation.call)
        except (CallFailed, OutcomeUnknown) as error:
            failure = failure_of(error, operation, time.time())
            if failure is error:
                raise
            raise failure from error
        return read_answer(operation, answer, time.time())
