import time

from flask import Flask, jsonify
from flask.views import MethodView
from flask_smorest import Api, Blueprint

from common.contract import HELLO, parse_delay, sleep_seconds, slept

app = Flask(__name__)
app.config |= {"API_TITLE": "Benchmark", "API_VERSION": "1", "OPENAPI_VERSION": "3.1.0"}
api = Api(app)
blueprint = Blueprint("contract", __name__)


@blueprint.route("/hello")
class Hello(MethodView):
    @blueprint.response(200)
    def get(self):
        return HELLO


@blueprint.route("/sleep/<delay>")
class Sleep(MethodView):
    @blueprint.response(200)
    def get(self, delay):
        try:
            delay_ms = parse_delay(delay)
        except ValueError as error:
            return jsonify(error=str(error)), 400
        time.sleep(sleep_seconds(delay_ms))
        return slept(delay_ms)


api.register_blueprint(blueprint)
app.register_error_handler(405, lambda error: error)  # the handler of flask-smorest drops the header Allow
