import json
import os
import sys

import asyncpg
from robyn import Response, jsonify
from service import JSON, app

from common.contract.service import CONNECTIONS, ONE_ORDER, ORDERS, PLACE, as_json, parse_id, parse_order, parse_page

state = {}


@app.startup_handler
async def connect():
    state["pool"] = await asyncpg.create_pool(os.environ["DATABASE"], min_size=CONNECTIONS, max_size=CONNECTIONS)


@app.shutdown_handler
async def disconnect():
    await state["pool"].close()


@app.exception
def invalid(error):
    if not isinstance(error, ValueError):
        raise error
    return Response(400, JSON, jsonify({"error": str(error)}))


@app.get("/orders/:text")
async def order(request):
    row = await state["pool"].fetchrow(ONE_ORDER.format("$1"), parse_id(request.path_params["text"]))
    return Response(404, {}, "") if row is None else Response(200, JSON, jsonify(as_json(row)))


@app.get("/orders")
async def orders(request):
    page = parse_page(request.query_params.get("after", None), request.query_params.get("limit", None))
    rows = await state["pool"].fetch(ORDERS.format("$1", "$2"), *page)
    return Response(200, JSON, jsonify([as_json(row) for row in rows]))


@app.post("/orders")
async def place(request):
    order = parse_order(json.loads(request.body))
    row = await state["pool"].fetchrow(PLACE.format("$1", "$2", "$3", "$4", "$5"), *order)
    if row is None:
        return Response(409, JSON, jsonify({"error": "another order has this reference"}))
    return Response(201, JSON | {"Location": f"/orders/{row['id']}"}, jsonify(as_json(row)))


async def not_an_order(request):
    return Response(405, {"Allow": "GET"}, "")


async def not_orders(request):
    return Response(405, {"Allow": "GET, POST"}, "")


for route in (app.put, app.patch, app.delete):  # without these routes Robyn returns 404
    route("/orders")(not_orders)
    route("/orders/:text")(not_an_order)
app.post("/orders/:text")(not_an_order)

if __name__ == "__main__":
    host, port, *_ = sys.argv[1:]
    app.start(host=host, port=int(port))
