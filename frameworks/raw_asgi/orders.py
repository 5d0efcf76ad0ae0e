import json
import os
from urllib.parse import parse_qs

import asyncpg
import service

from common.contract.service import CONNECTIONS, ONE_ORDER, ORDERS, PLACE, as_json, parse_id, parse_order, parse_page

state = {}


async def order(text):
    row = await state["pool"].fetchrow(ONE_ORDER.format("$1"), parse_id(text))
    return (404, {"error": "not found"}, []) if row is None else (200, as_json(row), [])


async def orders(query):
    given = parse_qs(query.decode(), keep_blank_values=True)
    page = parse_page(*(given.get(name, [None])[0] for name in ("after", "limit")))
    return 200, [as_json(row) for row in await state["pool"].fetch(ORDERS.format("$1", "$2"), *page)], []


async def place(receive):
    order = parse_order(json.loads(await service.read(receive)))
    row = await state["pool"].fetchrow(PLACE.format("$1", "$2", "$3", "$4", "$5"), *order)
    if row is None:
        return 409, {"error": "another order has this reference"}, []
    return 201, as_json(row), [(b"location", b"/orders/%d" % row["id"])]


async def answer(scope, receive):
    match scope["method"], scope["path"].split("/")[2:]:
        case "GET", [text]:
            return await order(text)
        case "GET", []:
            return await orders(scope["query_string"])
        case "POST", []:
            return await place(receive)
        case _, []:
            return 405, {"error": "only GET and POST are allowed"}, [(b"allow", b"GET, POST")]
        case _, [_]:
            return 405, {"error": "only GET is allowed"}, [(b"allow", b"GET")]
        case _:
            return 404, {"error": "not found"}, []


async def respond(scope, receive, send):
    try:
        status, response, headers = await answer(scope, receive)
    except ValueError as error:  # invalid JSON and UTF-8 raise one, too
        status, response, headers = 400, {"error": str(error)}, []
    body = json.dumps(response).encode()
    headers += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def live(receive, send):
    await receive()
    state["pool"] = await asyncpg.create_pool(os.environ["DATABASE"], min_size=CONNECTIONS, max_size=CONNECTIONS)
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await state["pool"].close()
    await send({"type": "lifespan.shutdown.complete"})


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await live(receive, send)
    elif scope["path"].split("/")[1:2] == ["orders"]:
        await respond(scope, receive, send)
    else:
        await service.app(scope, receive, send)
