import json
import time

from bottle import Bottle, response

from common.contract import HELLO, parse_delay, sleep_seconds, slept

app = Bottle()


@app.get("/hello")
def hello():
    response.content_type = "application/json"  # Bottle encodes only dicts as JSON by itself
    return json.dumps(HELLO)


@app.get("/sleep/<delay>")
def sleep(delay):
    try:
        delay_ms = parse_delay(delay)
    except ValueError as error:
        response.status = 400
        return {"error": str(error)}
    time.sleep(sleep_seconds(delay_ms))
    response.content_type = "application/json"
    return json.dumps(slept(delay_ms))
