import asyncio

from sanic import Sanic, json

from common.contract import HELLO, parse_delay, sleep_seconds, slept

app = Sanic("contract")
app.config.RESPONSE_TIMEOUT = 90  # the default of 60 s answers the longest delay, of 60 s, with 503


@app.get("/hello")
async def hello(request):
    return json(HELLO)


@app.get("/sleep/<delay:str>")
async def sleep(request, delay):
    try:
        delay_ms = parse_delay(delay)
    except ValueError as error:
        return json({"error": str(error)}, status=400)
    await asyncio.sleep(sleep_seconds(delay_ms))
    return json(slept(delay_ms))
