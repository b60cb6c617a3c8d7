"""Members of objects and parameters of addresses: unknown names are refused, with a suggestion."""

import difflib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from clfsite.core.errors import Malformed

UNKNOWN = "unknown_member"
# most unknown names that are listed, and most that are compared with the known names
MOST_TOLD = 100
MOST_COMPARED = 10
# similarity from 0 to 1 from which a name is suggested
LEAST_ALIKE = 0.7
# characters of a caller's name that are shown
LONGEST_NAME = 60


def read_object(
    value: Any, *, required: Collection[str] = (), optional: Collection[str] = (), path: str = ""
) -> dict[str, Any]:
    """Return a JSON object that has all required members and no unknown ones.

    Args:
        path: path of the value in the body, "" for the body itself.

    Raises:
        Malformed: naming each member that is missing or unknown by its path.
    """
    known = (*required, *optional)
    what = f'"{path}"' if path else "the body"
    if not isinstance(value, dict):
        example = ", ".join(f'"{name}": ...' for name in required or known[:1])
        raise Malformed(
            f"{what} is not an object; expected {{{example}}}",
            [_problem(path, "not_an_object", "not an object")],
        )
    problems = [
        _problem(_join(path, name), "missing", f'the member "{name}" is missing')
        for name in required
        if name not in value
    ]
    problems += unknown_members(value, known, path)
    if problems:
        raise Malformed(problems[0]["message"], problems)
    return value


def unknown_members(names: Iterable[str], known: Sequence[str], path: str = "") -> list[dict[str, Any]]:
    """The problems of the first 100 names that are not known."""
    strange: list[str] = []
    for name in names:
        if name not in known:
            strange.append(name)
            if len(strange) == MOST_TOLD:
                break
    return [
        _problem(
            _join(path, shorten(name)),
            UNKNOWN,
            unknown(name, known if place < MOST_COMPARED else (), "member"),
        )
        for place, name in enumerate(strange)
    ]


def check_parameters(given: Mapping[str, Any], known: Sequence[str]) -> None:
    """Refuse unknown and duplicate parameters of an address.

    Args:
        given: Django's QueryDict.

    Raises:
        Malformed: naming each.
    """
    problems = []
    for name in list(given)[:MOST_TOLD]:
        if name not in known:
            problems.append(_problem(shorten(name), "unknown_parameter", unknown(name, known, "parameter")))
        elif len(given.getlist(name)) > 1:  # type: ignore[attr-defined]
            problems.append(_problem(name, "repeated", f'duplicate parameter "{name}"'))
    if problems:
        raise Malformed(problems[0]["message"], problems)


def unknown(name: str, known: Sequence[str], what: str) -> str:
    """The message for an unknown name, with a suggestion."""
    text = f"unknown {what} {json.dumps(shorten(name), ensure_ascii=False)}"
    if close := nearest(name, known):
        return f"{text}; did you mean {close}?"
    if not known:
        return f"{text}; no parameters are accepted" if what == "parameter" else text
    return f"{text}; expected {', '.join(known)}"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The most similar known name."""
    folded = {candidate[:LONGEST_NAME].casefold().strip(): candidate for candidate in known}
    close = difflib.get_close_matches(name[:LONGEST_NAME].casefold().strip(), folded, n=1, cutoff=LEAST_ALIKE)
    return folded[close[0]] if close else None


def shorten(name: str) -> str:
    """A caller's name, cut to a readable length."""
    return name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}..."


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _problem(field: str, code: str, message: str) -> dict[str, Any]:
    return {"field": field, "code": code, "message": message}
