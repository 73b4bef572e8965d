"""What decoding, finding faces and the model take apart, one after the other in one process and without waiting."""

import os
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import cv2
import torch
from PIL import Image

from aullava.action_units import PROTOCOLS
from aullava.checkpoint.layout import embedded_checkpoint
from aullava.checkpoint.load import load_checkpoint
from aullava.detection.framing import Framing, make_detector
from aullava.video.decode import VideoFrames

_DISTANCE = 0.5  # seconds of film between the frames that are looked at


def measure_stages(
    film: str, crops: int, batch_size: int, mode: str, min_face: float, margin: float
) -> dict[str, float]:
    """Read about `crops` faces out of the film, from evenly spread frames, and tell what a second of each stage does.

    Returns:
        decoded_frames_per_s (of all frames, converted), detected_frames_per_s, detected_faces_per_s (cut out), model_faces_per_s
        (`recognize_many` on crops in memory, in whole batches), and how many of each there were. On the clock, as the command
        itself is measured.
    """
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 1)))
    cv2.setNumThreads(1)  # by itself OpenCV searches with all cores
    frames, decoding = _decode(Path(film), crops)
    detector = make_detector(Framing("haar", margin), min_face=min_face)
    begun = time.perf_counter()
    faces = [detector.crop(Image.fromarray(frame), box) for frame in frames for box in detector.detect(frame)]
    detecting = time.perf_counter() - begun
    whole = faces[: max(1, len(faces) // batch_size) * batch_size]
    reading = _read(whole, batch_size, mode)
    return decoding | {
        "detected_frames_per_s": len(frames) / detecting,
        "detected_faces_per_s": len(faces) / detecting,
        "model_faces_per_s": len(whole) / reading,
        "crops": len(whole),
    }


def _decode(film: Path, crops: int) -> tuple[list, dict[str, float]]:
    """About as many frames as are needed for the crops, and the speed of all that were decoded for them."""
    with VideoFrames(film) as video:
        step = max(1, round((video.rate or 1) * _DISTANCE))
        kept, seen, begun = [], 0, time.perf_counter()
        for index, _, image_HWC in islice(video, crops * step):
            seen += 1
            if index % step == 0:
                kept.append(image_HWC)
            if 2 * len(kept) >= crops:
                break
        return kept, {"decoded_frames_per_s": seen / (time.perf_counter() - begun)}


def _read(faces: Sequence[Image.Image], batch_size: int, mode: str) -> float:
    """Seconds; the first batch is read once before, to warm up."""
    model, processor = load_checkpoint(embedded_checkpoint(), "cpu")
    protocols = [PROTOCOLS["disfa"]]
    model.recognize_many(faces[:batch_size], processor, protocols, mode, batch_size)
    begun = time.perf_counter()
    for start in range(0, len(faces), batch_size):
        model.recognize_many(faces[start : start + batch_size], processor, protocols, mode, batch_size)
    return time.perf_counter() - begun
