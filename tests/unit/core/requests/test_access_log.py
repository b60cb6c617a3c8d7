"""The id and the line of a call: nothing from outside can forge a line, and nothing of a request stands in it."""

import asyncio
import json
import logging
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pytest_django import Settings

from clfsite.core.requests import access_log

OWN = re.compile(r"[0-9a-f]{20}")


def begin(**values: Any) -> access_log.Call:
    return access_log.begin(**{"method": "POST", "path": "/predict", "remote": "10.1.2.3", **values})


@pytest.mark.parametrize("given", ["a", "order-17", "9f0c:1.2/3=4+5@6_7", "x" * 64])
def test_id_of_the_caller_is_used(given: str) -> None:
    assert begin(given_id=given).id == given
    assert access_log.current_id() == given


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "a\nb", "é", "-a", '"', "a;b", "a\x00", "a\u0661"])
def test_id_that_may_not_stand_in_a_log_is_replaced(given: str) -> None:
    assert OWN.fullmatch(begin(given_id=given).id)


def test_own_ids_increase_with_time_and_differ() -> None:
    keys = [access_log.new_id() for _ in range(2_000)]
    assert len(set(keys)) == len(keys)
    assert [key[:12] for key in keys] == sorted(key[:12] for key in keys)


@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        (0, "1.1.1.1", "10.1.2.3"),
        (1, "", "10.1.2.3"),
        (1, "6.6.6.6, 1.1.1.1", "1.1.1.1"),
        (2, "6.6.6.6, 1.1.1.1, 2.2.2.2", "1.1.1.1"),
        (3, "1.1.1.1", "1.1.1.1"),
        (1, "x" * 1_000, "x" * 45),
    ],
)
def test_address_is_what_the_outermost_proxy_saw(
    settings: Settings, proxies: int, forwarded: str, expected: str
) -> None:
    settings.CLFSITE_PROXIES = proxies
    assert begin(forwarded=forwarded).address == expected


def line(capfd: pytest.CaptureFixture[str]) -> dict[str, Any]:
    (written,) = capfd.readouterr().err.splitlines()
    result: dict[str, Any] = json.loads(written)
    return result


def test_line_has_who_what_when_and_why(settings: Settings, capfd: pytest.CaptureFixture[str]) -> None:
    settings.CLFSITE_LOG_FORMAT = "json"
    call = begin(given_id="order-17")
    access_log.name_caller("shop")
    access_log.note_errors(["not_a_number", "not_a_number", "", "unknown_feature"])
    access_log.note_reason("invalid_input")
    access_log.end(call, 422)
    found = line(capfd)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found.pop("time"))
    assert 0 <= found.pop("ms") < 10_000
    assert found == {
        "level": "INFO",
        "logger": "clfsite.access",
        "message": "call",
        "request_id": "order-17",
        "method": "POST",
        "path": "/predict",
        "status": 422,
        "caller": "shop",
        "address": "10.1.2.3",
        "codes": ["not_a_number", "unknown_feature"],
    }


@pytest.mark.parametrize("form", ["json", "text"])
@pytest.mark.parametrize("text", ["/a\nb", "/\x1b[31m", "/\ud800", "/é" * 300, "/\u2028"])
def test_text_of_a_caller_cannot_forge_a_line(
    settings: Settings, capfd: pytest.CaptureFixture[str], form: str, text: str
) -> None:
    settings.CLFSITE_LOG_FORMAT = form
    call = begin(path=text, method=text)
    access_log.name_caller(text)
    access_log.note_host(text)
    access_log.end(call, 400)
    (written,) = capfd.readouterr().err.split("\n")[:-1]
    assert "\x1b" not in written
    assert len(written) < 2_000


def test_text_for_people(settings: Settings, capfd: pytest.CaptureFixture[str]) -> None:
    settings.CLFSITE_LOG_FORMAT = "text"
    call = begin(given_id="order-17")
    access_log.name_caller("shop")
    access_log.note_reason("key_expired")
    access_log.end(call, 401)
    written = capfd.readouterr().err
    assert re.fullmatch(
        r"\S+Z INFO clfsite\.access: POST /predict 401 \S+ ms from 10\.1\.2\.3 by shop because of key_expired id "
        r"order-17\n",
        written,
    )


@pytest.mark.parametrize(
    ("path", "status", "is_written"),
    [
        ("/health/ready", 200, False),
        ("/health/ready", 503, True),
        ("/static/a.css", 200, False),
        ("/static/a.css", 404, True),
        ("/metrics", 401, True),
        ("/predict", 200, True),
    ],
)
def test_probes_are_only_logged_if_they_fail(
    capfd: pytest.CaptureFixture[str], path: str, status: int, *, is_written: bool
) -> None:
    access_log.end(begin(path=path), status)
    assert bool(capfd.readouterr().err) is is_written


def test_level_of_the_log_decides(capfd: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("clfsite.access")
    logger.setLevel(logging.WARNING)
    try:
        access_log.end(begin(), 422)
        assert not capfd.readouterr().err
        access_log.end(begin(), 503)
        assert "503" in capfd.readouterr().err
    finally:
        logger.setLevel(logging.NOTSET)


def test_calls_side_by_side_keep_their_ids() -> None:
    async def answer(key: str) -> str:
        begin(given_id=key)
        await asyncio.sleep(0)
        return access_log.current_id()

    async def both() -> list[str]:
        return await asyncio.gather(*(asyncio.create_task(answer(key)) for key in ("a", "b")))

    assert asyncio.run(both()) == ["a", "b"]
    begin(given_id="mine")
    with ThreadPoolExecutor(1) as pool:
        assert not pool.submit(access_log.current_id).result()
    assert access_log.current_id() == "mine"


def test_lines_of_a_turn_are_written_together_and_none_in_two_pieces(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pieces: list[bytes] = []
    monkeypatch.setattr(access_log, "_write", pieces.append)
    lines = access_log._Lines()
    turn = [b"%d" % number + b"x" * 1_000 + b"\n" for number in range(9)]

    async def turns() -> None:
        lines.start(asyncio.get_running_loop())
        for line in turn:
            lines.write(line)
        assert pieces == []
        await asyncio.sleep(0)
        lines.write(b"later\n")
        await asyncio.sleep(0)

    asyncio.run(turns())
    assert pieces == [b"".join(turn[first : first + 4]) for first in (0, 4, 8)] + [b"later\n"]
