"""A Hub that listens on this machine: what huggingface_hub, transformers, datasets and `hf` ask of the real one.

Repos of models, datasets and spaces, public or private; commits that are whole or not there; branches and tags; large files by
the LFS protocol; downloads with ETag and Range; variables of a Space. All in memory.

    with LoopbackHub() as hub:
        subprocess.run(command, env=os.environ | hub.environment("hf_me", home))
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

USERS = {"hf_me": "me", "hf_stranger": "stranger"}  # token -> who it belongs to, and where they may write
LARGE = {
    ".safetensors",
    ".parquet",
    ".png",
    ".bin",
    ".whl",
}  # goes through LFS, as the Hub's first .gitattributes says
_KINDS = r"(?P<kind>models|datasets|spaces)/(?P<id>[^/]+/[^/]+)"
_DATE = "2026-01-31T00:00:00.000Z"


@dataclass
class Repo:
    """Commits are id -> path -> content; branches and tags are name -> id."""

    private: bool
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    large: set[str] = field(default_factory=set)  # paths that came by LFS
    messages: dict[str, dict[str, str]] = field(default_factory=dict)  # commit -> summary and description
    variables: dict[str, str] = field(default_factory=dict)  # what a Space's process finds in its environment

    def commit(self, branch: str, files: Mapping[str, bytes]) -> str:
        """Add a commit to a branch and return its id."""
        seed = f"{len(self.commits)} {branch} {sorted(files)}"
        oid = hashlib.sha1(seed.encode()).hexdigest()
        self.commits[oid] = dict(files)
        self.branches[branch] = oid
        return oid

    def resolve(self, revision: str) -> str | None:
        oid = self.branches.get(revision) or self.tags.get(revision) or revision
        return oid if oid in self.commits else None

    @property
    def files(self) -> dict[str, bytes]:
        """What is on main."""
        return self.commits[self.branches["main"]]


@dataclass
class Refusal:
    """An answer that takes the place of the real one, so many times."""

    method: str
    path: str  # a regular expression, searched for
    status: int
    times: int


class LoopbackHub:
    """The server, from `with` to its end.

    Attributes:
        repos: (kind, id) -> Repo, kind one of "models", "datasets", "spaces".
        blobs: sha256 -> content of large files that were sent, committed or not.
        asked: every request as (method, path), in order.
    """

    def __init__(self):
        self.repos: dict[tuple[str, str], Repo] = {}
        self.blobs: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []
        self.refusals: list[Refusal] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "LoopbackHub":
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._server.shutdown()
        self._server.server_close()

    def refuse(self, method: str, path: str, status: int, times: int = 1) -> None:
        """Answer the next so many requests with an error."""
        self.refusals.append(Refusal(method, path, status, times))

    def environment(self, token: str | None, home: Path) -> dict[str, str]:
        """Variables for a subprocess that is to meet this Hub and no other, with the cache `home`."""
        asked = {"HF_ENDPOINT": self.address, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(home)}
        return asked | {"HF_TOKEN": token or "", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}

    def connect(self, monkeypatch, token: str = "hf_me") -> None:
        """Let this process, in which huggingface_hub is offline, upload to this Hub until the end of a test.

        Downloads go to the address that huggingface_hub saw when it was imported: make them in a subprocess.
        """
        from huggingface_hub import constants

        settings = {"ENDPOINT": self.address, "HF_HUB_OFFLINE": False, "HF_HUB_DISABLE_XET": True}
        for name, value in settings.items():
            monkeypatch.setattr(constants, name, value)
        monkeypatch.setenv("HF_TOKEN", token)


class _Handler(BaseHTTPRequestHandler):
    hub: LoopbackHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_) -> None:
        pass

    def _serve(self) -> None:
        address = urlsplit(self.path)
        self.query = parse_qs(address.query)
        self.sent = self._body()
        self.hub.asked.append((self.command, address.path))
        for refusal in self.hub.refusals:
            if refusal.times and refusal.method == self.command and re.search(refusal.path, address.path):
                refusal.times -= 1
                return self._error(refusal.status, "refused for this test")
        asked = "GET" if self.command == "HEAD" else self.command
        for method, pattern, answer in _ROUTES:
            if method == asked and (found := re.fullmatch(pattern, address.path)):
                return answer(self, **{key: unquote(value or "") for key, value in found.groupdict().items()})
        return self._error(404, f"no route {self.command} {address.path}")

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _serve

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        pieces = []
        while size := int(self.rfile.readline(), 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def _json(self, content: object, status: int = 200) -> None:
        self._send(status, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _error(self, status: int, message: str, code: str = "") -> None:
        headers = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})
        self._send(status, json.dumps({"error": message}).encode(), headers)

    def _send(self, status: int, data: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(data))} | dict(headers)).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    # --- who asks, and for what ---

    @property
    def _user(self) -> str | None:
        return USERS.get(self.headers.get("Authorization", "").removeprefix("Bearer "))

    def _repo(self, kind: str, id: str, write: bool = False) -> Repo | None:
        """The repo, or None after the answer that the Hub gives: whoever may not see a repo cannot tell whether it is there."""
        repo, owner = self.hub.repos.get((kind, id)), self._user == id.partition("/")[0]
        if repo is None or (repo.private and not owner):
            self._error(404 if self._user else 401, "Repository not found", "RepoNotFound")
            return None
        if write and not owner:
            self._error(403, "You have no write access")
            return None
        return repo

    def _files(self, repo: Repo, revision: str) -> tuple[str, dict[str, bytes]] | None:
        oid = repo.resolve(revision)
        if oid is None:
            self._error(404, f"Invalid rev id: {revision}", "RevisionNotFound")
            return None
        return oid, repo.commits[oid]

    # --- account and repos ---

    def whoami(self) -> None:
        if self._user is None:
            return self._error(401, "Invalid username or password.")
        return self._json({"type": "user", "name": self._user, "orgs": [], "auth": {"accessToken": {"role": "write"}}})

    def validate_yaml(self) -> None:
        content = json.loads(self.sent)["content"]
        broken = [] if content.startswith("---\n") else [{"message": "the card has no front matter"}]
        self._json({"errors": broken, "warnings": []}, 400 if broken else 200)

    def create(self) -> None:
        asked = json.loads(self.sent)
        owner = asked.get("organization") or self._user
        if owner is None or owner != self._user:
            return self._error(403, f"You have no right to create a repo under {owner}")
        kind, id = asked.get("type", "model") + "s", f"{owner}/{asked['name']}"
        place = f"{self.hub.address}/{'' if kind == 'models' else f'{kind}/'}{id}"
        if (kind, id) in self.hub.repos:
            return self._json({"error": "You already created this repo", "url": place}, 409)
        repo = self.hub.repos[kind, id] = Repo(asked.get("visibility") == "private")
        repo.commit("main", {".gitattributes": b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n"})
        return self._json({"url": place, "name": id, "id": id})

    def info(self, kind: str, id: str, revision: str = "") -> None:
        if (repo := self._repo(kind, id)) and (found := self._files(repo, revision or "main")):
            oid, files = found
            about = {"id": id, "author": id.partition("/")[0], "sha": oid, "private": repo.private, "gated": False}
            about |= {
                "disabled": False,
                "downloads": 0,
                "likes": 0,
                "tags": [],
                "lastModified": _DATE,
                "createdAt": _DATE,
            }
            self._json(about | {"siblings": [{"rfilename": path} for path in sorted(files)]})

    def refs(self, kind: str, id: str) -> None:
        if repo := self._repo(kind, id):
            named = (("branches", "heads", repo.branches), ("tags", "tags", repo.tags))
            listed = {
                key: [{"name": n, "ref": f"refs/{place}/{n}", "targetCommit": oid} for n, oid in refs.items()]
                for key, place, refs in named
            }
            self._json(listed | {"converts": []})

    def branch(self, kind: str, id: str, name: str) -> None:
        if repo := self._repo(kind, id, write=True):
            if name in repo.branches:
                return self._error(409, f"Reference already exists: {name}")
            repo.branches[name] = repo.resolve(json.loads(self.sent or b"{}").get("startingPoint", "main"))
            self._json({})

    def tag(self, kind: str, id: str, revision: str) -> None:
        if (repo := self._repo(kind, id, write=True)) and (found := self._files(repo, revision)):
            repo.tags[json.loads(self.sent)["tag"]] = found[0]
            self._json({})

    def variable(self, id: str) -> None:
        if repo := self._repo("spaces", id, write=True):
            asked = json.loads(self.sent)
            repo.variables[asked["key"]] = asked["value"]
            self._json({key: {"value": value} for key, value in repo.variables.items()})

    # --- files ---

    def _entry(self, repo: Repo, path: str, content: bytes) -> dict:
        entry = {"type": "file", "path": path, "size": len(content), "oid": _git_oid(content)}
        if path in repo.large:
            entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
        return entry

    def tree(self, kind: str, id: str, revision: str, folder: str = "") -> None:
        if not ((repo := self._repo(kind, id)) and (found := self._files(repo, revision))):
            return
        prefix, recursive = f"{folder}/" if folder else "", self.query.get("recursive", ["false"])[0].lower() == "true"
        below = {path.removeprefix(prefix): path for path in found[1] if path.startswith(prefix)}
        folders = {"/".join(short.split("/")[:depth]) for short in below for depth in range(1, short.count("/") + 1)}
        shown = [
            {"type": "directory", "path": prefix + name, "oid": "0" * 40, "size": 0}
            for name in sorted(folders)
            if recursive or "/" not in name
        ]
        shown += [
            self._entry(repo, path, found[1][path]) for short, path in below.items() if recursive or "/" not in short
        ]
        if folder and not shown:
            return self._error(404, f"{folder} does not exist", "EntryNotFound")
        self._json(shown)

    def paths_info(self, kind: str, id: str, revision: str) -> None:
        if (repo := self._repo(kind, id)) and (found := self._files(repo, revision)):
            form = self.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded")
            paths = parse_qs(self.sent.decode())["paths"] if form else json.loads(self.sent)["paths"]
            self._json([self._entry(repo, path, found[1][path]) for path in paths if path in found[1]])

    def resolve(self, prefix: str, id: str, revision: str, path: str) -> None:
        repo = self._repo(prefix.strip("/") or "models", id)
        if not (repo and (found := self._files(repo, revision))):
            return
        oid, files = found
        headers = {"X-Repo-Commit": oid, "Accept-Ranges": "bytes"}
        if path not in files:
            return self._send(
                404, b"", headers | {"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found"}
            )
        content = files[path]
        if path in repo.large:
            digest = hashlib.sha256(content).hexdigest()
            headers |= {"X-Linked-Size": str(len(content)), "X-Linked-Etag": f'"{digest}"', "ETag": f'"{digest}"'}
        else:
            headers |= {"ETag": f'"{_git_oid(content)}"'}
        part = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not part:
            return self._send(200, content, headers)
        first, last = int(part[1]), min(int(part[2] or len(content)), len(content) - 1)
        if first > last:
            return self._send(416, b"", {"Content-Range": f"bytes */{len(content)}"})
        headers |= {"Content-Range": f"bytes {first}-{last}/{len(content)}"}
        return self._send(206, content[first : last + 1], headers)

    # --- commits ---

    def preupload(self, kind: str, id: str, revision: str) -> None:
        if (repo := self._repo(kind, id, write=True)) and (found := self._files(repo, revision)):
            modes = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if Path(file["path"]).suffix in LARGE else "regular",
                    "shouldIgnore": False,
                    "oid": self._known(repo, found[1], file["path"]),
                }
                for file in json.loads(self.sent)["files"]
            ]
            self._json({"files": modes})

    def _known(self, repo: Repo, files: Mapping[str, bytes], path: str) -> str | None:
        if path not in files:
            return None
        return hashlib.sha256(files[path]).hexdigest() if path in repo.large else _git_oid(files[path])

    def lfs_batch(self, prefix: str, id: str) -> None:
        if not self._repo(prefix.strip("/") or "models", id, write=True):
            return
        objects = []
        for wanted in json.loads(self.sent)["objects"]:
            entry = {"oid": wanted["oid"], "size": wanted["size"]}
            if wanted["oid"] not in self.hub.blobs:
                entry["actions"] = {"upload": {"href": f"{self.hub.address}/lfs/{wanted['oid']}"}}
            objects.append(entry)
        self._json({"transfer": "basic", "objects": objects})

    def put(self, oid: str) -> None:
        if hashlib.sha256(self.sent).hexdigest() != oid:
            return self._error(400, "the content does not have this sha256")
        self.hub.blobs[oid] = self.sent
        self._send(200, b"", {})

    def commit(self, kind: str, id: str, revision: str) -> None:
        if not ((repo := self._repo(kind, id, write=True)) and (found := self._files(repo, revision))):
            return
        files, large = dict(found[1]), set(repo.large)
        for line in self.sent.splitlines():
            key, value = (entry := json.loads(line))["key"], entry["value"]
            if key == "header":
                message = {part: value[part] for part in ("summary", "description")}
                if value.get("parentCommit", found[0]) == found[0]:
                    continue
                return self._error(412, "A commit has happened since. Please refresh and try again.")
            if key == "file":
                files[value["path"]] = base64.b64decode(value["content"])
                large.discard(value["path"])
            elif key == "lfsFile":
                if value["oid"] not in self.hub.blobs:
                    return self._error(400, f"{value['path']} was not uploaded")
                files[value["path"]] = self.hub.blobs[value["oid"]]
                large.add(value["path"])
            elif key == "deletedFile":
                del files[value["path"]]
            elif key == "deletedFolder":
                files = {path: data for path, data in files.items() if not path.startswith(value["path"])}
        repo.large = large
        oid = repo.commit(revision, files)
        repo.messages[oid] = message
        self._json({"success": True, "commitOid": oid, "commitUrl": f"{self.hub.address}/{id}/commit/{oid}"})


def _git_oid(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


_ROUTES = [
    ("GET", "/api/whoami-v2", _Handler.whoami),
    ("POST", "/api/validate-yaml", _Handler.validate_yaml),
    ("POST", "/api/repos/create", _Handler.create),
    ("GET", f"/api/{_KINDS}(/revision/(?P<revision>[^/]+))?", _Handler.info),
    ("GET", f"/api/{_KINDS}/refs", _Handler.refs),
    ("POST", f"/api/{_KINDS}/branch/(?P<name>[^/]+)", _Handler.branch),
    ("POST", f"/api/{_KINDS}/tag/(?P<revision>[^/]+)", _Handler.tag),
    ("POST", "/api/spaces/(?P<id>[^/]+/[^/]+)/variables", _Handler.variable),
    ("GET", f"/api/{_KINDS}/tree/(?P<revision>[^/]+)(/(?P<folder>.+))?", _Handler.tree),
    ("POST", f"/api/{_KINDS}/paths-info/(?P<revision>[^/]+)", _Handler.paths_info),
    ("POST", f"/api/{_KINDS}/preupload/(?P<revision>[^/]+)", _Handler.preupload),
    ("POST", f"/api/{_KINDS}/commit/(?P<revision>[^/]+)", _Handler.commit),
    ("POST", r"/(?P<prefix>datasets/|spaces/)?(?P<id>[^/]+/[^/]+)\.git/info/lfs/objects/batch", _Handler.lfs_batch),
    ("PUT", "/lfs/(?P<oid>[0-9a-f]{64})", _Handler.put),
    (
        "GET",
        "/(?P<prefix>datasets/|spaces/)?(?P<id>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)",
        _Handler.resolve,
    ),
]
