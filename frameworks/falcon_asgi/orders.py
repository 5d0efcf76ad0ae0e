import os

import asyncpg
import falcon
from service import app

from common.contract.service import CONNECTIONS, ONE_ORDER, ORDERS, PLACE, as_json, parse_id, parse_order, parse_page


class Database:
    async def process_startup(self, scope, event):
        self.pool = await asyncpg.create_pool(os.environ["DATABASE"], min_size=CONNECTIONS, max_size=CONNECTIONS)

    async def process_shutdown(self, scope, event):
        await self.pool.close()


class OrderResource:
    def __init__(self, database):
        self.database = database

    async def on_get(self, req, resp, text):
        row = await self.database.pool.fetchrow(ONE_ORDER.format("$1"), parse_id(text))
        if row is None:
            raise falcon.HTTPNotFound
        resp.media = as_json(row)


class OrdersResource:
    def __init__(self, database):
        self.database = database

    async def on_get(self, req, resp):
        page = parse_page(req.get_param("after"), req.get_param("limit"))
        rows = await self.database.pool.fetch(ORDERS.format("$1", "$2"), *page)
        resp.media = [as_json(row) for row in rows]

    async def on_post(self, req, resp):
        order = parse_order(await req.get_media())
        row = await self.database.pool.fetchrow(PLACE.format("$1", "$2", "$3", "$4", "$5"), *order)
        if row is None:
            raise falcon.HTTPConflict(description="another order has this reference")
        resp.media = as_json(row)
        resp.status = falcon.HTTP_201
        resp.location = f"/orders/{row['id']}"


async def invalid(req, resp, error, params):
    raise falcon.HTTPBadRequest(description=str(error))


database = Database()
app.add_middleware(database)
app.add_error_handler(ValueError, invalid)
app.add_route("/orders", OrdersResource(database))
app.add_route("/orders/{text}", OrderResource(database))
