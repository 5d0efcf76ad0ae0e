import os
import sys

import asyncpg
from aiohttp import web
from service import app

from common.contract.service import CONNECTIONS, ONE_ORDER, ORDERS, PLACE, as_json, parse_id, parse_order, parse_page

POOL = web.AppKey("pool", asyncpg.Pool)
routes = web.RouteTableDef()


async def database(app):
    async with asyncpg.create_pool(os.environ["DATABASE"], min_size=CONNECTIONS, max_size=CONNECTIONS) as app[POOL]:
        yield


@web.middleware
async def refuse(request, handler):
    try:
        return await handler(request)
    except ValueError as error:  # invalid JSON and UTF-8 raise one, too
        return web.json_response({"error": str(error)}, status=400)


@routes.get("/orders/{text}")
async def order(request):
    row = await request.app[POOL].fetchrow(ONE_ORDER.format("$1"), parse_id(request.match_info["text"]))
    if row is None:
        raise web.HTTPNotFound
    return web.json_response(as_json(row))


@routes.get("/orders")
async def orders(request):
    page = parse_page(request.query.get("after"), request.query.get("limit"))
    rows = await request.app[POOL].fetch(ORDERS.format("$1", "$2"), *page)
    return web.json_response([as_json(row) for row in rows])


@routes.post("/orders")
async def place(request):
    order = parse_order(await request.json())
    row = await request.app[POOL].fetchrow(PLACE.format("$1", "$2", "$3", "$4", "$5"), *order)
    if row is None:
        return web.json_response({"error": "another order has this reference"}, status=409)
    return web.json_response(as_json(row), status=201, headers={"Location": f"/orders/{row['id']}"})


app.cleanup_ctx.append(database)
app.middlewares.append(refuse)
app.add_routes(routes)

if __name__ == "__main__":
    host, port = sys.argv[1:]
    web.run_app(app, host=host, port=int(port), access_log=None)
