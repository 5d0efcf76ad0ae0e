import asyncio
import sys

from aiohttp import web

from common.contract import HELLO, parse_delay, sleep_seconds, slept

routes = web.RouteTableDef()


@routes.get("/hello")
async def hello(request):
    return web.json_response(HELLO)


@routes.get("/sleep/{delay}")
async def sleep(request):
    try:
        delay_ms = parse_delay(request.match_info["delay"])
    except ValueError as error:
        return web.json_response({"error": str(error)}, status=400)
    await asyncio.sleep(sleep_seconds(delay_ms))
    return web.json_response(slept(delay_ms))


app = web.Application()
app.add_routes(routes)

if __name__ == "__main__":
    host, port = sys.argv[1:]
    web.run_app(app, host=host, port=int(port), access_log=None)
