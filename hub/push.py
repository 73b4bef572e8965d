"""Upload of a release to the Hub in one commit: an interrupted upload leaves the repo unchanged."""

from collections.abc import Callable
from pathlib import Path

from aullava.checkpoint.layout import CHANGELOG, REMOTE_FILES, RESULTS
from aullava.common.upload import Pushed, PushRefused, upload

_OF_A_NEW_REPO = {"README.md", "LICENSE"}  # the Hub's page for new repos may create them


def push(
    folder: Path,
    repo: str,
    is_ours: Callable[[str], bool],
    public: bool = False,
    revision: str | None = None,
    description: str = "",
) -> Pushed:
    """Make a model repo hold exactly the files of a folder. The repo is created if needed.

    A changelog written there and results measured by others stay.

    Args:
        folder: a release.
        repo: "ORG/NAME".
        is_ours: whether a path may be in a release; a repo that holds any other is left alone.
        public: visibility of a new repo. An existing one keeps its own; a public one is written to only with `public`.
        revision: branch, created if needed; default main.
        description: of the commit.

    Raises:
        PushRefused: the repo is public without `public`, or holds something else.
        PushError: the Hub or the network failed.
    """

    def replaced(present: set[str]) -> set[str]:
        measured = {path for path in present - {RESULTS} if Path(path).parent == Path(RESULTS).parent}
        if foreign := sorted(path for path in present - measured if not is_ours(path)):
            raise PushRefused(
                f"--push {repo}: the repo holds files that are not of a release ({', '.join(foreign[:5])}), which would stay among "
                "its files: name a new repo, or one that holds an earlier release"
            )
        if present - _OF_A_NEW_REPO and present.isdisjoint(REMOTE_FILES):  # a model of any LLaVA has these names, too
            raise PushRefused(
                f"--push {repo}: the repo holds a model that is not a release of AU-LLaVA ({', '.join(sorted(present)[:5])}), "
                "which would be replaced: name a new repo, or one that holds an earlier release"
            )
        return present - measured - {CHANGELOG}

    return upload(
        {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()},
        repo,
        replaced,
        private=not public,
        if_public="" if public else "add --public if everybody may have these weights, or name another",
        revision=revision,
        message="aullava release",
        description=description,
    )
