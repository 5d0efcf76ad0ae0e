from sanic import Sanic, json

from common.contract.service import price_quote

app = Sanic("service")
app.config.FALLBACK_ERROR_FORMAT = "json"


@app.post("/quotes")
async def quote(request):
    try:
        return json(price_quote(request.json), status=201)
    except ValueError as error:
        return json({"error": str(error)}, status=400)
