from flask import Flask, json, jsonify, request
from werkzeug.exceptions import HTTPException

from common.contract.service import price_quote

app = Flask(__name__)


@app.errorhandler(HTTPException)
def as_json(error):
    response = error.get_response()
    response.data = json.dumps({"code": error.code, "name": error.name, "description": error.description})
    response.content_type = "application/json"
    return response


@app.post("/quotes")
def quote():
    try:
        return jsonify(price_quote(request.get_json())), 201
    except ValueError as error:
        return jsonify(error=str(error)), 400
