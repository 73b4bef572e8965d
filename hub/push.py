"""Upload of a release to the Hub, in one commit: an upload that is interrupted leaves the repo as it was."""

from collections.abc import Callable
from pathlib import Path

from aullava.checkpoint.layout import CHANGELOG, REMOTE_FILES, RESULTS
from aullava.common.upload import Pushed, PushRefused, upload

_OF_A_NEW_REPO = {"README.md", "LICENSE"}  # what the Hub's own page for a new repo may put there


def push(
    folder: Path,
    repo: str,
    is_ours: Callable[[str], bool],
    public: bool = False,
    revision: str | None = None,
    description: str = "",
) -> Pushed:
    """Make a model repo hold exactly the files of a folder. The repo is made where there is none.

    A changelog written there, and results that others measured, stay.

    Args:
        folder: a release.
        repo: "ORG/NAME".
        is_ours: whether a path may be in a release; a repo that holds any other is left alone.
        public: visibility of a new repo. One that is there keeps its own; a public one is only written to with `public`.
        revision: branch, made where there is none; default main.
        description: of the commit.

    Raises:
        PushRefused: the repo is public and `public` was not said, or it holds something else.
        PushError: the Hub or the network failed.
    """

    def replaced(present: set[str]) -> set[str]:
        measured = {path for path in present - {RESULTS} if Path(path).parent == Path(RESULTS).parent}
        if foreign := sorted(path for path in present - measured if not is_ours(path)):
            raise PushRefused(
                f"--push {repo}: the repo holds files of something else ({', '.join(foreign[:5])}), which would be among a "
                "release: name a new repo, or one that holds an earlier release"
            )
        if present - _OF_A_NEW_REPO and present.isdisjoint(REMOTE_FILES):  # a model of any LLaVA has these names, too
            raise PushRefused(
                f"--push {repo}: the repo holds a model that is no release of ours ({', '.join(sorted(present)[:5])}), which would "
                "be replaced: name a new repo, or one that holds an earlier release"
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
