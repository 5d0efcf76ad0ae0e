import asyncio
import json

from common.contract import HELLO, parse_delay, sleep_seconds, slept


async def sleep(delay):
    try:
        delay_ms = parse_delay(delay)
    except ValueError as error:
        return 400, {"error": str(error)}
    await asyncio.sleep(sleep_seconds(delay_ms))
    return 200, slept(delay_ms)


async def app(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])  # the way to decline the lifespan protocol
    headers = [(b"content-type", b"application/json")]
    match scope["method"], scope["path"].split("/"):
        case "GET", ["", "hello"]:
            status, answer = 200, HELLO
        case "GET", ["", "sleep", delay]:
            status, answer = await sleep(delay)
        case _, ["", "hello"] | ["", "sleep", _]:
            status, answer = 405, {"error": "only GET is allowed"}
            headers.append((b"allow", b"GET"))
        case _:
            status, answer = 404, {"error": "not found"}
    body = json.dumps(answer).encode()
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
