import os

from apiflask import Schema, abort
from apiflask.fields import DateTime, Integer, String
from apiflask.validators import Length, Range
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool
from service import ItemIn, app

from common.contract.service import COLUMNS, CONNECTIONS, MOST_ID, MOST_ROWS, ONE_ORDER, ORDERS, PLACE, USUAL_ROWS

rows = {"row_factory": dict_row}
pool = ConnectionPool(os.environ["DATABASE"], min_size=CONNECTIONS, max_size=CONNECTIONS, open=True, kwargs=rows)


class OrderIn(ItemIn):
    reference = String(load_default=None, allow_none=True, validate=Length(1, 64))
    customer = String(required=True, validate=Length(1, 100))


class OneIn(Schema):
    number = Integer(required=True, validate=Range(1, MOST_ID))


class PageIn(Schema):
    after = Integer(load_default=0, validate=Range(0, MOST_ID))
    limit = Integer(load_default=USUAL_ROWS, validate=Range(1, MOST_ROWS))


class OrderOut(Schema):
    id = Integer()
    reference = String()
    customer = String()
    sku = String()
    quantity = Integer()
    price_cents = Integer()
    placed_at = DateTime()


@app.get("/orders/<number>")
@app.input(OneIn, location="path")
@app.output(OrderOut)
def order(number, path_data):
    with pool.connection() as connection:
        row = connection.execute(ONE_ORDER.format("%s"), [path_data["number"]]).fetchone()
    if row is None:
        abort(404)
    return row


@app.get("/orders")
@app.input(PageIn, location="query")
@app.output(OrderOut(many=True))
def orders(query_data):
    with pool.connection() as connection:
        return connection.execute(ORDERS.format("%s", "%s"), [query_data["after"], query_data["limit"]]).fetchall()


@app.post("/orders")
@app.input(OrderIn)
@app.output(OrderOut, status_code=201)
def place(json_data):
    values = [json_data[name] for name in COLUMNS if name in json_data]
    with pool.connection() as connection:
        row = connection.execute(PLACE.format(*["%s"] * 5), values).fetchone()
    if row is None:
        abort(409, "another order has this reference")
    return row, 201, {"Location": f"/orders/{row['id']}"}
