"""What breaks a connection or one of its streams, with the codes of HTTP/2."""

from enum import IntEnum

from kingpost.core import KingpostError

__all__ = ["BrokenConnection", "BrokenStream", "Http2Error", "TooManyHeaders"]


class Http2Error(IntEnum):
    """Why a connection or a stream ends. Source: RFC 9113, section 7."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    SETTINGS_TIMEOUT = 4
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    ENHANCE_YOUR_CALM = 11


class BrokenConnection(KingpostError):
    """A caller that breaks HTTP/2 so that its connection must end."""

    code = "http2_connection_broken"

    def __init__(self, reason: Http2Error, problem: str) -> None:
        super().__init__(reason, problem)
        self.reason, self.problem = reason, problem

    def __str__(self) -> str:
        return f"{self.problem} ({self.reason.name})"


class BrokenStream(KingpostError):
    """A caller that breaks HTTP/2 so that one of its streams must end."""

    code = "http2_stream_broken"

    def __init__(self, stream: int, reason: Http2Error, problem: str) -> None:
        super().__init__(stream, reason, problem)
        self.stream, self.reason, self.problem = stream, reason, problem

    def __str__(self) -> str:
        return f"stream {self.stream}: {self.problem} ({self.reason.name})"


class TooManyHeaders(KingpostError):
    """The metadata of a call are larger than is taken; the connection goes on."""

    code = "grpc_metadata_too_large"

    def __init__(self, size: int, most: int) -> None:
        super().__init__(size, most)
        self.size, self.most = size, most

    def __str__(self) -> str:
        return f"the metadata take {self.size:,} bytes; at most {self.most:,} are taken"
