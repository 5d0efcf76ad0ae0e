import asyncio
import os
import sys

import asyncpg
from service import JsonHandler, Quotes
from tornado import escape, web

from common.contract.service import CONNECTIONS, ONE_ORDER, ORDERS, PLACE, as_json, parse_id, parse_order, parse_page


class Order(JsonHandler):
    allowed = "GET"

    async def get(self, text):
        try:
            number = parse_id(text)
        except ValueError as error:
            return self.refuse(error)
        row = await self.settings["pool"].fetchrow(ONE_ORDER.format("$1"), number)
        if row is None:
            raise web.HTTPError(404)
        return self.write(as_json(row))


class Orders(JsonHandler):
    allowed = "GET, POST"

    async def get(self):
        try:
            page = parse_page(*(self.get_query_argument(name, None, strip=False) for name in ("after", "limit")))
        except ValueError as error:
            return self.refuse(error)
        rows = await self.settings["pool"].fetch(ORDERS.format("$1", "$2"), *page)
        return self.write(escape.json_encode([as_json(row) for row in rows]))

    async def post(self):
        try:
            order = parse_order(escape.json_decode(self.request.body))
        except ValueError as error:  # invalid JSON and UTF-8 raise one, too
            return self.refuse(error)
        row = await self.settings["pool"].fetchrow(PLACE.format("$1", "$2", "$3", "$4", "$5"), *order)
        if row is None:
            raise web.HTTPError(409)
        self.set_status(201)
        self.set_header("Location", f"/orders/{row['id']}")
        return self.write(as_json(row))


async def main(host, port):
    routes = [("/quotes", Quotes), ("/orders", Orders), ("/orders/([^/]+)", Order)]
    async with asyncpg.create_pool(os.environ["DATABASE"], min_size=CONNECTIONS, max_size=CONNECTIONS) as pool:
        web.Application(routes, pool=pool, log_function=lambda _: None).listen(int(port), host)
        await asyncio.Event().wait()


asyncio.run(main(*sys.argv[1:]))
