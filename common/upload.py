"""Uploading files to a repo of the Hub in one commit: an interrupted upload leaves the repo as it was."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, get_token
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

_OF_THE_HUB = {".gitattributes"}  # written by the Hub itself


class PushRefused(ValueError):
    """The repo must not be written to, or not as asked. Nothing was uploaded."""


class PushError(RuntimeError):
    """The Hub or the network failed. The repo is as it was."""


@dataclass(frozen=True)
class Pushed:
    """Where an upload is: its page, its visibility, and the commit that will always load it."""

    url: str
    private: bool
    commit: str


def check_name(repo: str, example: str = "my-lab/au-llava") -> None:
    """Refuse what is not the name of a repo.

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
    """Commit files to a repo, which is created if it is missing, and delete those that they replace.

    huggingface_hub's `upload_folder` is not used: with Xet it commits in several steps, and between two of them the repo is broken.

    Args:
        files: path in the repo -> file.
        repo: "ORG/NAME".
        replaced: given the paths in the repo, returns those that this upload replaces; raises PushRefused if the repo must not
            be changed.
        kind: "model" or "dataset".
        private: visibility of a new repo, None for its owner's default. An existing repo keeps its own.
        if_public: why a public repo is refused, and what to do; "" if it may be public.
        revision: branch, created if it is missing; default main.
        message, description: of the commit.

    Raises:
        PushRefused: as above.
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
            [
                *(CommitOperationAdd(name, path) for name, path in files.items()),
                *(CommitOperationDelete(name) for name in sorted(replaced(present) - files.keys())),
            ],
            repo_type=kind,
            commit_message=message,
            commit_description=description,
            revision=revision,
            parent_commit=before.sha,
        )
    except PushRefused:
        raise
    except Exception as error:  # the Hub's client raises errors of three libraries
        reasons = " because of ".join(
            f"{type(reason).__name__}: {reason}" for reason in (error, error.__cause__) if reason
        )
        hint = "" if get_token() else "; no token was found: hf auth login"
        raise PushError(f"{repo}: {' '.join(reasons.split())}{hint}") from error
    return Pushed(str(url), bool(before.private), done.oid)
