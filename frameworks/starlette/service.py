from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from common.contract.service import price_quote


async def quote(request):
    try:
        return JSONResponse(price_quote(await request.json()), status_code=201)
    except ValueError as error:  # invalid JSON and UTF-8 raise one, too
        return JSONResponse({"error": str(error)}, status_code=400)


app = Starlette(routes=[Route("/quotes", quote, methods=["POST"])])
