from typing import Annotated

import msgspec
from litestar import Litestar, post
from litestar.exceptions import ClientException
from msgspec import Meta, Struct


class Item(Struct):
    sku: Annotated[str, Meta(min_length=1, max_length=32)]
    quantity: Annotated[int, Meta(ge=1, le=1000)]
    price_cents: Annotated[int, Meta(ge=0, le=1_000_000_000)]


class Quote(Struct):
    customer: Annotated[str, Meta(min_length=1, max_length=100)]
    items: Annotated[list[Item], Meta(min_length=1, max_length=100)]


class Priced(Struct):
    customer: str
    items: int
    total_cents: int


@post("/quotes")
async def quote(body: bytes) -> Priced:
    try:
        quote = msgspec.json.decode(body, type=Quote)  # a parameter data: Quote would take "2" for 2
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ClientException(str(error)) from error
    total_cents = sum(item.quantity * item.price_cents for item in quote.items)
    return Priced(customer=quote.customer, items=len(quote.items), total_cents=total_cents)


app = Litestar([quote])
