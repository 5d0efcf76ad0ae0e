import os

import asyncpg
from sanic import NotFound, SanicException, json
from service import app

from common.contract.service import CONNECTIONS, ONE_ORDER, ORDERS, PLACE, as_json, parse_id, parse_order, parse_page


@app.before_server_start
async def connect(app):
    app.ctx.pool = await asyncpg.create_pool(os.environ["DATABASE"], min_size=CONNECTIONS, max_size=CONNECTIONS)


@app.after_server_stop
async def disconnect(app):
    await app.ctx.pool.close()


@app.exception(ValueError)
async def invalid(request, error):
    return json({"error": str(error)}, status=400)


@app.get("/orders/<text:str>")
async def order(request, text):
    row = await request.app.ctx.pool.fetchrow(ONE_ORDER.format("$1"), parse_id(text))
    if row is None:
        raise NotFound
    return json(as_json(row))


@app.get("/orders")
async def orders(request):
    given = request.get_args(keep_blank_values=True)
    page = parse_page(given.get("after"), given.get("limit"))
    rows = await request.app.ctx.pool.fetch(ORDERS.format("$1", "$2"), *page)
    return json([as_json(row) for row in rows])


@app.post("/orders")
async def place(request):
    order = parse_order(request.json)
    row = await request.app.ctx.pool.fetchrow(PLACE.format("$1", "$2", "$3", "$4", "$5"), *order)
    if row is None:
        raise SanicException("another order has this reference", status_code=409)
    return json(as_json(row), status=201, headers={"Location": f"/orders/{row['id']}"})
