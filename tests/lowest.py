"""Print the oldest version of each direct dependency that pyproject.toml claims, as constraints for pip.

`make test-lowest` installs these and runs the tests. pip always takes the newest version that a range allows, so the other end
of a range has to be written out. Standard library only: it runs before anything is installed.
"""

import re
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


def lowest(project: dict) -> list[str]:
    """Constraints of a `[project]` table, over all its extras.

    Returns:
        `name==version` once a package, sorted; an extra that names the project itself adds nothing.

    Raises:
        ValueError: a range has no lowest version, or a package has several.
    """
    found: dict[str, str] = {}
    for requirement in sum(project["optional-dependencies"].values(), project["dependencies"]):
        name, at_least = re.fullmatch(r"([\w.-]+)(?:\[.*\])?(?:>=([\d.]+))?.*", requirement).groups()
        if name == project["name"]:
            continue
        if at_least is None:
            raise ValueError(f"{requirement!r} has no lowest version: write it as {name}>=VERSION")
        if found.setdefault(name, at_least) != at_least:
            raise ValueError(f"{name} begins at {found[name]} in one place and at {at_least} in another: expected one")
    return [f"{name}=={version}" for name, version in sorted(found.items())]


if __name__ == "__main__":
    print(*lowest(tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]), sep="\n")
