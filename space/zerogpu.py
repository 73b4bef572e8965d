"""ZeroGPU, where a Space has a GPU only while a function runs that `spaces.GPU` has decorated. Elsewhere nothing changes.

There, such a function runs in a process that was forked from this one: what it takes and returns is pickled, and the weights are
those it finds in its closure. An error arrives as the name of its type. So what is decorated only reads crops: what a
visitor may get wrong is checked before, and files are opened and faces found while no GPU is held.
"""

from collections.abc import Callable, Sequence

from PIL import Image

from aullava.action_units import Protocol
from aullava.readout_aullava import AUReading

try:
    from spaces import GPU  # only Spaces have it; on ZeroGPU it lets weights be put on "cuda" while no GPU is held
except ImportError:
    GPU = None

LONGEST_READ = 30  # seconds that are asked for; a visitor's quota must have so many left, and loses those used


class LentModel:
    """Reads as the model does, with a GPU for the time of each batch where `spaces` lends them.

    Args:
        model, processor: a loaded checkpoint.
    """

    def __init__(self, model, processor):
        self.config = model.config

        def read(images: Sequence[Image.Image], protocols: Sequence[Protocol], mode: str, batch_size: int):
            return model.recognize_many(images, processor, protocols, mode, batch_size)

        self._read: Callable = read if GPU is None else GPU(duration=LONGEST_READ)(read)
        self.on_loan = self._read is not read  # outside ZeroGPU, `spaces` gives a function back as it is

    def recognize_many(
        self, images: Sequence[Image.Image], processor, protocols: Sequence[Protocol], mode: str, batch_size: int = 32
    ) -> list[dict[str, AUReading]]:
        """As the model's method; `processor` is for the sake of one signature."""
        return self._read(images, protocols, mode, batch_size)
