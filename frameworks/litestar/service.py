from typing import Annotated

from litestar import Litestar, post
from litestar.dto import MsgspecDTO
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


@post("/quotes", dto=MsgspecDTO[Quote], return_dto=None)
async def quote(data: Quote) -> Priced:
    total_cents = sum(item.quantity * item.price_cents for item in data.items)
    return Priced(customer=data.customer, items=len(data.items), total_cents=total_cents)


app = Litestar([quote])
