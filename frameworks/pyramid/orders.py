import os

from psycopg_pool import ConnectionPool
from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPMethodNotAllowed, HTTPNotFound
from pyramid.view import exception_view_config, view_config

from common.contract.service import CONNECTIONS, ONE_ORDER, ORDERS, PLACE, as_json, parse_id, parse_order, parse_page

pool = ConnectionPool(os.environ["DATABASE"], min_size=CONNECTIONS, max_size=CONNECTIONS, open=True)


@exception_view_config(ValueError, renderer="json")
def invalid(error, request):
    request.response.status_code = 400
    return {"error": str(error)}


@view_config(route_name="order", request_method="GET", renderer="json")
def order(request):
    with pool.connection() as connection:
        row = connection.execute(ONE_ORDER.format("%s"), [parse_id(request.matchdict["text"])]).fetchone()
    if row is None:
        raise HTTPNotFound
    return as_json(row)


@view_config(route_name="orders", request_method="GET", renderer="json")
def orders(request):
    page = parse_page(request.GET.get("after"), request.GET.get("limit"))
    with pool.connection() as connection:
        rows = connection.execute(ORDERS.format("%s", "%s"), page).fetchall()
    return [as_json(row) for row in rows]


@view_config(route_name="orders", request_method="POST", renderer="json")
def place(request):
    order = parse_order(request.json_body)
    with pool.connection() as connection:
        row = connection.execute(PLACE.format(*["%s"] * 5), order).fetchone()
    if row is None:
        request.response.status_code = 409
        return {"error": "another order has this reference"}
    request.response.status_code = 201
    request.response.location = f"/orders/{row[0]}"
    return as_json(row)


@view_config(route_name="order")
@view_config(route_name="orders")
def other_method(request):  # without it, Pyramid returns 404, since no view matches
    return HTTPMethodNotAllowed(headers={"Allow": "GET" if "text" in request.matchdict else "GET, POST"})


with Configurator() as config:
    config.add_route("quotes", "/quotes")
    config.add_route("orders", "/orders")
    config.add_route("order", "/orders/{text}")
    config.scan("service")
    config.scan(__name__)
    app = config.make_wsgi_app()
