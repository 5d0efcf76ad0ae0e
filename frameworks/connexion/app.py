import asyncio

from connexion import AsyncApp

from common.contract import HELLO, parse_delay, sleep_seconds, slept


async def hello():
    return HELLO


async def sleep(delay):
    try:
        delay_ms = parse_delay(delay)
    except ValueError as error:
        return {"error": str(error)}, 400
    await asyncio.sleep(sleep_seconds(delay_ms))
    return slept(delay_ms)


app = AsyncApp(__name__)
app.add_api("openapi.yaml")
