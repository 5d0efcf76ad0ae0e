import asyncio

from blacksheep import Application, Response, get, json, not_found

from common.contract import HELLO, parse_delay, sleep_seconds, slept

app = Application()


@get("/hello")
async def hello():
    return json(HELLO)


@get("/sleep/{delay}")
async def sleep(delay: str):
    try:
        delay_ms = parse_delay(delay)
    except ValueError as error:
        return json({"error": str(error)}, status=400)
    await asyncio.sleep(sleep_seconds(delay_ms))
    return json(slept(delay_ms))


async def other_request(request):  # without it BlackSheep answers another method with 404
    if app.router.get_matching_route("GET", request.path) is None:
        return not_found()
    return Response(405, [(b"Allow", b"GET")])


app.router.fallback = other_request
