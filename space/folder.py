"""The folder that is uploaded as a Hugging Face Space: program, page, requirements, and the project's own wheel.

The Hub installs requirements before it copies the other files, as far as public Spaces show, so that a wheel beside
`requirements.txt` is not found there: for a Space of a given name the requirement is the address of the wheel in it.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from huggingface_hub import hf_hub_url

ROOT = Path(__file__).parent.parent
_COPIED = ("app.py", "README.md")


def write_space(out: Path, repo: str | None = None, root: Path = ROOT) -> list[Path]:
    """Write the folder of a Space.

    Args:
        out: new or empty folder.
        repo: the Space's name on the Hub, such as "organisation/name"; None for a folder that is run where it lies.
        root: a clone of this project.

    Returns:
        The files.

    Raises:
        ValueError: the code at hand is no clone, its wheel cannot be built, or `repo` is no name.
        FileExistsError: the folder holds something.
    """
    if not (root / "pyproject.toml").is_file():
        raise ValueError(
            f"a Space carries the project's wheel, which is built from a clone: {root} holds no pyproject.toml"
        )
    if repo is not None and not re.fullmatch(r"[\w.-]+/[\w.-]+", repo):
        raise ValueError(f"--repo {repo}: expected ORG/NAME, such as my-lab/au-llava-space")
    out.mkdir(parents=True, exist_ok=True)
    if found := sorted(path.name for path in out.iterdir()):
        raise FileExistsError(f"{out} holds {', '.join(found[:3])}: name a new or an empty folder")
    wheel = _build_wheel(root, out)
    for name in _COPIED:
        shutil.copyfile(root / "space" / name, out / name)
    place = f"./{wheel.name}[space]"
    if repo:
        place = f"au-llava[space] @ {hf_hub_url(repo, wheel.name, repo_type='space')}"
    (out / "requirements.txt").write_text(f"{place}\n", encoding="utf-8")
    return sorted(out.iterdir())


def _build_wheel(root: Path, out: Path) -> Path:
    """Build in a copy of what git knows, since setuptools leaves folders behind and would pick up stale ones."""
    listed = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split("\0")
    with tempfile.TemporaryDirectory() as folder:
        for name in filter(None, names):
            if (root / name).is_file() and not name.startswith("tests/"):
                target = Path(folder, "source", name)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(root / name, target)
        options = ["--no-deps", "--no-index", "--no-build-isolation", "--quiet", "--wheel-dir", str(out)]
        command = [sys.executable, "-m", "pip", "wheel", *options, str(Path(folder, "source"))]
        built = subprocess.run(command, capture_output=True, text=True)
    if built.returncode:
        last = built.stderr.strip().splitlines()[-1:] or ["no message"]
        raise ValueError(f"the wheel cannot be built, which needs setuptools 77 or newer and pip: {last[0]}")
    [wheel] = out.glob("*.whl")
    return wheel
