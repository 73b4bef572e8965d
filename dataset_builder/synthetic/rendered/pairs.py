"""Counterfactual pairs: the same person, scene and noise, with one action changed."""

from dataclasses import dataclass

import numpy as np

from aullava.dataset_builder.synthetic.numbering import SPLITS
from aullava.dataset_builder.synthetic.rendered.actions import ACTIONS, GAZE_CODES
from aullava.dataset_builder.synthetic.rendered.assets import Library
from aullava.dataset_builder.synthetic.rendered.masks import changed_mask
from aullava.dataset_builder.synthetic.rendered.samples import RenderedFace, describe_face, random_stream
from aullava.dataset_builder.synthetic.rendered.sampling import PRESENT_FROM

_STREAM = 20  # of random numbers, beside those of `samples`


@dataclass(frozen=True, eq=False)
class Pair:
    """Two faces that differ in one pull, in what the rules of `actions.resolve` tie to it, and in what lips and lids show of it.

    Attributes:
        action: what was changed.
        without, with_it: the faces; the action is 0 in the first.
        tied: other actions whose strength differs, too: AU25 when AU27 comes, AU43 when AU7 shuts a squinting eye.
    """

    action: str
    without: RenderedFace
    with_it: RenderedFace

    @property
    def tied(self) -> tuple[str, ...]:
        one, other = self.without.actions, self.with_it.actions
        return tuple(name for name in ACTIONS if name != self.action and one[name] != other[name])

    @property
    def changed_HW(self) -> np.ndarray:
        """The pixels that differ, bool (size, size)."""
        return changed_mask(self.without.image_HWC, self.with_it.image_HWC)


def sample_pair(
    split: str, index: int, *, size: int = 96, library: Library | None = None, seed: int = 0, **options
) -> Pair:
    """Pair number `index` of a split: face `index` of the stream, with an action that may stand beside its others.

    Every action is as likely; one that contradicts a stronger one of the face is passed over.

    Args:
        split, index, seed, options: as `samples.describe_face`.
        size, library: as `samples.sample_face`.

    Raises:
        ValueError: as `samples.sample_face`.
    """
    face = describe_face(split, index, seed=seed, **options)
    rng = random_stream(seed, SPLITS.index(split), index, _STREAM)
    strength = round(float(rng.uniform(PRESENT_FROM, 1)), 3)
    for number in rng.permutation(len(ACTIONS)):
        action = ACTIONS[number]
        if action in GAZE_CODES:
            continue
        with_it = face.with_action(action, max(strength, face.pulls[action]))
        without = with_it.with_action(action, 0.0)
        kept = all(with_it.pulls[name] >= value for name, value in face.pulls.items() if name != action)
        if kept and with_it.actions[action] and not without.actions[action]:
            return Pair(action, without.render(size, library), with_it.render(size, library))
    raise AssertionError("every face leaves room for some action")
