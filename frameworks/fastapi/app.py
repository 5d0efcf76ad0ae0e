import asyncio

from fastapi import FastAPI
from fastapi.responses import JSONResponse

from common.contract import HELLO, parse_delay, sleep_seconds, slept

app = FastAPI()


@app.get("/hello")
async def hello():
    return HELLO


@app.get("/sleep/{delay}")
async def sleep(delay: str):
    try:
        delay_ms = parse_delay(delay)
    except ValueError as error:
        return JSONResponse({"error": str(error)}, status_code=400)
    await asyncio.sleep(sleep_seconds(delay_ms))
    return slept(delay_ms)
