from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPMethodNotAllowed
from pyramid.view import view_config

from common.contract.service import price_quote


@view_config(route_name="quotes", request_method="POST", renderer="json")
def quote(request):
    try:
        priced = price_quote(request.json_body)
    except ValueError as error:  # invalid JSON and UTF-8 raise one, too
        request.response.status_code = 400
        return {"error": str(error)}
    request.response.status_code = 201
    return priced


@view_config(route_name="quotes")
def other_method(request):  # without it, Pyramid returns 404, since no view matches
    return HTTPMethodNotAllowed(headers={"Allow": "POST"})


with Configurator() as config:
    config.add_route("quotes", "/quotes")
    config.scan(__name__)
    app = config.make_wsgi_app()
