import time

from flask import Flask
from flask_restx import Api, Resource

from common.contract import HELLO, parse_delay, sleep_seconds, slept

app = Flask(__name__)
api = Api(app, doc=False)  # its documentation would be served at /, where the contract has nothing


@api.route("/hello")
class Hello(Resource):
    def get(self):
        return HELLO


@api.route("/sleep/<delay>")
class Sleep(Resource):
    def get(self, delay):
        try:
            delay_ms = parse_delay(delay)
        except ValueError as error:
            return {"error": str(error)}, 400
        time.sleep(sleep_seconds(delay_ms))
        return slept(delay_ms)
