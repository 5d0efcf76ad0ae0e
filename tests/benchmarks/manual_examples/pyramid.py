from pyramid.config import Configurator
from pyramid.view import view_config


@view_config(route_name="hello_json", renderer="json")
def hello_json(request):
    return [1, 2, 3]


with Configurator() as config:
    config.add_route("hello_json", "/hello")
    config.scan(__name__)
    app = config.make_wsgi_app()
