import os

import asyncpg
from quart import abort, jsonify, request
from service import app

from common.contract.service import CONNECTIONS, ONE_ORDER, ORDERS, PLACE, as_json, parse_id, parse_order, parse_page


@app.while_serving
async def database():
    async with asyncpg.create_pool(os.environ["DATABASE"], min_size=CONNECTIONS, max_size=CONNECTIONS) as app.pool:
        yield


@app.errorhandler(ValueError)
async def invalid(error):
    return jsonify(error=str(error)), 400


@app.get("/orders/<text>")
async def order(text):
    row = await app.pool.fetchrow(ONE_ORDER.format("$1"), parse_id(text))
    if row is None:
        abort(404)
    return jsonify(as_json(row))


@app.get("/orders")
async def orders():
    page = parse_page(request.args.get("after"), request.args.get("limit"))
    return jsonify([as_json(row) for row in await app.pool.fetch(ORDERS.format("$1", "$2"), *page)])


@app.post("/orders")
async def place():
    order = parse_order(await request.get_json())
    row = await app.pool.fetchrow(PLACE.format("$1", "$2", "$3", "$4", "$5"), *order)
    if row is None:
        abort(409, "another order has this reference")
    return jsonify(as_json(row)), 201, {"Location": f"/orders/{row['id']}"}
