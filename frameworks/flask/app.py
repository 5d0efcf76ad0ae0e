import time

from flask import Flask, jsonify

from common.contract import HELLO, parse_delay, sleep_seconds, slept

app = Flask(__name__)


@app.get("/hello")
def hello():
    return jsonify(HELLO)


@app.get("/sleep/<delay>")
def sleep(delay):
    try:
        delay_ms = parse_delay(delay)
    except ValueError as error:
        return jsonify(error=str(error)), 400
    time.sleep(sleep_seconds(delay_ms))
    return jsonify(slept(delay_ms))
