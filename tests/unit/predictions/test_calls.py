"""The code that people copy to call a classifier."""

import ast
import json
import shlex
from typing import cast

import pytest

from predictions.classifiers.calls import Snippet, literal, snippets
from predictions.serving.live_models import Live
from training.ml.tables.contract import Contract, Feature, Kind

FEATURES = (
    Feature("how long's it", Kind.INTEGER, False, 5),
    Feature("plan", Kind.CATEGORY, False, 'the "pro" $plan', categories=('the "pro" $plan',)),
    Feature("member", Kind.BOOLEAN, False, True),
)


class Served:
    """What the calls need of a version that serves."""

    classifier = "churn"
    contract = Contract("left", FEATURES, ("no", "yes"), {})


@pytest.fixture(params=["http://localhost:8000", "https://site.example"])
def codes(request: pytest.FixtureRequest) -> dict[str, Snippet]:
    return {item.name: item for item in snippets(cast(Live, Served()), site=request.param, key="clf_key")}


def test_each_call_holds_the_key_and_the_address(codes: dict[str, Snippet]) -> None:
    for item in codes.values():
        assert "clf_key" in item.code
        assert "localhost" in item.code or "site.example" in item.code


def test_python_can_be_compiled_and_has_the_row(codes: dict[str, Snippet]) -> None:
    for name in ("python", "mlflow", "open-inference"):
        compile(codes[name].code, name, "exec")
        assert literal(Served.contract.example) in codes[name].code
    assert ast.literal_eval(literal(Served.contract.example)) == Served.contract.example


def test_a_shell_reads_the_body_as_it_is(codes: dict[str, Snippet]) -> None:
    words = shlex.split(codes["curl"].code.replace("\\\n", " "))
    assert json.loads(words[words.index("-d") + 1]) == {"model": "churn", "features": Served.contract.example}


def test_javascript_has_the_body_as_json(codes: dict[str, Snippet]) -> None:
    code = codes["javascript"].code
    body = code[code.index("stringify(") + len("stringify(") : code.index("),\n});")]
    assert json.loads(body) == {"model": "churn", "features": Served.contract.example}


def test_only_https_needs_tls_in_triton_and_its_port_in_mlflow(codes: dict[str, Snippet]) -> None:
    is_secure = "https:" in codes["curl"].code
    assert ("ssl=True" in codes["open-inference"].code) == is_secure
    assert ('site.example", 443' in codes["mlflow"].code) == is_secure
