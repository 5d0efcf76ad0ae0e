from flask import Flask
from flask.views import MethodView
from flask_smorest import Api, Blueprint
from marshmallow import EXCLUDE, Schema, fields
from marshmallow.validate import Length, Range


class ItemSchema(Schema):
    class Meta:
        unknown = EXCLUDE

    sku = fields.String(required=True, validate=Length(1, 32))
    quantity = fields.Integer(required=True, strict=True, validate=Range(1, 1000))
    price_cents = fields.Integer(required=True, strict=True, validate=Range(0, 1_000_000_000))


class QuoteSchema(Schema):
    class Meta:
        unknown = EXCLUDE

    customer = fields.String(required=True, validate=Length(1, 100))
    items = fields.List(fields.Nested(ItemSchema), required=True, validate=Length(1, 100))


class PricedSchema(Schema):
    customer = fields.String()
    items = fields.Integer()
    total_cents = fields.Integer()


app = Flask(__name__)
app.config |= {"API_TITLE": "Benchmark", "API_VERSION": "1", "OPENAPI_VERSION": "3.1.0"}
api = Api(app)
blueprint = Blueprint("service", __name__)


@blueprint.route("/quotes")
class Quotes(MethodView):
    @blueprint.arguments(QuoteSchema)
    @blueprint.response(201, PricedSchema)
    def post(self, quote):
        total_cents = sum(item["quantity"] * item["price_cents"] for item in quote["items"])
        return {"customer": quote["customer"], "items": len(quote["items"]), "total_cents": total_cents}


api.register_blueprint(blueprint)
app.register_error_handler(405, lambda error: error)  # the handler of flask-smorest drops the header Allow
