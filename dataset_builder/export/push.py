"""Upload of a finished folder to the Hub. Corpora given out by request only go up with a statement, and only to a private repo."""

from collections.abc import Sequence

from huggingface_hub import HfApi
from huggingface_hub.utils import HFValidationError, validate_repo_id

from aullava.dataset_builder.corpora.reader import CorpusReader
from aullava.dataset_builder.errors import CorpusError
from aullava.dataset_builder.export.folder import CARD, DATA, MANIFEST, OutFolder

SHORTEST_STATEMENT, FEWEST_LETTERS = 20, 12  # "yes" states nothing, and neither do thirty dots
_FIRST_FILES = {".gitattributes", CARD}  # of a repo that was only created


class PushRefused(CorpusError):
    """This folder must not be uploaded, or not as it was asked for. Nothing was."""


class PushError(RuntimeError):
    """The Hub, or the way to it, failed."""


def check_right(reader: CorpusReader, repo: str, right: str) -> None:
    """Refuse what must not be uploaded, before any work is done.

    Args:
        repo: "ORG/NAME". right: the user's statement that they hold the right to store the corpus there; "" if none.

    Raises:
        PushRefused: the name is none, or a licensed corpus comes without a statement.
    """
    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise PushRefused(f"--push {repo}: expected ORG/NAME ({error})") from error
    if repo.count("/") != 1:
        raise PushRefused(f"--push {repo}: expected ORG/NAME, such as my-lab/disfa-rows")
    stated = len(right.strip()) >= SHORTEST_STATEMENT and sum(map(str.isalpha, right)) >= FEWEST_LETTERS
    if reader.licensed and not stated:
        given = f"says only {right!r}" if right.strip() else "is missing"
        terms = (
            "its terms are known to you alone"
            if reader.request.startswith("(")
            else "it is given out by its owners by request, and its frames must not be passed on"
        )
        raise PushRefused(
            f"--push {repo}: {reader.title}: {terms}; --i-hold-the-right {given}. If you may store it there, say why in "
            f'{SHORTEST_STATEMENT} characters or more: --i-hold-the-right "agreement of 2026-01-31 with the owners allows a '
            'private copy for our lab"'
        )


def push(folder: OutFolder, reader: CorpusReader, repo: str, shards: Sequence[str]) -> str:
    """Upload card, manifest and shards; nothing else of the folder.

    Args:
        shards: names of those that hold rows.

    Returns:
        Where the dataset is.

    Raises:
        PushRefused: the repo is public and the corpus is licensed, or it holds something else.
        PushError: the Hub or the network failed.
    """
    api = HfApi()
    try:
        url = api.create_repo(repo, repo_type="dataset", private=True if reader.licensed else None, exist_ok=True)
        # A repo that was there before keeps its visibility, whatever is asked for.
        info = api.dataset_info(repo)
        public = reader.licensed and not info.private
        files = {file.rfilename for file in info.siblings or ()}
        others = not files <= _FIRST_FILES and MANIFEST not in files
        if not public and not others:
            api.upload_folder(
                repo_id=repo,
                repo_type="dataset",
                folder_path=folder.path,
                allow_patterns=[CARD, MANIFEST, *(f"{DATA}/{name}.parquet" for name in shards)],
                delete_patterns=f"{DATA}/*.parquet",
                commit_message="aullava build",
            )
    except Exception as error:  # the Hub's client raises those of three libraries
        raise PushError(f"{repo}: {type(error).__name__}: {error}") from error
    if public:
        raise PushRefused(
            f"--push {repo}: the repo is there and public; {reader.title} goes to private ones only: make it private, or name "
            "another one"
        )
    if others:
        raise PushRefused(
            f"--push {repo}: the repo holds another dataset ({', '.join(sorted(files - _FIRST_FILES)[:5])}), which would be "
            "replaced: name a new repo, or one that holds an earlier build"
        )
    return str(url)
