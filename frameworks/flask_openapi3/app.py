import time

from flask import jsonify
from flask_openapi3 import OpenAPI
from pydantic import BaseModel

from common.contract import HELLO, parse_delay, sleep_seconds, slept

app = OpenAPI(__name__)


class SleepPath(BaseModel):
    delay: str


@app.get("/hello")
def hello():
    return jsonify(HELLO)


@app.get("/sleep/<delay>")
def sleep(path: SleepPath):
    try:
        delay_ms = parse_delay(path.delay)
    except ValueError as error:
        return jsonify(error=str(error)), 400
    time.sleep(sleep_seconds(delay_ms))
    return jsonify(slept(delay_ms))
