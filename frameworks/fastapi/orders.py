import os
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated

import asyncpg
from fastapi import FastAPI, HTTPException, Path, Query, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from service import Item, quote
from starlette.routing import Match

from common.contract.service import CONNECTIONS, MOST_ID, MOST_ROWS, ONE_ORDER, ORDERS, PLACE, USUAL_ROWS


class NewOrder(Item):
    reference: str | None = Field(default=None, min_length=1, max_length=64)
    customer: str = Field(min_length=1, max_length=100)


class Order(BaseModel):
    id: int
    reference: str | None
    customer: str
    sku: str
    quantity: int
    price_cents: int
    placed_at: datetime


@asynccontextmanager
async def lifespan(app):
    app.state.pool = await asyncpg.create_pool(os.environ["DATABASE"], min_size=CONNECTIONS, max_size=CONNECTIONS)
    yield
    await app.state.pool.close()


app = FastAPI(lifespan=lifespan)
app.post("/quotes", status_code=201)(quote)


@app.exception_handler(405)
async def not_allowed(request, error):
    fitting = [route for route in app.routes if route.matches(request.scope)[0] is not Match.NONE]
    allowed = ", ".join(sorted({method for route in fitting for method in route.methods}))
    return JSONResponse({"detail": error.detail}, 405, {"Allow": allowed})


@app.get("/orders/{number}")
async def order(number: Annotated[int, Path(ge=1, le=MOST_ID)]) -> Order:
    row = await app.state.pool.fetchrow(ONE_ORDER.format("$1"), number)
    if row is None:
        raise HTTPException(404)
    return Order(**row)


@app.get("/orders")
async def orders(
    after: Annotated[int, Query(ge=0, le=MOST_ID)] = 0, limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = USUAL_ROWS
) -> list[Order]:
    return [Order(**row) for row in await app.state.pool.fetch(ORDERS.format("$1", "$2"), after, limit)]


@app.post("/orders", status_code=201)
async def place(order: NewOrder, response: Response) -> Order:
    values = order.reference, order.customer, order.sku, order.quantity, order.price_cents
    row = await app.state.pool.fetchrow(PLACE.format("$1", "$2", "$3", "$4", "$5"), *values)
    if row is None:
        raise HTTPException(409, "another order has this reference")
    response.headers["Location"] = f"/orders/{row['id']}"
    return Order(**row)
