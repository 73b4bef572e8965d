"""The root folder is a clone, a package and a Hub repo at once: what must hold on disk for all three to work."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import torch
import yaml

from checkout import NOT_PACKAGED, PACKAGE, ROOT, files, imports_of, modules

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = PROJECT["tool"]["setuptools"]["packages"]
MODULE_NAMES = {  # distribution -> the name it is imported by, where they differ
    "pillow": "PIL",
    "opencv_python_headless": "cv2",
    "scikit_image": "skimage",
    "scikit_learn": "sklearn",
    "pyyaml": "yaml",
}


def test_package_list_equals_the_disk():
    inits = [Path(name).parent for name in files() if name.endswith("/__init__.py")]
    on_disk = {".".join([PACKAGE, *folder.parts]) for folder in inits if folder.parts[0] not in NOT_PACKAGED}
    assert sorted(PACKAGES) == sorted({PACKAGE, *on_disk})


def test_every_shipped_module_lies_in_a_listed_package():
    for path in modules().values():
        owner = ".".join([PACKAGE, *path.parent.relative_to(ROOT).parts])
        assert owner in PACKAGES, f"{path.name} would not be installed: {owner} is no package of pyproject.toml"


def test_neither_the_root_nor_tests_is_a_package():
    found = [p for p in ("__init__.py", "aullava", "conftest.py") if (ROOT / p).exists()]
    assert found + [name for name in files() if re.fullmatch(r"tests/(.*/)?__init__\.py", name)] == []


def test_no_file_or_folder_of_the_root_shadows_a_library():
    """With the root on sys.path, as `python -m` puts it there, `datasets.py` would be imported instead of datasets."""
    ours = {Path(name).parts[0].removesuffix(".py") for name in files() if name.endswith(".py")}
    taken = set(sys.stdlib_module_names) | _installed_modules()
    assert {"torch", "datasets", "transformers"} <= taken
    assert sorted(ours & taken) == []


def _installed_modules() -> set[str]:
    # A library that installs its own `tests` or `benchmarks` folder does harm only to itself.
    return set(packages_distributions()) - {PACKAGE, *NOT_PACKAGED}


def test_third_party_imports_are_declared_and_torchvision_is_not_among_them():
    declared = [*PROJECT["project"]["dependencies"], *sum(PROJECT["project"]["optional-dependencies"].values(), [])]
    distributions = {re.match(r"[\w-]+", line).group().replace("-", "_").lower() for line in declared}
    assert "torchvision" not in distributions
    known = {MODULE_NAMES.get(d, d) for d in distributions} | {PACKAGE} | set(sys.stdlib_module_names)
    known.add("spaces")  # a Hugging Face Space brings it, and nothing else needs it
    for name, path in modules().items():
        unknown = {i.top for i in imports_of(path.read_text()) if not i.level} - known
        assert not unknown, f"{name} imports {sorted(unknown)}, which pyproject.toml does not declare"


def test_no_file_names_a_path_of_a_machine():
    machine_path = re.compile(r"(?<![\w./~-])/(?:work|root|home|Users|mnt|opt|srv)/\w|[A-Z]:\\Users\\")
    for name in files():
        try:
            text = (ROOT / name).read_text("utf-8")
        except UnicodeDecodeError:
            continue  # weights and pictures
        for number, line in enumerate(text.splitlines(), 1):
            assert not machine_path.search(line), f"{name}:{number}: {line.strip()[:80]}"


def test_every_configuration_is_a_yaml_mapping():
    for path in [ROOT / name for name in files() if name.startswith("configs/")]:
        assert path.suffix in (".yaml", ".sh"), f"{path.name}: configs/ holds recipes and the scripts that run them"
        if path.suffix == ".sh":
            used = re.findall(r"configs/\w+\.yaml", path.read_text())
            assert used
            assert all((ROOT / name).is_file() for name in used)
            continue
        assert isinstance(yaml.safe_load(path.read_text()), dict), path.name


def test_make_lists_every_target():
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE).group(1).split()
    assert set(phony) >= {"help", "demo", "test", "check", "fix", "bench"}
    listed = subprocess.run(["make", "-s", "-C", ROOT], capture_output=True, text=True, check=True).stdout
    assert re.findall(r"^\s+make (\S+)", listed, re.MULTILINE) == phony


def test_tests_run_on_one_thread_without_a_network():
    import huggingface_hub.constants as hub

    assert torch.get_num_threads() == 1
    assert hub.HF_HUB_OFFLINE
    assert "aullava-tests-" in hub.HF_HUB_CACHE
