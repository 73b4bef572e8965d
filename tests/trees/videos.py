"""Small real videos whose frames show their own number, black and white, so that any codec keeps it."""

from pathlib import Path

import av
import numpy as np

BITS, BLOCK = 12, 16  # three rows of four blocks, lowest bit first


def numbered_picture(number: int) -> np.ndarray:
    """image_HWC of 48 by 64 pixels."""
    bits = np.array([number >> bit & 1 for bit in range(BITS)], np.uint8).reshape(3, 4) * 255
    return np.repeat(np.kron(bits, np.ones((BLOCK, BLOCK), np.uint8))[..., None], 3, axis=2)


def number_of(image_HWC: np.ndarray) -> int:
    """The number that such a picture shows."""
    centres = np.asarray(image_HWC)[BLOCK // 2 :: BLOCK, BLOCK // 2 :: BLOCK, 1]
    return sum(1 << bit for bit, grey in enumerate(centres.ravel()) if grey > 127)


def write_video(
    path: Path,
    frames: int = 0,
    *,
    first: int = 0,
    codec: str = "mpeg4",
    rate: int = 20,
    b_frames: int = 0,
    group: int = 12,
    rotation: int = 0,
    pictures: list[np.ndarray] | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """Write a video and return its path.

    Args:
        path: its suffix is the container. frames: how many, numbered from `first`; or `pictures`.
        codec, rate, b_frames, group: of the encoder; group is the distance of key frames.
        rotation: degrees against the clock that a player has to turn it. options: of the container.
    """
    pictures = pictures or [numbered_picture(number) for number in range(first, first + frames)]
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.gop_size, stream.codec_context.max_b_frames = group, b_frames
        stream.codec_context.thread_count = 1
        if rotation:
            stream.set_display_rotation(rotation)
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def damage_packets(path, *numbers: int) -> list[int]:
    """Overwrite the packets of these numbers, in the order of the file, and return the indices of the frames in them.

    Matroska and WebM tell where a block begins: its header, of at most 12 bytes, is left, or the file would seem to end there.
    """
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        order = sorted(packet.pts for packet in packets)
        header = 12 if "matroska" in container.format.name else 0
        places = [(packets[i].pos + header, packets[i].size - header, order.index(packets[i].pts)) for i in numbers]
    data = bytearray(path.read_bytes())
    for position, size, _ in places:
        data[position : position + size] = bytes(size)
    path.write_bytes(data)
    return [index for _, _, index in places]
