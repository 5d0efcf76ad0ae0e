import json
import time

from common.contract import HELLO, parse_delay, sleep_seconds, slept


def hello():
    return "200 OK", HELLO


def sleep(delay):
    try:
        delay_ms = parse_delay(delay)
    except ValueError as error:
        return "400 Bad Request", {"error": str(error)}
    time.sleep(sleep_seconds(delay_ms))
    return "200 OK", slept(delay_ms)


def app(environ, start_response):
    headers = [("Content-Type", "application/json")]
    match environ["REQUEST_METHOD"], environ["PATH_INFO"].split("/"):
        case "GET", ["", "hello"]:
            status, answer = hello()
        case "GET", ["", "sleep", delay]:
            status, answer = sleep(delay)
        case _, ["", "hello"] | ["", "sleep", _]:
            status, answer = "405 Method Not Allowed", {"error": "only GET is allowed"}
            headers.append(("Allow", "GET"))
        case _:
            status, answer = "404 Not Found", {"error": "not found"}
    body = json.dumps(answer).encode()
    start_response(status, [*headers, ("Content-Length", str(len(body)))])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]
