import json

from bottle import BaseRequest, Bottle, request, response

from common.contract.service import price_quote

BaseRequest.MEMFILE_MAX = 1024 * 1024  # the default refuses JSON of more than 100 KB

app = Bottle()


@app.error(400)
def bad_request(error):
    response.content_type = "application/json"
    return json.dumps({"error": error.body})


@app.post("/quotes")
def quote():
    try:
        priced = price_quote(request.json)
    except ValueError as error:
        response.status = 400
        return {"error": str(error)}
    response.status = 201
    return priced
