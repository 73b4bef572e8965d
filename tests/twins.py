"""Our model and stock LLaVA side by side on the same weights, for tests that what transformers does with one works with ours."""

from copy import deepcopy

from transformers import LlavaForConditionalGeneration

from aullava.configuration_aullava import AULlavaConfig
from aullava.modeling_aullava import AULlavaForConditionalGeneration

from tiny import FACES, tiny_model

QUESTIONS = ["short", "a rather longer question"]


def stock_of(model: AULlavaForConditionalGeneration) -> LlavaForConditionalGeneration:
    """Stock LLaVA with a copy of the weights and of both configurations."""
    stock = LlavaForConditionalGeneration(deepcopy(model.config))
    stock.load_state_dict(model.state_dict())
    stock.generation_config = deepcopy(model.generation_config)
    return stock.eval()


def twins(tower: str):
    """(ours, stock, processor, a batch of two pictures with questions of different length)."""
    model, processor = tiny_model(tower)
    return model, stock_of(model), processor, processor.encode(FACES[:2], QUESTIONS)


def rebuilt(config: AULlavaConfig) -> AULlavaForConditionalGeneration:
    return AULlavaForConditionalGeneration(config).eval()
