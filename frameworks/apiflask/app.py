import time

from apiflask import APIFlask
from flask import jsonify

from common.contract import HELLO, parse_delay, sleep_seconds, slept

app = APIFlask(__name__)


@app.get("/hello")
def hello():
    return jsonify(HELLO)


@app.get("/sleep/<delay>")
def sleep(delay):
    try:
        delay_ms = parse_delay(delay)
    except ValueError as error:
        return {"error": str(error)}, 400
    time.sleep(sleep_seconds(delay_ms))
    return jsonify(slept(delay_ms))
