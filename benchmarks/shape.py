"""How the tree is shaped: what a newcomer has to hold in the head, counted without importing anything.

    python benchmarks/shape.py [FOLDER]

Conventions
    source      tracked Python files outside tests/ and benchmarks/. Lines are all lines: code, comments, docstrings and blank ones.
    name        a function or class at the top level of a module.
    single use  a private function or method (one leading underscore, no decorator) that exactly one place in its file mentions.
    chain       the longest path along imports of the package's own modules, in modules. Imports inside functions count, as a reader
                follows them, too; those under TYPE_CHECKING as well. Of a cycle every module counts once.
    comment     a line that holds nothing but a comment, or ends in one; the share is of the lines inside functions.
"""

import argparse
import ast
import io
import json
import re
import subprocess
import tokenize
from collections import Counter
from pathlib import Path

_NAMED = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "aullava"
OUTSIDE = ("tests", "benchmarks")
TARGETS = {
    "lines": ("at most", 27_500),
    "names_per_1000_lines": ("at most", 25),
    "single_use_share": ("at most", 0.15),
    "longest_import_chain": ("at most", 11),
    "most_of_a_basename": ("at most", 2),
    "import_cycles": ("at most", 0),
}


def source_files(root: Path) -> list[Path]:
    """Tracked Python files of the package, sorted; in a folder without git every one that is not hidden."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--", "*.py"]
    listing = subprocess.run(command, capture_output=True, text=True, check=False)
    found = (
        listing.stdout.split("\0")
        if listing.returncode == 0
        else [str(p.relative_to(root)) for p in root.rglob("*.py")]
    )
    paths = [Path(name) for name in found if name and (root / name).is_file()]
    return sorted(path for path in paths if path.parts[0] not in OUTSIDE and not path.parts[0].startswith("."))


def functions(tree: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method, nested ones included."""
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def single_use(tree: ast.Module) -> list[str]:
    """Private helpers that exist for one place in their file."""
    mentions = Counter(
        node.id if isinstance(node, ast.Name) else node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Name | ast.Attribute)
    )
    helpers = [f.name for f in functions(tree) if re.match(r"_[^_]", f.name) and not f.decorator_list]
    return [name for name in helpers if mentions[name] == 1]


def imports(tree: ast.Module, package: list[str], known: set[str]) -> set[str]:
    """Modules of `known` that a module in `package` imports; `from X import y` is X.y where that is a module."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            wanted = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            wanted = [f"{base}.{alias.name}" if f"{base}.{alias.name}" in known else base for alias in node.names]
        else:
            continue
        found |= {name for name in wanted if name in known}
    return found


def cycles(graph: dict[str, set[str]]) -> list[set[str]]:
    """Groups of modules that reach each other, by Tarjan's algorithm; modules by themselves are left out."""
    index, low, stack, groups = {}, {}, [], []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for reached in sorted(graph[name]):
            if reached not in index:
                visit(reached)
                low[name] = min(low[name], low[reached])
            elif reached in stack:
                low[name] = min(low[name], index[reached])
        if low[name] == index[name]:
            group = set(stack[stack.index(name) :])
            del stack[stack.index(name) :]
            groups.append(group)

    for name in sorted(graph):
        if name not in index:
            visit(name)
    return [group for group in groups if len(group) > 1]


def longest_chain(graph: dict[str, set[str]]) -> list[str]:
    """The longest path along imports, first the module that imports."""
    best: dict[str, list[str]] = {}

    def of(name: str, above: frozenset[str]) -> list[str]:
        if name not in best:
            tails = [of(reached, above | {name}) for reached in graph[name] - above - {name}]
            best[name] = [name, *max(tails, key=len, default=[])]
        return best[name]

    return max((of(name, frozenset()) for name in sorted(graph)), key=len, default=[])


def comment_share(text: str, tree: ast.Module) -> tuple[int, int]:
    """Lines inside functions that carry a comment, and all lines inside functions."""
    inside = {line for f in functions(tree) for line in range(f.lineno, f.end_lineno + 1)}
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return len({t.start[0] for t in tokens if t.type == tokenize.COMMENT} & inside), len(inside)


def measure(root: Path) -> tuple[dict[str, float], dict[str, list]]:
    """Figures of the tree at `root`, and what lies behind some of them: the chain, the cycles, the names that repeat."""
    paths = source_files(root)
    texts = {path: (root / path).read_text("utf-8") for path in paths}
    trees = {path: ast.parse(text, str(path)) for path, text in texts.items()}
    modules = {}
    for path in paths:
        parts = path.parent.parts if path.name == "__init__.py" else path.with_suffix("").parts
        modules[".".join([PACKAGE, *parts])] = path
    graph = {}
    for name, path in modules.items():
        package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
        graph[name] = imports(trees[path], package, set(modules)) - {name}
    lines = sum(len(text.splitlines()) for text in texts.values())
    names = sum(isinstance(node, _NAMED) for tree in trees.values() for node in tree.body)
    every = sum(len(functions(tree)) for tree in trees.values())
    helpers = {str(path): found for path, tree in trees.items() if (found := single_use(tree))}
    commented, inside = map(sum, zip(*(comment_share(texts[p], trees[p]) for p in paths), strict=True))
    basenames = Counter(path.name for path in paths if path.name != "__init__.py")
    chain, rings = longest_chain(graph), cycles(graph)
    figures = {
        "files": len(paths),
        "lines": lines,
        "functions": every,
        "names_per_1000_lines": round(1000 * names / lines, 1),
        "single_use_share": round(sum(map(len, helpers.values())) / every, 3),
        "longest_import_chain": len(chain),
        "comments_per_100_lines": round(100 * commented / inside, 1),
        "most_of_a_basename": max(basenames.values()),
        "import_cycles": len(rings),
    }
    repeated = sorted(f"{name} {count}" for name, count in basenames.items() if count > 2)
    return figures, {"chain": chain, "cycles": [sorted(ring) for ring in rings], "repeated": repeated}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "folder", type=Path, nargs="?", default=ROOT, help="a clone of this project (default: this one)"
    )
    figures, behind = measure(parser.parse_args().folder.resolve())
    for name, value in figures.items():
        side, bound = TARGETS.get(name, ("", None))
        verdict = "" if bound is None else f"   {side} {bound:g}: {'met' if value <= bound else 'missed'}"
        print(f"{name:24} {value:>8g}{verdict}")
    print("chain:", " -> ".join(name.removeprefix(f"{PACKAGE}.") for name in behind["chain"]))
    for ring in behind["cycles"]:
        print("cycle:", ", ".join(ring))
    print("basenames more than twice:", ", ".join(behind["repeated"]) or "none")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
