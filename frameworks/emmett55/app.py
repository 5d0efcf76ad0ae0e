import asyncio

from emmett55 import App, response
from emmett55.tools import service

from common.contract import HELLO, parse_delay, sleep_seconds, slept

app = App(__name__, root_path="/nonexistent")  # elsewhere it makes folders for logs and static files


@app.route("/hello", methods="get")
@service.json
async def hello():
    return HELLO


@app.route("/sleep/<str:delay>", methods="get")
@service.json
async def sleep(delay):
    try:
        delay_ms = parse_delay(delay)
    except ValueError as error:
        response.status = 400
        return {"error": str(error)}
    await asyncio.sleep(sleep_seconds(delay_ms))
    return slept(delay_ms)


OTHER_METHODS = ["post", "put", "patch", "delete", "propfind"]  # without these routes Emmett55 answers them with 404


@app.route(["/hello", "/sleep/<str:delay>"], methods=OTHER_METHODS)
@service.json
async def other_method(delay=None):
    response.status = 405
    response.headers["allow"] = "GET"
    return {"error": "only GET is allowed"}
