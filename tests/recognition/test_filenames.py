"""Names of files that are written for inputs."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aullava.recognition.filenames import FileNames


def stems(*sources: str) -> list[str]:
    names = FileNames()
    return [names.stem(source) for source in sources]


@pytest.mark.parametrize(
    "sources, expected",
    [
        (["a/clip.mp4", "b/clip.mp4", "clip.avi"], ["clip", "clip-2", "clip-3"]),
        (["clip-2.mp4", "a/clip.mp4", "b/clip.mp4"], ["clip-2", "clip", "clip-3"]),
        (["Clip.mp4", "clip.mp4"], ["Clip", "clip-2"]),
        (["webcam:0", "webcam:1"], ["webcam-0", "webcam-1"]),
        (["a.b.mp4", ".hidden", "no ending"], ["a.b", ".hidden", "no ending"]),
    ],
)
def test_inputs_give_their_names_once(sources, expected):
    assert stems(*sources) == expected


def test_a_long_name_leaves_room_for_an_ending_and_is_cut_between_characters():
    long = "é" * 127
    first, second = stems(f"a/{long}.png", f"b/{long}.png")
    assert long.startswith(first) and second == f"{first}-2"
    assert 200 < len(os.fsencode(second)) <= 255 - len("_face12.parquet")


@given(st.lists(st.text(st.characters(exclude_characters="\0"), max_size=6), max_size=12))
def test_no_two_inputs_share_a_name_and_the_order_decides(sources):
    found = stems(*sources)
    assert len({name.lower() for name in found}) == len(found)
    assert found == stems(*sources)
    assert all(name and "/" not in name for name in found)
