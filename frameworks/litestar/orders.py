import os
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated

import asyncpg
import msgspec
from litestar import Litestar, Response, get, post
from litestar.datastructures import State
from litestar.exceptions import ClientException, NotFoundException
from litestar.params import Parameter
from msgspec import Meta, Struct
from service import Item, quote

from common.contract.service import CONNECTIONS, MOST_ID, MOST_ROWS, ONE_ORDER, ORDERS, PLACE, USUAL_ROWS, parse_id


class NewOrder(Item, kw_only=True):
    reference: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    customer: Annotated[str, Meta(min_length=1, max_length=100)]


class Order(Struct):
    id: int
    reference: str | None
    customer: str
    sku: str
    quantity: int
    price_cents: int
    placed_at: datetime


@asynccontextmanager
async def database(app):
    async with asyncpg.create_pool(os.environ["DATABASE"], min_size=CONNECTIONS, max_size=CONNECTIONS) as pool:
        app.state.pool = pool
        yield


@get("/orders/{text:str}")  # a path with :int would answer what is none with 404, and a parameter of type int take 1e3
async def order(state: State, text: str) -> Order:
    try:
        row = await state.pool.fetchrow(ONE_ORDER.format("$1"), parse_id(text))
    except ValueError as error:
        raise ClientException(str(error)) from error
    if row is None:
        raise NotFoundException
    return Order(**row)


@get("/orders")
async def orders(
    state: State,
    after: Annotated[int, Parameter(ge=0, le=MOST_ID)] = 0,
    limit: Annotated[int, Parameter(ge=1, le=MOST_ROWS)] = USUAL_ROWS,
) -> list[Order]:
    return [Order(**row) for row in await state.pool.fetch(ORDERS.format("$1", "$2"), after, limit)]


@post("/orders")
async def place(state: State, body: bytes) -> Response[Order]:
    try:
        order = msgspec.json.decode(body, type=NewOrder)  # a parameter data: NewOrder would take "2" for 2
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ClientException(str(error)) from error
    values = order.reference, order.customer, order.sku, order.quantity, order.price_cents
    row = await state.pool.fetchrow(PLACE.format("$1", "$2", "$3", "$4", "$5"), *values)
    if row is None:
        raise ClientException("another order has this reference", status_code=409)
    return Response(Order(**row), headers={"Location": f"/orders/{row['id']}"})


app = Litestar([quote, order, orders, place], lifespan=[database])
