import os
from urllib.parse import parse_qs

from asyncpg import Pool, create_pool
from blacksheep import Request, Response, get, json, not_found, post
from service import app

from common.contract.service import CONNECTIONS, ONE_ORDER, ORDERS, PLACE, as_json, parse_id, parse_order, parse_page


@app.lifespan
async def database():
    async with create_pool(os.environ["DATABASE"], min_size=CONNECTIONS, max_size=CONNECTIONS) as pool:
        app.services.register(Pool, instance=pool)
        yield


@app.exception_handler(ValueError)
async def invalid(app, request, error):
    return json({"error": str(error)}, status=400)


@get("/orders/{text}")
async def order(text: str, pool: Pool):
    row = await pool.fetchrow(ONE_ORDER.format("$1"), parse_id(text))
    return not_found() if row is None else json(as_json(row))


@get("/orders")
async def orders(request: Request, pool: Pool):
    given = parse_qs((request.url.query or b"").decode(), keep_blank_values=True)  # request.query has no empty values
    page = parse_page(*(given.get(name, [None])[0] for name in ("after", "limit")))
    return json([as_json(row) for row in await pool.fetch(ORDERS.format("$1", "$2"), *page)])


@post("/orders")
async def place(request: Request, pool: Pool):
    order = parse_order(await request.json())
    row = await pool.fetchrow(PLACE.format("$1", "$2", "$3", "$4", "$5"), *order)
    if row is None:
        return json({"error": "another order has this reference"}, status=409)
    response = json(as_json(row), status=201)
    response.add_header(b"Location", b"/orders/%d" % row["id"])
    return response


async def other_request(request):  # without it, BlackSheep returns 404 for other methods
    allowed = [name for name in ("GET", "POST") if app.router.get_matching_route(name, request.path) is not None]
    return Response(405, [(b"Allow", ", ".join(allowed).encode())]) if allowed else not_found()


app.router.fallback = other_request
