"""Parameters that no gradient reaches.

LLaVA reads an inner layer of its tower: what comes behind that layer, CLIP's last one for instance, is loaded and saved, but the
answer does not depend on it. Counted as learning it would make the table wrong, and cost memory.
"""

import torch

from aullava.configuration_aullava import AULlavaConfig
from aullava.modeling_aullava import AULlavaForConditionalGeneration

_TOWER = "model.vision_tower."


def empty_model(config: AULlavaConfig) -> AULlavaForConditionalGeneration:
    """The model without weights, as float32 whatever the configuration says: its tensors have a shape and no content."""
    with torch.device("meta"):
        return AULlavaForConditionalGeneration(config).to(torch.float32)


def unreached_parameters(config: AULlavaConfig) -> set[str]:
    """Names of the tower's parameters that the image features do not depend on, found by a backward pass without numbers."""
    model = empty_model(config)
    side = config.vision_config.image_size
    features = model.get_image_features(pixel_values=torch.zeros(1, 3, side, side, device="meta")).pooler_output
    named = {name: parameter for name, parameter in model.named_parameters() if name.startswith(_TOWER)}
    gradients = torch.autograd.grad(sum(f.sum() for f in features), list(named.values()), allow_unused=True)
    return {name for name, gradient in zip(named, gradients, strict=True) if gradient is None}
