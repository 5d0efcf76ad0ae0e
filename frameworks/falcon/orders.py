import os

import falcon
from psycopg_pool import ConnectionPool
from service import app

from common.contract.service import CONNECTIONS, ONE_ORDER, ORDERS, PLACE, as_json, parse_id, parse_order, parse_page

pool = ConnectionPool(os.environ["DATABASE"], min_size=CONNECTIONS, max_size=CONNECTIONS, open=True)


class OrderResource:
    def on_get(self, req, resp, text):
        with pool.connection() as connection:
            row = connection.execute(ONE_ORDER.format("%s"), [parse_id(text)]).fetchone()
        if row is None:
            raise falcon.HTTPNotFound
        resp.media = as_json(row)


class OrdersResource:
    def on_get(self, req, resp):
        page = parse_page(req.get_param("after"), req.get_param("limit"))
        with pool.connection() as connection:
            rows = connection.execute(ORDERS.format("%s", "%s"), page).fetchall()
        resp.media = [as_json(row) for row in rows]

    def on_post(self, req, resp):
        order = parse_order(req.media)
        with pool.connection() as connection:
            row = connection.execute(PLACE.format(*["%s"] * 5), order).fetchone()
        if row is None:
            raise falcon.HTTPConflict(description="another order has this reference")
        resp.media = as_json(row)
        resp.status = falcon.HTTP_201
        resp.location = f"/orders/{row[0]}"


def invalid(req, resp, error, params):
    raise falcon.HTTPBadRequest(description=str(error))


app.add_error_handler(ValueError, invalid)
app.add_route("/orders", OrdersResource())
app.add_route("/orders/{text}", OrderResource())
