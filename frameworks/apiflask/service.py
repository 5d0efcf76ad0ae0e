from apiflask import APIFlask, Schema
from apiflask.fields import Integer, List, Nested, String
from apiflask.validators import Length, Range
from marshmallow import EXCLUDE


class ItemIn(Schema):
    class Meta:
        unknown = EXCLUDE

    sku = String(required=True, validate=Length(1, 32))
    quantity = Integer(required=True, strict=True, validate=Range(1, 1000))
    price_cents = Integer(required=True, strict=True, validate=Range(0, 1_000_000_000))


class QuoteIn(Schema):
    class Meta:
        unknown = EXCLUDE

    customer = String(required=True, validate=Length(1, 100))
    items = List(Nested(ItemIn), required=True, validate=Length(1, 100))


class PricedOut(Schema):
    customer = String()
    items = Integer()
    total_cents = Integer()


app = APIFlask(__name__)


@app.post("/quotes")
@app.input(QuoteIn)
@app.output(PricedOut, status_code=201)
def quote(json_data):
    total_cents = sum(item["quantity"] * item["price_cents"] for item in json_data["items"])
    return {"customer": json_data["customer"], "items": len(json_data["items"]), "total_cents": total_cents}
