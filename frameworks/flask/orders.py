import os

from flask import abort, jsonify, request
from psycopg_pool import ConnectionPool
from service import app

from common.contract.service import CONNECTIONS, ONE_ORDER, ORDERS, PLACE, as_json, parse_id, parse_order, parse_page

pool = ConnectionPool(os.environ["DATABASE"], min_size=CONNECTIONS, max_size=CONNECTIONS, open=True)


@app.errorhandler(ValueError)
def invalid(error):
    return jsonify(error=str(error)), 400


@app.get("/orders/<text>")
def order(text):
    with pool.connection() as connection:
        row = connection.execute(ONE_ORDER.format("%s"), [parse_id(text)]).fetchone()
    if row is None:
        abort(404)
    return jsonify(as_json(row))


@app.get("/orders")
def orders():
    page = parse_page(request.args.get("after"), request.args.get("limit"))
    with pool.connection() as connection:
        rows = connection.execute(ORDERS.format("%s", "%s"), page).fetchall()
    return jsonify([as_json(row) for row in rows])


@app.post("/orders")
def place():
    order = parse_order(request.get_json())
    with pool.connection() as connection:
        row = connection.execute(PLACE.format(*["%s"] * 5), order).fetchone()
    if row is None:
        abort(409, "another order has this reference")
    return jsonify(as_json(row)), 201, {"Location": f"/orders/{row[0]}"}
