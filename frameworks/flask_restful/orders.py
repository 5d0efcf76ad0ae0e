import os
from functools import wraps

from flask import request
from flask_restful import Resource, abort
from psycopg_pool import ConnectionPool
from service import api, app

from common.contract.service import CONNECTIONS, ONE_ORDER, ORDERS, PLACE, as_json, parse_id, parse_order, parse_page

__all__ = ["app"]

pool = ConnectionPool(os.environ["DATABASE"], min_size=CONNECTIONS, max_size=CONNECTIONS, open=True)


def refuse(view):
    @wraps(view)
    def checked(**values):
        try:
            return view(**values)
        except ValueError as error:
            abort(400, message=str(error))

    return checked


class Order(Resource):
    method_decorators = [refuse]  # noqa: RUF012 -- as its manual has it

    def get(self, text):
        with pool.connection() as connection:
            row = connection.execute(ONE_ORDER.format("%s"), [parse_id(text)]).fetchone()
        if row is None:
            abort(404)
        return as_json(row)


class Orders(Resource):
    method_decorators = [refuse]  # noqa: RUF012

    def get(self):
        page = parse_page(request.args.get("after"), request.args.get("limit"))
        with pool.connection() as connection:
            rows = connection.execute(ORDERS.format("%s", "%s"), page).fetchall()
        return [as_json(row) for row in rows]

    def post(self):
        order = parse_order(request.get_json())
        with pool.connection() as connection:
            row = connection.execute(PLACE.format(*["%s"] * 5), order).fetchone()
        if row is None:
            abort(409, message="another order has this reference")
        return as_json(row), 201, {"Location": f"/orders/{row[0]}"}


api.add_resource(Orders, "/orders")
api.add_resource(Order, "/orders/<text>")
