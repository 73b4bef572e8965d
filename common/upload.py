"""Files into a repo of the Hub, in one commit: an upload that is interrupted leaves the repo as it was."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, get_token
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

_OF_THE_HUB = {".gitattributes"}  # which it writes itself


class PushRefused(ValueError):
    """This repo must not be written to, or not as it was asked for. Nothing was uploaded."""


class PushError(RuntimeError):
    """The Hub, or the way to it, failed. The repo is as it was."""


@dataclass(frozen=True)
class Pushed:
    """Where an upload is: page, visibility, and the commit by which it can be loaded for good."""

    url: str
    private: bool
    commit: str


def check_name(repo: str, example: str = "my-lab/au-llava") -> None:
    """Refuse what is no name of a repo.

    Raises:
        PushRefused: not ORG/NAME.
    """
    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise PushRefused(f"--push {repo}: expected ORG/NAME ({error})") from error
    if repo.count("/") != 1:
        raise PushRefused(f"--push {repo}: expected ORG/NAME, such as {example}")


def upload(
    files: Mapping[str, Path],
    repo: str,
    replaced: Callable[[set[str]], set[str]],
    *,
    kind: str = "model",
    private: bool | None = True,
    if_public: str = "",
    revision: str | None = None,
    message: str,
    description: str = "",
) -> Pushed:
    """Commit files to a repo, which is made where there is none, and take away those they replace.

    huggingface_hub's `upload_folder` is not used: with Xet it commits in several steps, and what is between two of them is a
    broken repo.

    Args:
        files: path in the repo -> file.
        repo: "ORG/NAME".
        replaced: told which paths the repo holds, gives those that this upload takes the place of; raises PushRefused where
            the repo must be left alone.
        kind: "model" or "dataset".
        private: visibility of a new repo, None for its owner's default. One that is there keeps its own.
        if_public: why a public repo is refused, and what to do; "" where it may be public.
        revision: branch, made where there is none; default main.
        message, description: of the commit.

    Raises:
        PushRefused: as said above.
        PushError: the Hub or the network failed, or somebody else committed meanwhile.
    """
    check_name(repo)
    try:
        api = HfApi()
        url = api.create_repo(repo, repo_type=kind, private=private, exist_ok=True)
        before = api.repo_info(repo, repo_type=kind)
        if if_public and not before.private:
            raise PushRefused(f"--push {repo}: the repo is there and public: {if_public}")
        if revision:
            api.create_branch(repo, repo_type=kind, branch=revision, exist_ok=True)
            before = api.repo_info(repo, repo_type=kind, revision=revision)
        present = {file.rfilename for file in before.siblings or ()} - _OF_THE_HUB
        done = api.create_commit(
            repo,
            _operations(files, replaced(present)),
            repo_type=kind,
            commit_message=message,
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
        hint = "" if get_token() else "; no token was found: hf auth login"
        raise PushError(f"{repo}: {' '.join(reasons.split())}{hint}") from error
    return Pushed(str(url), bool(before.private), done.oid)


def _operations(files: Mapping[str, Path], replaced: set[str]) -> list[CommitOperationAdd | CommitOperationDelete]:
    added = [CommitOperationAdd(name, path) for name, path in files.items()]
    return added + [CommitOperationDelete(name) for name in sorted(replaced - files.keys())]
