from flask import Flask, request
from flask_restful import Api, Resource, abort

from common.contract.service import price_quote

app = Flask(__name__)
api = Api(app)


class Quotes(Resource):
    def post(self):
        try:
            return price_quote(request.get_json()), 201
        except ValueError as error:
            abort(400, message=str(error))


api.add_resource(Quotes, "/quotes")
