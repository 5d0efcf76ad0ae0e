import asyncio
import json

from microdot.asgi import Microdot

from common.contract import HELLO, parse_delay, sleep_seconds, slept

JSON = {"Content-Type": "application/json"}  # Microdot encodes only dicts and lists as JSON by itself
app = Microdot()


@app.get("/hello")
async def hello(request):
    return json.dumps(HELLO), JSON


@app.get("/sleep/<delay>")
async def sleep(request, delay):
    try:
        delay_ms = parse_delay(delay)
    except ValueError as error:
        return {"error": str(error)}, 400
    await asyncio.sleep(sleep_seconds(delay_ms))
    return json.dumps(slept(delay_ms)), JSON


@app.errorhandler(405)
async def other_method(request):
    return {"error": "only GET is allowed"}, 405, {"Allow": "GET"}  # Microdot sends 405 without Allow
