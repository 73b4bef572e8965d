"""What this checkout holds: files, modules and their imports, read without importing anything of ours."""

import ast
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "aullava"
NOT_PACKAGED = ("tests", "benchmarks", "examples")  # folders with Python files that the wheel leaves out


def _git(*arguments: str) -> list[str]:
    # In a container the checkout often belongs to another user; reading it is harmless.
    command = ["git", "-c", "safe.directory=*", "-C", str(ROOT), *arguments]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [name for name in listing.split("\0") if (ROOT / name).is_file()]


@cache
def tracked_files() -> tuple[str, ...]:
    """Files in git's index that are on disk, as paths from the root."""
    return tuple(_git("ls-files", "-z"))


@cache
def files() -> tuple[str, ...]:
    """Tracked files and new ones that git does not ignore, as paths from the root."""
    return tuple(_git("ls-files", "-z", "--cached", "--others", "--exclude-standard"))


@cache
def modules() -> dict[str, Path]:
    """Every module that ships: name without the leading `aullava.` -> file. A package goes by its own name."""
    found = {}
    for name in files():
        path = Path(name)
        if path.suffix == ".py" and path.parts[0] not in NOT_PACKAGED:
            parts = path.parent.parts if path.name == "__init__.py" else path.with_suffix("").parts
            found[".".join(parts)] = ROOT / path
    return found


@dataclass(frozen=True)
class Import:
    """One imported module: its dotted name, the dots of a relative import, the names taken from it."""

    module: str
    level: int
    names: tuple[str, ...]
    line: int
    optional: bool  # inside a `try` that catches ImportError

    @property
    def top(self) -> str:
        return self.module.partition(".")[0]

    def target(self, importer: str) -> str:
        """Absolute dotted name of the module imported by the module `importer` (a name of `modules()`)."""
        if not self.level:
            return self.module
        package = [PACKAGE, *importer.split(".")]
        if modules()[importer].name != "__init__.py":
            package.pop()
        return ".".join([*package[: len(package) - self.level + 1], *filter(None, [self.module])])


def _catches_import_error(node: ast.Try) -> bool:
    caught = [inner for handler in node.handlers if handler.type for inner in ast.walk(handler.type)]
    return any(isinstance(n, ast.Name) and n.id in ("ImportError", "ModuleNotFoundError") for n in caught)


def imports_of(source: str) -> list[Import]:
    """All imports of a module, those in functions and under TYPE_CHECKING included."""
    tree = ast.parse(source)
    optional = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.Try) and _catches_import_error(node)
        for statement in node.body
        for inner in ast.walk(statement)
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [Import(a.name, 0, (), node.lineno, id(node) in optional) for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = tuple(a.name for a in node.names)
            found.append(Import(node.module or "", node.level, names, node.lineno, id(node) in optional))
    return found
