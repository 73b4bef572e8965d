"""The files in configs/accelerate/, by the plan that accelerate itself makes of them: flags, environment, plugins, layers."""

import re
import shlex
from pathlib import Path

import pytest
import torch
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils import DeepSpeedPlugin, DistributedType, FullyShardedDataParallelPlugin, patch_environment
from accelerate.utils.fsdp_utils import fsdp2_prepare_auto_wrap_policy
from accelerate.utils.launch import prepare_deepspeed_cmd_env, prepare_multi_gpu_env
from peft import LoraConfig, get_peft_model
from torch.distributed.fsdp.wrap import transformer_auto_wrap_policy
from transformers import CLIPVisionConfig, LlamaConfig, Qwen2Config, SiglipVisionConfig

from aullava.configuration_aullava import AULlavaConfig
from aullava.modeling_aullava import AULlavaForConditionalGeneration
from aullava.training.model.base import name_layers

from checkout import ROOT

FOLDER = ROOT / "configs" / "accelerate"
FILES = sorted(FOLDER.glob("*.yaml"))
KINDS = {
    "one_gpu": (DistributedType.NO, 1, 1),
    "ddp": (DistributedType.MULTI_GPU, 8, 1),
    "fsdp2": (DistributedType.FSDP, 8, 1),
    "two_nodes": (DistributedType.FSDP, 16, 2),
    "deepspeed_zero3": (DistributedType.DEEPSPEED, 8, 1),
}
SMALL = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
TOWERS = {
    "clip": (CLIPVisionConfig(image_size=32, patch_size=8, **SMALL), "default"),
    "siglip": (SiglipVisionConfig(image_size=32, patch_size=8, **SMALL), "full"),
}
LANGUAGE_MODELS = {"llama": LlamaConfig, "qwen2": Qwen2Config}


def launch_command(path: Path) -> list[str]:
    """The launch command in the comment on top of a file, without the program and its first word."""
    comment = re.match(r"(?:#.*\n)+", path.read_text()).group().replace("\\\n#", "")
    (command,) = re.findall(r"accelerate launch (.*)", comment)
    return shlex.split(command)


def resolve(name: str):
    """The arguments that accelerate launches with, after its own checks."""
    arguments = launch_command(FOLDER / f"{name}.yaml")
    arguments[arguments.index("--config_file") + 1] = str(FOLDER / f"{name}.yaml")
    return _validate_launch_command(launch_command_parser().parse_args(arguments))[0]


def test_every_file_is_checked():
    assert {path.stem for path in FILES} == set(KINDS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_kind_and_number_of_processes(path):
    config = load_config_from_file(str(path))
    assert (config.distributed_type, config.num_processes, config.num_machines) == KINDS[path.stem]
    arguments = resolve(path.stem)
    chosen = (arguments.multi_gpu, arguments.use_fsdp, arguments.use_deepspeed)
    kind = config.distributed_type
    assert chosen == tuple(
        kind == k for k in (DistributedType.MULTI_GPU, DistributedType.FSDP, DistributedType.DEEPSPEED)
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_command_names_the_file_and_a_recipe_and_leaves_precision_to_it(path):
    command = launch_command(path)
    assert f"configs/accelerate/{path.name}" in command
    assert command[command.index("train_sft.py") + 1] == "--config"
    assert (ROOT / command[-1]).is_file()
    assert resolve(path.stem).mixed_precision == "no"


@pytest.mark.parametrize("name", ["fsdp2", "two_nodes"])
def test_fsdp_shares_by_layers_in_its_second_version(name):
    with patch_environment(**prepare_multi_gpu_env(resolve(name))):
        plugin = FullyShardedDataParallelPlugin()
    assert plugin.fsdp_version == 2
    assert plugin.auto_wrap_policy is transformer_auto_wrap_policy
    assert plugin.transformer_cls_names_to_wrap is None  # the model's own list
    assert plugin.reshard_after_forward is True
    assert plugin.state_dict_type.name == "SHARDED_STATE_DICT"
    assert not plugin.cpu_ram_efficient_loading


def test_two_nodes_find_each_other():
    arguments = resolve("two_nodes")
    prepare_multi_gpu_env(arguments)
    assert (arguments.nnodes, arguments.nproc_per_node, arguments.node_rank) == ("2", "8", 0)
    assert (arguments.rdzv_backend, arguments.rdzv_endpoint) == ("static", "FIRST_NODE:29500")


def test_deepspeed_shares_in_its_third_stage():
    arguments = resolve("deepspeed_zero3")
    arguments.deepspeed_fields_from_accelerate_config = ""  # as accelerate's launch_command sets it
    _, environment = prepare_deepspeed_cmd_env(arguments)
    with patch_environment(**environment):
        plan = DeepSpeedPlugin().deepspeed_config
    assert plan["zero_optimization"]["stage"] == 3
    assert plan["zero_optimization"]["stage3_gather_16bit_weights_on_model_save"] is True
    assert plan["zero_optimization"]["offload_optimizer"]["device"] == "none"
    assert plan["gradient_accumulation_steps"] == "auto"  # the trainer fills it in


def model_of(tower: str, language_model: str) -> AULlavaForConditionalGeneration:
    vision, strategy = TOWERS[tower]
    config = AULlavaConfig(
        vision_config=vision,
        text_config=LANGUAGE_MODELS[language_model](num_key_value_heads=2, vocab_size=100, **SMALL),
        image_token_index=5,
        image_seq_length=16,
        vision_feature_select_strategy=strategy,
    )
    with torch.device("meta"):
        return AULlavaForConditionalGeneration(config)


@pytest.mark.parametrize("lora", [False, True], ids=["full", "lora"])
@pytest.mark.parametrize("language_model", LANGUAGE_MODELS)
@pytest.mark.parametrize("tower", TOWERS)
def test_fsdp_finds_the_layers_of_every_base(tower, language_model, lora):
    model = model_of(tower, language_model)
    layers = [*model.model.language_model.layers, *model.model.vision_tower.encoder.layers]
    plugin = FullyShardedDataParallelPlugin(fsdp_version=2, auto_wrap_policy="transformer_based_wrap")
    with pytest.raises(ValueError, match="Could not find the transformer layer class"):
        fsdp2_prepare_auto_wrap_policy(plugin, model)
    name_layers(model)
    if lora:
        model = get_peft_model(model, LoraConfig(target_modules=["q_proj"]))
    policy = fsdp2_prepare_auto_wrap_policy(plugin, model)
    wrapped = [module for module in model.modules() if policy(module)]
    assert len(layers) == 4
    assert all(any(layer is module for module in wrapped) for layer in layers)
    assert not policy(model)
