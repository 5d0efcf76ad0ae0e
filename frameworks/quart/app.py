import asyncio

from quart import Quart, jsonify

from common.contract import HELLO, parse_delay, sleep_seconds, slept

app = Quart(__name__)


@app.get("/hello")
async def hello():
    return jsonify(HELLO)


@app.get("/sleep/<delay>")
async def sleep(delay):
    try:
        delay_ms = parse_delay(delay)
    except ValueError as error:
        return jsonify(error=str(error)), 400
    await asyncio.sleep(sleep_seconds(delay_ms))
    return jsonify(slept(delay_ms))
