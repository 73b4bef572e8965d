"""What a build gave to others, to be compared with what another one gave."""

import hashlib
from pathlib import Path


def contents(folder: Path) -> dict[str, str]:
    """Relative path -> hash of every file, but for the build's own notes in .build."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and ".build" not in path.parts]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
