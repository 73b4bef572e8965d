"""The model that a run starts from: any LLaVA checkpoint, from a folder or the Hub, or random weights.

Whatever configuration and processor can tell is checked before weights are loaded.
"""

from pathlib import Path

import torch
from huggingface_hub.errors import StrictDataclassError
from peft import PeftModel
from transformers import AutoModel, BitsAndBytesConfig, LlavaConfig, PreTrainedConfig
from transformers.utils import is_bitsandbytes_available

from aullava.configuration_aullava import AULlavaConfig, image_token_count
from aullava.modeling_aullava import AULlavaForConditionalGeneration
from aullava.processing_aullava import AULlavaProcessor
from aullava.training.arguments import ModelArguments
from aullava.training.model.learning import set_to_learn
from aullava.training.model.scratch import ScratchArguments, build_from_scratch


def load_for_training(
    arguments: ModelArguments, sizes: ScratchArguments
) -> tuple[AULlavaForConditionalGeneration | PeftModel, AULlavaProcessor]:
    """Model and processor. Trainable weights are float32, frozen ones `frozen_dtype`; with LoRA it is a peft model.

    Raises:
        ValueError: the base cannot be used (`load_base`), the tower does not fit, or the attention kernel does not keep packed
            turns apart.
    """
    dtype = getattr(torch, arguments.frozen_dtype)
    if arguments.from_scratch:
        model, processor = build_from_scratch(sizes, arguments.model_seed)
        if arguments.attn_implementation is not None:
            model.set_attn_implementation(arguments.attn_implementation)
    else:
        model, processor = load_base(
            arguments.checkpoint, dtype, arguments.prompt_layout, arguments.attn_implementation, arguments.load_in_4bit
        )
    if arguments.tower is not None:
        warm = AutoModel.from_pretrained(arguments.tower, dtype=torch.float32)
        _copy_weights(warm, model.model.vision_tower, arguments.tower)
    attention = model.config.text_config._attn_implementation
    if arguments.packed and attention != "sdpa":
        raise ValueError(
            f"packed=True, but transformers chose the attention {attention!r} for this model, which does not keep packed turns "
            "apart: set attn_implementation to sdpa, or leave packed out"
        )
    return set_to_learn(model, arguments), processor


def base_config(checkpoint: str) -> AULlavaConfig:
    """The configuration of a base checkpoint, of which nothing else is read.

    Args:
        checkpoint: folder or Hub id.

    Raises:
        ValueError: there is none, it is not a LLaVA, or one that this project's classes do not accept.
    """
    if Path(checkpoint, "adapter_config.json").is_file():
        raise ValueError(
            f"checkpoint={checkpoint!r} holds LoRA adapters, not a whole model: merge them first with "
            f"python -m aullava.training.run.saving {checkpoint} OUT"
        )
    try:
        found, _ = PreTrainedConfig.get_config_dict(checkpoint)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"checkpoint={checkpoint!r} cannot be opened: expected a folder with a config.json, or the Hub id of a model that is "
            f"cached or can be downloaded ({_first_line(error)})"
        ) from error
    if (kind := found.get("model_type")) != "llava":
        raise ValueError(
            f"checkpoint={checkpoint!r} is {f'a {kind} model' if kind else 'not a model, by its config.json'}: expected "
            "a LLaVA, whose config.json has model_type llava, such as llava-hf/llava-1.5-7b-hf"
        )
    if "image_seq_length" not in found:
        # Older files lack it, and the library's default fits one tower only.
        found["image_seq_length"] = image_token_count(LlavaConfig.from_dict(found)) or LlavaConfig().image_seq_length
    try:
        return AULlavaConfig.from_dict(found)
    except StrictDataclassError as error:
        raise ValueError(f"checkpoint={checkpoint!r}: {str(error).splitlines()[-1].strip()}") from error


def base_processor(checkpoint: str, config: AULlavaConfig, layout: str) -> AULlavaProcessor:
    """The processor of a base checkpoint, for this prompt layout.

    A tokenizer that begins every text with a token of its own (Llama's) does not do so with a chat template, whose text is
    tokenised as it is. So the template gets that token here, and the model sees what it was trained on.

    Raises:
        ValueError: files are missing, there is no chat template, it cannot write this layout, the tokenizer is not a fast one, or
            processor and model disagree on the number of image tokens.
    """
    try:
        processor = AULlavaProcessor.from_pretrained(checkpoint)
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(f"checkpoint={checkpoint!r} has no complete processor: {_first_line(error)}") from error
    words = processor.tokenizer
    if not processor.chat_template:
        raise ValueError(f"checkpoint={checkpoint!r} has no chat template: add a chat_template.jinja to it")
    if not words.is_fast or words.eos_token is None:
        lacking = "no end token" if words.is_fast else "no fast tokenizer (tokenizer.json)"
        raise ValueError(f"checkpoint={checkpoint!r} has {lacking}: expected both")
    if words.pad_token is None:
        words.pad_token = words.eos_token  # padding is masked and has no labels
    prompt = processor.prompt("question", layout)
    if words("question")["input_ids"][0] == words.bos_token_id and not prompt.startswith(words.bos_token):
        processor.chat_template = "{{ bos_token }}" + processor.chat_template
    side = config.vision_config.image_size
    image = torch.zeros(1, 3, side, side)
    tokens = processor.replace_image_token({"pixel_values": image}, 0).count(processor.image_token)
    if tokens != config.image_seq_length:
        raise ValueError(
            f"checkpoint={checkpoint!r}: its processor writes {tokens} image tokens for an image of {side} px, its model gives "
            f"{config.image_seq_length}: correct patch_size, num_additional_image_tokens or vision_feature_select_strategy of the "
            "processor"
        )
    return processor


def load_base(
    checkpoint: str,
    dtype: torch.dtype = torch.float32,
    layout: str = "image_first",
    attention: str | None = None,
    in_4bit: bool = False,
) -> tuple[AULlavaForConditionalGeneration, AULlavaProcessor]:
    """Model and processor of a base checkpoint, unchanged.

    Args:
        checkpoint: folder or Hub id.
        dtype: precision of the weights; with in_4bit, of the other weights and of the computation.
        layout: "image_first" or "instruction_first", which its chat template must support.
        attention: kernel, by transformers' name; default: transformers chooses.
        in_4bit: load the language model's layers in 4 bits.

    Raises:
        ValueError: as `base_config` and `base_processor`, bitsandbytes is not installed, or weights and configuration do not match.
    """
    config = base_config(checkpoint)
    processor = base_processor(checkpoint, config, layout)
    quantization = {}
    if in_4bit:
        if not is_bitsandbytes_available():
            raise ValueError("load_in_4bit=True needs bitsandbytes: pip install bitsandbytes, or leave it out")
        quantization["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
            llm_int8_skip_modules=["vision_tower", "multi_modal_projector", "lm_head"],
        )
    model, info = AULlavaForConditionalGeneration.from_pretrained(
        checkpoint,
        config=config,
        dtype=dtype,
        attn_implementation=attention,
        output_loading_info=True,
        **quantization,
    )
    if unknown := sorted(info["unexpected_keys"]):
        raise ValueError(
            f"checkpoint={checkpoint!r} holds {len(unknown)} tensors that do not belong to its config.json: "
            f"{', '.join(unknown[:4])}"
            f"{' ...' if len(unknown) > 4 else ''}; check that both are of one model"
        )
    return model, processor


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _copy_weights(source: torch.nn.Module, target: torch.nn.Module, name: str) -> None:
    """Copy every tensor of the target from the source.

    Raises:
        ValueError: they differ in the names or shapes of their tensors.
    """
    found = {key: tuple(tensor.shape) for key, tensor in source.state_dict().items()}
    expected = {key: tuple(tensor.shape) for key, tensor in target.state_dict().items()}
    if differing := sorted(key for key in found | expected if found.get(key) != expected.get(key)):
        key = differing[0]
        raise ValueError(
            f"the tower in {name} does not fit the model in {len(differing)} tensors: {key} is {found.get(key)} there and "
            f"{expected.get(key)} here. Train it with the same sizes"
        )
    target.load_state_dict(source.state_dict())


def name_layers(model: torch.nn.Module) -> None:
    """Remove layers that the model does not have from the list of layers that FSDP wraps.

    CLIP and SigLIP also list those of their text models. LLaVA has only their towers, and FSDP refuses a list with a layer that is
    not there.
    """
    held = {type(module).__name__ for module in model.modules()}
    model._no_split_modules = sorted(held.intersection(model._no_split_modules))
