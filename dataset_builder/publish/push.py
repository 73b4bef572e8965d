"""Upload of a finished folder to the Hub. Corpora given out by request need a statement of right and a private repo."""

from collections.abc import Sequence
from fnmatch import fnmatch

from aullava.common.upload import Pushed, PushRefused, check_name, upload
from aullava.dataset_builder.corpora.reader import CorpusReader
from aullava.dataset_builder.publish.folder import CARD, DATA, MANIFEST, OutFolder


def check_right(reader: CorpusReader, repo: str, right: str) -> None:
    """Refuse what must not be uploaded, before any work.

    Args:
        repo: "ORG/NAME". right: the user's statement that they hold the right to store the corpus there; "" if none.

    Raises:
        PushRefused: invalid name, or a licensed corpus without a statement.
    """
    check_name(repo, example="my-lab/disfa-rows")
    if reader.licensed and not right.strip():
        terms = (
            "its terms are known to you alone"
            if reader.request.startswith("(")
            else "it is given out by its owners by request, and its frames must not be passed on"
        )
        raise PushRefused(
            f"--push {repo}: {reader.title}: {terms}; --i-hold-the-right is missing. If you may store it there, say why: "
            '--i-hold-the-right "agreement of 2026-01-31 with the owners allows a private copy for our lab"'
        )


def push(folder: OutFolder, reader: CorpusReader, repo: str, shards: Sequence[str]) -> Pushed:
    """Upload card, manifest and shards, and nothing else of the folder. Shards of an earlier build are removed.

    Args:
        shards: names of those with rows.

    Raises:
        PushRefused: the repo is public and the corpus licensed, or it holds something else.
        PushError: the Hub or the network failed; the repo is unchanged.
    """
    to_private = f"{reader.title} goes to private ones only: make it private, or name another one"

    def replaced(present: set[str]) -> set[str]:
        if MANIFEST not in present and (others := present - {CARD}):
            raise PushRefused(
                f"--push {repo}: the repo holds another dataset ({', '.join(sorted(others)[:5])}), which would be replaced: "
                "name a new repo, or one that holds an earlier build"
            )
        return {name for name in present if fnmatch(name, f"{DATA}/*.parquet")}

    return upload(
        {name: folder.path / name for name in (CARD, MANIFEST, *(f"{DATA}/{shard}.parquet" for shard in shards))},
        repo,
        replaced,
        kind="dataset",
        private=True if reader.licensed else None,
        if_public=to_private if reader.licensed else "",
        message="aullava build",
    )
