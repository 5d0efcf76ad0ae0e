import os
from contextlib import asynccontextmanager

import asyncpg
from service import quote
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Route

from common.contract.service import CONNECTIONS, ONE_ORDER, ORDERS, PLACE, as_json, parse_id, parse_order, parse_page


@asynccontextmanager
async def lifespan(app):
    async with asyncpg.create_pool(os.environ["DATABASE"], min_size=CONNECTIONS, max_size=CONNECTIONS) as pool:
        yield {"pool": pool}


async def invalid(request, error):
    return JSONResponse({"error": str(error)}, status_code=400)


async def order(request):
    row = await request.state.pool.fetchrow(ONE_ORDER.format("$1"), parse_id(request.path_params["text"]))
    if row is None:
        raise HTTPException(404)
    return JSONResponse(as_json(row))


class Orders(HTTPEndpoint):
    async def get(self, request):
        page = parse_page(request.query_params.get("after"), request.query_params.get("limit"))
        rows = await request.state.pool.fetch(ORDERS.format("$1", "$2"), *page)
        return JSONResponse([as_json(row) for row in rows])

    async def post(self, request):
        order = parse_order(await request.json())
        row = await request.state.pool.fetchrow(PLACE.format("$1", "$2", "$3", "$4", "$5"), *order)
        if row is None:
            return JSONResponse({"error": "another order has this reference"}, status_code=409)
        return JSONResponse(as_json(row), status_code=201, headers={"Location": f"/orders/{row['id']}"})


app = Starlette(
    routes=[
        Route("/quotes", quote, methods=["POST"]),
        Route("/orders", Orders),
        Route("/orders/{text}", order, methods=["GET"]),
    ],
    exception_handlers={ValueError: invalid},  # invalid JSON and UTF-8 raise one, too
    lifespan=lifespan,
)
