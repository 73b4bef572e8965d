"""What FSDP is told about a model: the layers whose weights are gathered together."""

from torch import nn


def name_layers(model: nn.Module) -> None:
    """Take layers that the model does not hold out of its list of layers.

    CLIP and SigLIP list those of their text models, too. LLaVA has only their towers, and FSDP refuses a list in which it finds a
    layer that is not there.
    """
    held = {type(module).__name__ for module in model.modules()}
    model._no_split_modules = sorted(held.intersection(model._no_split_modules))
