"""HPACK against another implementation of it, both ways, and on bytes that are none."""

import contextlib

from hpack import Decoder, Encoder
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hypothesis import given
from hypothesis import strategies as st

from kingpost.serving.grpc.errors import BrokenConnection, TooManyHeaders
from kingpost.serving.grpc.hpack import HeaderReader, write_headers
from kingpost.serving.grpc.huffman import LENGTHS, decoded

names = st.sampled_from([b":path", b":method", b"te", b"authorization", b"cookie"]) | st.binary(
    min_size=1, max_size=20
)
fields = st.tuples(names, st.binary(max_size=60) | st.sampled_from([b"POST", b"trailers", b""]))
blocks = st.lists(st.lists(fields, max_size=8), max_size=8)


def test_the_lengths_of_the_codes_are_those_of_the_standard() -> None:
    assert list(LENGTHS) == REQUEST_CODES_LENGTH


@given(st.binary(max_size=200))
def test_a_text_that_another_coded_is_decoded(text: bytes) -> None:
    coder = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH)

    assert decoded(coder.encode(text)) == text


@given(blocks, st.booleans(), st.lists(st.integers(0, 4096), min_size=8, max_size=8))
def test_blocks_that_another_wrote_are_read(
    some: list[list[tuple[bytes, bytes]]], is_coded: bool, sizes: list[int]
) -> None:
    encoder, reader = Encoder(), HeaderReader(1 << 20)

    for block, size in zip(some, sizes, strict=False):
        encoder.header_table_size = size
        assert reader.read(encoder.encode(block, huffman=is_coded)) == block


@given(blocks)
def test_blocks_that_are_written_here_are_read_by_another(
    some: list[list[tuple[bytes, bytes]]],
) -> None:
    decoder = Decoder()

    for block in some:
        read = decoder.decode(write_headers(block), raw=True)
        assert [tuple(one) for one in read] == block


@given(blocks)
def test_a_block_that_is_too_large_spoils_no_other(some: list[list[tuple[bytes, bytes]]]) -> None:
    encoder, reader = Encoder(), HeaderReader(200)

    for block in some:
        size = sum(len(name) + len(value) + 32 for name, value in block)
        written = encoder.encode(block)
        try:
            assert reader.read(written) == block
        except TooManyHeaders:
            assert size > 200
        else:
            assert size <= 200


@given(st.lists(st.binary(max_size=60), max_size=10))
def test_bytes_that_are_no_block_break_the_connection_and_nothing_else(some: list[bytes]) -> None:
    reader = HeaderReader(500)

    with contextlib.suppress(BrokenConnection):
        for block in some:
            with contextlib.suppress(TooManyHeaders):
                reader.read(block)
