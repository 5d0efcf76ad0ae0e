import asyncio

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from common.contract import HELLO, parse_delay, sleep_seconds, slept


async def hello(request):
    return JSONResponse(HELLO)


async def sleep(request):
    try:
        delay_ms = parse_delay(request.path_params["delay"])
    except ValueError as error:
        return JSONResponse({"error": str(error)}, status_code=400)
    await asyncio.sleep(sleep_seconds(delay_ms))
    return JSONResponse(slept(delay_ms))


app = Starlette(routes=[Route("/hello", hello), Route("/sleep/{delay}", sleep)])
