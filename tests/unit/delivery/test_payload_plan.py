"""Which byte strings become payloads: every byte once, and what is planned passes the reader."""

from hypothesis import given
from hypothesis import strategies as st

from syft_flwr_cli.delivery.payload_plan import Digests, plan_payloads
from syft_flwr_cli.protocol.body import Body, PayloadRef, decode_body, encode_body

CONTENTS = st.lists(st.sampled_from([b"a" * 10, b"b" * 10, b"c" * 3, b"", b"d" * 200]), max_size=12)


@given(CONTENTS, st.sampled_from([0, 5, 50, 1000]), st.sampled_from([0, 400]))
def test_every_byte_string_is_found_again(blobs: list[bytes], limit: int, one_file: int) -> None:
    places = [("r", str(number)) for number in range(len(blobs))]
    layout = plan_payloads(places, blobs, limit, Digests(), one_file)
    contents = [b"".join(bytes(piece) for piece in group) for group in layout.groups]
    for slot, blob in zip(layout.slots, blobs, strict=True):
        source = layout.inline if slot.payload < 0 else contents[slot.payload]
        assert source[slot.offset : slot.offset + slot.size] == blob
    assert sum(map(len, contents)) + len(layout.inline) == sum(map(len, blobs))


@given(CONTENTS)
def test_what_is_planned_passes_the_reader(blobs: list[bytes]) -> None:
    """Two equal arrays are not one payload that is named twice."""
    places = [("r", str(number)) for number in range(len(blobs))]
    layout = plan_payloads(places, blobs, 5, Digests())
    assert len(set(layout.digests)) == len(layout.digests) == len(layout.groups)
    refs = tuple(
        PayloadRef(f"00000000-0000-4000-8000-{n:012d}", "all", bytes(32), sum(map(len, group)), digest)
        for n, (group, digest) in enumerate(zip(layout.groups, layout.digests, strict=True))
    )
    decode_body(encode_body(Body("t", inline=layout.inline, slots=tuple(layout.slots), payloads=refs)))
