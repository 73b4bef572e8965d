"""Upload of a release to the Hub, in one commit: an upload that is interrupted leaves the repo as it was."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.utils import HFValidationError, validate_repo_id

_OF_THE_HUB = {".gitattributes"}  # which it writes itself


class PushRefused(ValueError):
    """This repo must not be written to, or not as it was asked for. Nothing was uploaded."""


class PushError(RuntimeError):
    """The Hub, or the way to it, failed. The repo is as it was."""


@dataclass(frozen=True)
class Pushed:
    """Where a release is: page, visibility, and the commit by which it can be loaded for good."""

    url: str
    private: bool
    commit: str


def check_name(repo: str) -> None:
    """Refuse what is no name of a repo.

    Raises:
        PushRefused: not ORG/NAME.
    """
    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise PushRefused(f"--push {repo}: expected ORG/NAME ({error})") from error
    if repo.count("/") != 1:
        raise PushRefused(f"--push {repo}: expected ORG/NAME, such as my-lab/au-llava")


def push(
    folder: Path,
    repo: str,
    is_ours: Callable[[str], bool],
    public: bool = False,
    revision: str | None = None,
    description: str = "",
) -> Pushed:
    """Make a model repo hold exactly the files of a folder. The repo is made where there is none.

    huggingface_hub's `upload_folder` is not used: with Xet it commits in several steps, and what is between two of them is a
    broken repo.

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
    check_name(repo)
    try:
        api = HfApi()
        url = api.create_repo(repo, private=not public, exist_ok=True)
        before = api.model_info(repo)
        if not before.private and not public:
            raise PushRefused(
                f"--push {repo}: the repo is there and public: add --public if everybody may have these weights, or name another"
            )
        if revision:
            api.create_branch(repo, branch=revision, exist_ok=True)
            before = api.model_info(repo, revision=revision)
        present = {file.rfilename for file in before.siblings or ()} - _OF_THE_HUB
        _check_foreign(repo, [path for path in present if not is_ours(path)])
        done = api.create_commit(
            repo,
            _operations(folder, present),
            commit_message="aullava release",
            commit_description=description,
            revision=revision,
            parent_commit=before.sha,
        )
    except PushRefused:
        raise
    except Exception as error:  # the Hub's client raises those of three libraries
        reasons = " because of ".join(
            f"{type(reason).__name__}: {reason}" for reason in (error, error.__cause__) if reason
        )
        raise PushError(f"{repo}: {' '.join(reasons.split())}") from error
    return Pushed(str(url), bool(before.private), done.oid)


def _operations(folder: Path, present: set[str]) -> list[CommitOperationAdd | CommitOperationDelete]:
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    added = [CommitOperationAdd(name, path) for name, path in files.items()]
    return added + [CommitOperationDelete(name) for name in sorted(present - files.keys())]


def _check_foreign(repo: str, paths: list[str]) -> None:
    if paths:
        raise PushRefused(
            f"--push {repo}: the repo holds files of something else ({', '.join(sorted(paths)[:5])}), which would be among a "
            "release: name a new repo, or one that holds an earlier release"
        )
