import asyncio
import sys

from robyn import Response, Robyn, jsonify

from common.contract import HELLO, parse_delay, sleep_seconds, slept

JSON = {"Content-Type": "application/json"}
app = Robyn(__file__)


@app.get("/hello")
async def hello(request):
    return Response(200, JSON, jsonify(HELLO))


@app.get("/sleep/:delay")
async def sleep(request):
    try:
        delay_ms = parse_delay(request.path_params["delay"])
    except ValueError as error:
        return Response(400, JSON, jsonify({"error": str(error)}))
    await asyncio.sleep(sleep_seconds(delay_ms))
    return Response(200, JSON, jsonify(slept(delay_ms)))


async def other_method(request):
    return Response(405, {"Allow": "GET"}, "")


for route in (app.post, app.put, app.patch, app.delete):  # without these routes Robyn answers 404
    route("/hello")(other_method)
    route("/sleep/:delay")(other_method)

if __name__ == "__main__":
    host, port, *_ = sys.argv[1:]
    app.start(host=host, port=int(port))
