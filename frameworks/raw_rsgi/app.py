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


async def app(scope, protocol):
    headers = [("content-type", "application/json")]
    match scope.method, scope.path.split("/"):
        case "GET", ["", "hello"]:
            status, answer = 200, HELLO
        case "GET", ["", "sleep", delay]:
            status, answer = await sleep(delay)
        case _, ["", "hello"] | ["", "sleep", _]:
            status, answer = 405, {"error": "only GET is allowed"}
            headers.append(("allow", "GET"))
        case _:
            status, answer = 404, {"error": "not found"}
    protocol.response_str(status, headers, json.dumps(answer))
