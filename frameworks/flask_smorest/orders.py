import os

from flask.views import MethodView
from flask_smorest import Blueprint, abort
from marshmallow import Schema, fields
from marshmallow.validate import Length, Range
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool
from service import ItemSchema, api, app  # noqa: F401 -- a server loads app

from common.contract.service import COLUMNS, CONNECTIONS, MOST_ID, MOST_ROWS, ONE_ORDER, ORDERS, PLACE, USUAL_ROWS

rows = {"row_factory": dict_row}
pool = ConnectionPool(os.environ["DATABASE"], min_size=CONNECTIONS, max_size=CONNECTIONS, open=True, kwargs=rows)
blueprint = Blueprint("orders", __name__)


class NewOrderSchema(ItemSchema):
    reference = fields.String(load_default=None, allow_none=True, validate=Length(1, 64))
    customer = fields.String(required=True, validate=Length(1, 100))


class OneSchema(Schema):
    number = fields.Integer(required=True, validate=Range(1, MOST_ID))


class PageSchema(Schema):
    after = fields.Integer(load_default=0, validate=Range(0, MOST_ID))
    limit = fields.Integer(load_default=USUAL_ROWS, validate=Range(1, MOST_ROWS))


class OrderSchema(Schema):
    id = fields.Integer()
    reference = fields.String()
    customer = fields.String()
    sku = fields.String()
    quantity = fields.Integer()
    price_cents = fields.Integer()
    placed_at = fields.DateTime()


@blueprint.route("/orders/<number>")
class Order(MethodView):
    @blueprint.arguments(OneSchema, location="path")
    @blueprint.response(200, OrderSchema)
    def get(self, one, number):
        with pool.connection() as connection:
            row = connection.execute(ONE_ORDER.format("%s"), [one["number"]]).fetchone()
        if row is None:
            abort(404)
        return row


@blueprint.route("/orders")
class Orders(MethodView):
    @blueprint.arguments(PageSchema, location="query")
    @blueprint.response(200, OrderSchema(many=True))
    def get(self, page):
        with pool.connection() as connection:
            return connection.execute(ORDERS.format("%s", "%s"), [page["after"], page["limit"]]).fetchall()

    @blueprint.arguments(NewOrderSchema)
    @blueprint.response(201, OrderSchema)
    def post(self, order):
        values = [order[name] for name in COLUMNS if name in order]
        with pool.connection() as connection:
            row = connection.execute(PLACE.format(*["%s"] * 5), values).fetchone()
        if row is None:
            abort(409, message="another order has this reference")
        return row, {"Location": f"/orders/{row['id']}"}


api.register_blueprint(blueprint)
