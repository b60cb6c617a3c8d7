"""Common parts of the serving protocols: problems in their formats, and addresses without a key."""

from collections.abc import Callable
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse

from predictions.keys import service as keys
from predictions.serving.api import ServingView

# the scopes of a method without a key
OPEN: frozenset[str] = frozenset()
ANYONE = keys.KeyCaller(0, "anyone", frozenset())
# most problems in a message, which counts the others
MAX_PROBLEMS = 10


class ProtocolView(ServingView):
    """A serving view that reports problems in the format of its protocol."""

    def problem_body(self, status: int, message: str) -> dict[str, Any]:
        """Return a problem in the format of the protocol."""
        raise NotImplementedError

    def admit(self, request: HttpRequest, allowed: frozenset[str]) -> keys.KeyCaller:
        """Allow open methods without a key, others only with a key; see `ServingView.admit`."""
        return ANYONE if allowed == OPEN else super().admit(request, allowed)

    def get_exception_handler(self) -> Callable[..., HttpResponse]:
        """The site's handler, with the format of the protocol."""
        handler = super().get_exception_handler()
        return lambda error, context: self._translate(handler(error, context))

    def _translate(self, problem: HttpResponse) -> HttpResponse:
        document = orjson.loads(problem.content)
        body = self.problem_body(problem.status_code, sentence(document))
        if key := document.get("request_id"):
            body["request_id"] = key
        headers = {name: value for name, value in problem.items() if name.lower() != "content-type"}
        return HttpResponse(
            orjson.dumps(body),
            status=problem.status_code,
            content_type="application/json",
            headers=headers,
        )


def sentence(problem: dict[str, Any]) -> str:
    """A problem document as one text: the detail, and the first problems with their paths."""
    problems = [
        _listed(item) for item in problem["errors"][:MAX_PROBLEMS] if item["message"] != problem["detail"]
    ]
    more = len(problem["errors"][MAX_PROBLEMS:])
    if more:
        problems.append(f"and {more:,} more")
    return ": ".join(filter(None, [problem["detail"], "; ".join(problems)]))


def _listed(item: dict[str, Any]) -> str:
    row = f"row {item['row']}" if "row" in item else ""
    place = ", ".join(filter(None, [row, item.get("feature", "")]))
    return ": ".join(filter(None, [place, item["message"]]))
