import time

from flask import Flask
from flask_restful import Api, Resource

from common.contract import HELLO, parse_delay, sleep_seconds, slept

app = Flask(__name__)
api = Api(app)


class Hello(Resource):
    def get(self):
        return HELLO


class Sleep(Resource):
    def get(self, delay):
        try:
            delay_ms = parse_delay(delay)
        except ValueError as error:
            return {"error": str(error)}, 400
        time.sleep(sleep_seconds(delay_ms))
        return slept(delay_ms)


api.add_resource(Hello, "/hello")
api.add_resource(Sleep, "/sleep/<delay>")
