"""A stand-in for the server of Weights & Biases: it answers what the pinned client asks for, and keeps what it was sent.

The client's part is real. It asks at `/graphql`, streams a run's history and summary to `/files/.../file_stream`, and
puts files where the answers tell it to.
"""

import base64
import gzip
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

ENTITY = "a-team"


@dataclass
class WandbServer:
    """What a client sent so far."""

    port: int = 0
    # an operation that nobody is allowed
    refused: str = ""
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    # what no answer is known for
    unknown: list[str] = field(default_factory=list)
    streamed: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def variables(self, operation: str) -> list[dict[str, Any]]:
        """Those of each call of an operation."""
        return [variables for name, variables in self.asked if name == operation]

    @property
    def config(self) -> dict[str, Any]:
        """The last configuration that came with a run."""
        sent = [variable["config"] for variable in self.variables("UpsertBucket") if variable.get("config")]
        return {name: item["value"] for name, item in json.loads(sent[-1]).items()}

    def lines(self, name: str) -> list[dict[str, Any]]:
        """Those streamed to a file of the run, in their order."""
        parts = [item["files"][name] for item in self.streamed if name in item.get("files", {})]
        return [json.loads(line) for part in parts for line in part["content"]]

    def answer(self, query: dict[str, Any]) -> dict[str, Any]:
        """To a GraphQL query, by its operation's name; an error as a real server's to one that is not known."""
        named = re.search(r"(?:query|mutation) (\w+)", query["query"])
        name, variables = named[1] if named else "", query.get("variables") or {}
        self.asked.append((name, variables))
        if name == self.refused:
            return {"errors": [{"message": "permission denied"}]}
        if known := ANSWERS.get(name):
            return {"data": known(self, variables)}
        self.unknown.append(f"{name}: {query['query']}")
        return {"errors": [{"message": f"no operation {name}"}]}

    def upload(self, name: str) -> dict[str, Any]:
        """Where a client shall put a file."""
        return {"uploadUrl": f"{self.url}/storage/{name}", "uploadHeaders": []}


def _viewer(_: WandbServer, __: dict[str, Any]) -> dict[str, Any]:
    person = {"id": "person", "entity": ENTITY, "username": "ada", "email": "ada@example.com", "flags": "{}"}
    return {"viewer": {**person, "teams": {"edges": []}}}


def _bucket(_: WandbServer, variables: dict[str, Any]) -> dict[str, Any]:
    project = {"id": "project", "name": variables["project"], "entity": {"id": "team", "name": ENTITY}}
    bucket = {
        "id": "bucket",
        "name": variables["name"],
        "displayName": variables["displayName"],
        "config": variables["config"],
        "project": project,
        "historyLineCount": 0,
    }
    return {"upsertBucket": {"bucket": bucket, "inserted": True}}


def _run_files(server: WandbServer, variables: dict[str, Any]) -> dict[str, Any]:
    files = [{"name": name, **server.upload(f"run/{name}")} for name in variables["files"]]
    return {"createRunFiles": {"runID": "bucket", "uploadHeaders": [], "files": files}}


def _artifact(server: WandbServer, variables: dict[str, Any]) -> dict[str, Any]:
    number = len(server.variables("CreateArtifact"))
    artifact = {"id": f"artifact{number}", "state": "PENDING", "artifactSequence": {"latestArtifact": None}}
    return {"createArtifact": {"artifact": artifact}}


def _manifest(server: WandbServer, variables: dict[str, Any]) -> dict[str, Any]:
    file = {"id": "file", **server.upload(f"{variables['artifactID']}/manifest")}
    return {"artifactManifest": {"id": f"manifest of {variables['artifactID']}", "file": file}}


def _artifact_files(server: WandbServer, variables: dict[str, Any]) -> dict[str, Any]:
    nodes = [
        {
            "storagePath": f"{file['artifactID']}/{file['name']}",
            **server.upload(f"{file['artifactID']}/{file['name']}"),
            "uploadMultipartUrls": None,
            "artifact": {"id": file["artifactID"]},
        }
        for file in variables["input"]["artifactFiles"]
    ]
    return {"createArtifactFiles": {"files": {"edges": [{"node": node} for node in nodes]}}}


def _committed(server: WandbServer, variables: dict[str, Any]) -> dict[str, Any]:
    number = int(variables["id"].removeprefix("artifact"))
    sent = server.variables("CreateArtifact")[number - 1]["input"]
    project = {"id": "project", "internalId": "1", "name": sent["projectName"], "entity": {"name": ENTITY}}
    artifact = {
        "__typename": "Artifact",
        "id": variables["id"],
        "artifactSequence": {
            "__typename": "ArtifactSequence",
            "name": sent["artifactCollectionName"],
            "project": project,
        },
        "versionIndex": 0,
        "artifactType": {"name": sent["artifactTypeName"]},
        "description": None,
        "metadata": sent["metadata"],
        "ttlDurationSeconds": -1,
        "ttlIsInherited": True,
        "tags": [],
        "historyStep": None,
        "state": "COMMITTED",
        "size": 0,
        "digest": sent["digest"],
        "commitHash": None,
        "fileCount": 1,
        "createdAt": "2026-01-01T00:00:00Z",
        "updatedAt": None,
        "aliases": [],
    }
    return {"artifact": artifact}


def _commit(_: WandbServer, variables: dict[str, Any]) -> dict[str, Any]:
    return {"commitArtifact": {"artifact": {"id": variables["artifactID"], "digest": "digest"}}}


ANSWERS: dict[str, Callable[[WandbServer, dict[str, Any]], dict[str, Any]]] = {
    "Viewer": _viewer,
    "ServerFeaturesQuery": lambda *_: {"serverInfo": {"features": []}},
    # of an artifact of that name, before the first
    "ArtifactType": lambda *_: {"project": {"artifact": None}},
    "UpsertBucket": _bucket,
    "CreateRunFiles": _run_files,
    "CreateArtifact": _artifact,
    "CreateArtifactManifest": lambda server, given: {"createArtifactManifest": _manifest(server, given)},
    "CreateArtifactFiles": _artifact_files,
    "CommitArtifact": _commit,
    "ArtifactByID": _committed,
}


class _Handler(BaseHTTPRequestHandler):
    @property
    def _double(self) -> WandbServer:
        return cast(_Server, self.server).double

    def do_POST(self) -> None:
        if self.path == "/graphql":
            self._send(self._double.answer(self._signed()))
        elif self.path.endswith("/file_stream"):
            self._double.streamed.append(self._signed())
            self._send({})
        else:
            # the client asks whether its own telemetry is welcome, which a server need not know of
            if self.path != "/sdk/otel/v1/metrics":
                self._double.unknown.append(f"POST {self.path}")
            self.send_error(404)

    def do_PUT(self) -> None:
        self._double.files[self.path.removeprefix("/storage/")] = self._body()
        self._send({})

    def do_GET(self) -> None:
        self._double.unknown.append(f"GET {self.path}")
        self.send_error(404)

    def _signed(self) -> Any:
        """What was sent with a key."""
        _, _, secret = self.headers.get("Authorization", "").partition(" ")
        self._double.keys.add(base64.b64decode(secret).decode().removeprefix("api:"))
        return json.loads(self._body())

    def _body(self) -> bytes:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def _send(self, answer: dict[str, Any]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing on the terminal."""


class _Server(ThreadingHTTPServer):
    double: WandbServer


@contextmanager
def wandb_server(refused: str = "") -> Iterator[WandbServer]:
    """Start an empty server."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.double = WandbServer(server.server_address[1], refused)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.double
        finally:
            server.shutdown()
            thread.join()
