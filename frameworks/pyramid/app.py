import time

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPMethodNotAllowed
from pyramid.view import view_config

from common.contract import HELLO, parse_delay, sleep_seconds, slept


@view_config(route_name="hello", request_method="GET", renderer="json")
def hello(request):
    return HELLO


@view_config(route_name="sleep", request_method="GET", renderer="json")
def sleep(request):
    try:
        delay_ms = parse_delay(request.matchdict["delay"])
    except ValueError as error:
        request.response.status_code = 400
        return {"error": str(error)}
    time.sleep(sleep_seconds(delay_ms))
    return slept(delay_ms)


@view_config(route_name="hello")
@view_config(route_name="sleep")
def other_method(request):  # without it Pyramid answers 404, because no view matches
    return HTTPMethodNotAllowed(headers={"Allow": "GET"})


with Configurator() as config:
    config.add_route("hello", "/hello")
    config.add_route("sleep", "/sleep/{delay}")
    config.scan(__name__)
    app = config.make_wsgi_app()
