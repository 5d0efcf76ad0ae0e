import json
import sys

from robyn import Response, Robyn, jsonify

from common.contract.service import price_quote

JSON = {"Content-Type": "application/json"}
app = Robyn(__file__)


@app.post("/quotes")
async def quote(request):
    try:
        return Response(201, JSON, jsonify(price_quote(json.loads(request.body))))
    except ValueError as error:  # invalid JSON and UTF-8 raise one, too
        return Response(400, JSON, jsonify({"error": str(error)}))


async def other_method(request):
    return Response(405, {"Allow": "POST"}, "")


for route in (app.get, app.put, app.patch, app.delete):  # without these routes Robyn returns 404
    route("/quotes")(other_method)

if __name__ == "__main__":
    host, port, *_ = sys.argv[1:]
    app.start(host=host, port=int(port))
