import json
import os
from urllib.parse import parse_qs

import service
from psycopg_pool import ConnectionPool

from common.contract.service import CONNECTIONS, ONE_ORDER, ORDERS, PLACE, as_json, parse_id, parse_order, parse_page

pool = ConnectionPool(os.environ["DATABASE"], min_size=CONNECTIONS, max_size=CONNECTIONS, open=True)


def order(text):
    with pool.connection() as connection:
        row = connection.execute(ONE_ORDER.format("%s"), [parse_id(text)]).fetchone()
    return ("404 Not Found", {"error": "not found"}, []) if row is None else ("200 OK", as_json(row), [])


def orders(query):
    given = parse_qs(query, keep_blank_values=True)
    page = parse_page(*(given.get(name, [None])[0] for name in ("after", "limit")))
    with pool.connection() as connection:
        rows = connection.execute(ORDERS.format("%s", "%s"), page).fetchall()
    return "200 OK", [as_json(row) for row in rows], []


def place(environ):
    order = parse_order(json.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))))
    with pool.connection() as connection:
        row = connection.execute(PLACE.format(*["%s"] * 5), order).fetchone()
    if row is None:
        return "409 Conflict", {"error": "another order has this reference"}, []
    return "201 Created", as_json(row), [("Location", f"/orders/{row[0]}")]


def answer(environ):
    match environ["REQUEST_METHOD"], environ["PATH_INFO"].split("/")[2:]:
        case "GET", [text]:
            return order(text)
        case "GET", []:
            return orders(environ["QUERY_STRING"])
        case "POST", []:
            return place(environ)
        case _, []:
            return "405 Method Not Allowed", {"error": "only GET and POST are allowed"}, [("Allow", "GET, POST")]
        case _, [_]:
            return "405 Method Not Allowed", {"error": "only GET is allowed"}, [("Allow", "GET")]
        case _:
            return "404 Not Found", {"error": "not found"}, []


def app(environ, start_response):
    if environ["PATH_INFO"].split("/")[1:2] != ["orders"]:
        return service.app(environ, start_response)
    try:
        status, response, headers = answer(environ)
    except ValueError as error:  # invalid JSON and UTF-8 raise one, too
        status, response, headers = "400 Bad Request", {"error": str(error)}, []
    body = json.dumps(response).encode()
    start_response(status, [*headers, ("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]
