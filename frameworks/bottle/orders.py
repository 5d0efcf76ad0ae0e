import json
import os
from functools import wraps

from bottle import abort, request, response
from psycopg_pool import ConnectionPool
from service import app

from common.contract.service import CONNECTIONS, ONE_ORDER, ORDERS, PLACE, as_json, parse_id, parse_order, parse_page

pool = ConnectionPool(os.environ["DATABASE"], min_size=CONNECTIONS, max_size=CONNECTIONS, open=True)


@app.install
def refuse(callback):
    @wraps(callback)
    def checked(**values):
        try:
            return callback(**values)
        except ValueError as error:
            abort(400, str(error))

    return checked


@app.get("/orders/<text>")
def order(text):
    with pool.connection() as connection:
        row = connection.execute(ONE_ORDER.format("%s"), [parse_id(text)]).fetchone()
    if row is None:
        abort(404)
    return as_json(row)


@app.get("/orders")
def orders():
    page = parse_page(request.query.get("after"), request.query.get("limit"))
    with pool.connection() as connection:
        rows = connection.execute(ORDERS.format("%s", "%s"), page).fetchall()
    response.content_type = "application/json"
    return json.dumps([as_json(row) for row in rows])  # Bottle makes JSON of a dict, and of nothing else


@app.post("/orders")
def place():
    order = parse_order(request.json)
    with pool.connection() as connection:
        row = connection.execute(PLACE.format(*["%s"] * 5), order).fetchone()
    if row is None:
        response.status = 409
        return {"error": "another order has this reference"}
    response.status = 201
    response.headers["Location"] = f"/orders/{row[0]}"
    return as_json(row)
