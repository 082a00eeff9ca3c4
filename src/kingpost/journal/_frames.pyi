from collections.abc import Sequence

from kingpost.journal.frames import Entry, Frame

def encode(
    frame_type: type[Frame], entries: Sequence[Entry], offset: int, time_us: int, salt: int, /
) -> Frame | None: ...
