from blacksheep import Application, Request, Response, json, not_found, post
from blacksheep.exceptions import BadRequest

from common.contract.service import price_quote

app = Application()


@post("/quotes")
async def quote(request: Request):
    try:
        return json(price_quote(await request.json()), status=201)
    except ValueError as error:  # invalid UTF-8 raises one, too
        return json({"error": str(error)}, status=400)


@app.exception_handler(BadRequest)
async def bad_request(app, request, error):  # without it, BlackSheep reports invalid JSON in plain text
    return json({"error": str(error)}, status=400)


async def other_request(request):  # without it, BlackSheep returns 404 for other methods
    if app.router.get_matching_route("POST", request.path) is None:
        return not_found()
    return Response(405, [(b"Allow", b"POST")])


app.router.fallback = other_request
