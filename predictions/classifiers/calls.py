"""Ready calls of one classifier, with a row of its contract, to copy into a shell or a program."""

import json
import shlex
from dataclasses import dataclass
from pprint import pformat
from typing import Any
from urllib.parse import urlsplit

from django.http import HttpRequest

from predictions.protocols.open_inference import datatype_of
from predictions.serving.live_models import Live, live_models

# stands for the key where none is shown
PLACEHOLDER = "YOUR_KEY"


@dataclass(frozen=True)
class Snippet:
    """One way to call: its name as part of an id, its title, a hint on what it needs, and the code."""

    name: str
    title: str
    needs: str
    code: str


def snippets(live: Live, *, site: str, key: str = PLACEHOLDER) -> list[Snippet]:
    """All ways to call the classifier.

    Args:
        site: the address of the site, without a slash at the end.
        key: the API key to put into the code.
    """
    row = live.contract.example
    return [
        Snippet("curl", "curl", "", _curl(live.classifier, row, site, key)),
        Snippet(
            "python",
            "Python",
            "pip install requests",
            PYTHON.format(**_words(live.classifier, row, site, key)),
        ),
        Snippet("javascript", "JavaScript", "", _javascript(live.classifier, row, site, key)),
        Snippet("mlflow", "MLflow client", "pip install mlflow pandas", _mlflow(live, site, key)),
        Snippet(
            "open-inference",
            "Open Inference (Triton client)",
            "pip install tritonclient[http] numpy",
            _open_inference(live, site, key),
        ),
    ]


def of_page(request: HttpRequest, classifier: str = "", key: str = PLACEHOLDER) -> list[Snippet]:
    """The calls of a classifier that serves, or of the default one, at the address of this request."""
    served = [live for live in live_models.all() if classifier in {"", live.classifier}]
    site = request.build_absolute_uri("/").rstrip("/")
    return snippets(served[0], site=site, key=key) if served else []


def _words(classifier: str, row: dict[str, Any], site: str, key: str) -> dict[str, str]:
    """The values of the Python snippets as Python literals."""
    return {"model": repr(classifier), "row": literal(row), "site": site, "key": key}


def literal(row: dict[str, Any]) -> str:
    """A row as a Python literal, a value in each line."""
    lines = "".join(f"    {name!r}: {pformat(value)},\n" for name, value in row.items())
    return f"{{\n{lines}}}"


def _curl(classifier: str, row: dict[str, Any], site: str, key: str) -> str:
    body = json.dumps({"model": classifier, "features": row}, ensure_ascii=False)
    return (
        f"curl {shlex.quote(f'{site}/predict')} \\\n"
        f"  -H {shlex.quote(f'Authorization: Bearer {key}')} \\\n"
        f"  -H 'Content-Type: application/json' \\\n"
        f"  -d {shlex.quote(body)}\n"
    )


PYTHON = """\
import requests

row = {row}
answer = requests.post(
    "{site}/predict",
    json={{"model": {model}, "features": row}},
    headers={{"Authorization": "Bearer {key}"}},
    timeout=10,
)
answer.raise_for_status()
print(answer.json()["label"], answer.json()["probability"])
"""


def _javascript(classifier: str, row: dict[str, Any], site: str, key: str) -> str:
    body = json.dumps({"model": classifier, "features": row}, indent=2, ensure_ascii=False)
    return (
        f'const answer = await fetch("{site}/predict", {{\n'
        '  method: "POST",\n'
        f'  headers: {{ Authorization: "Bearer {key}", "Content-Type": "application/json" }},\n'
        f"  body: JSON.stringify({body.replace(chr(10), chr(10) + '  ')}),\n"
        "});\n"
        "if (!answer.ok) throw new Error(await answer.text());\n"
        "const { label, probability } = await answer.json();\n"
        "console.log(label, probability);\n"
    )


MLFLOW = """\
import pandas as pd
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

row = {row}
# MLflow's client sends no headers, so the key is the password of the address
client = ScoringServerClient("key:{key}@{host}", {port})
answer = client.invoke(pd.DataFrame([row]), params={{"model": {model}}})
print(answer.get_predictions())
"""


def _mlflow(live: Live, site: str, key: str) -> str:
    address = urlsplit(site)
    port = address.port or (443 if address.scheme == "https" else 80)
    words = _words(live.classifier, live.contract.example, site, key)
    return MLFLOW.format(**words, host=address.hostname, port=port)


OPEN_INFERENCE = """\
import numpy as np
from tritonclient import http

row = {row}
datatypes = {datatypes}
kinds = {{"FP64": np.float64, "INT64": np.int64, "BOOL": np.bool_, "BYTES": np.object_}}
inputs = [
    http.InferInput(name, [1], datatypes[name]).set_data_from_numpy(np.array([value], kinds[datatypes[name]]))
    for name, value in row.items()
]
client = http.InferenceServerClient("{place}"{ssl})
answer = client.infer({model}, inputs, headers={{"Authorization": "Bearer {key}"}})
print(answer.as_numpy("predict"), answer.as_numpy("predict_proba"))
"""


def _open_inference(live: Live, site: str, key: str) -> str:
    address = urlsplit(site)
    words = _words(live.classifier, live.contract.example, site, key)
    datatypes = {feature.name: datatype_of(feature) for feature in live.contract.features}
    ssl = ", ssl=True" if address.scheme == "https" else ""
    return OPEN_INFERENCE.format(**words, datatypes=literal(datatypes), place=address.netloc, ssl=ssl)
