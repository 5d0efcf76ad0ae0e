import sys

from aiohttp import web

from common.contract.service import price_quote

routes = web.RouteTableDef()


@routes.post("/quotes")
async def quote(request):
    try:
        return web.json_response(price_quote(await request.json()), status=201)
    except ValueError as error:  # invalid JSON and UTF-8 raise one, too
        return web.json_response({"error": str(error)}, status=400)


app = web.Application()
app.add_routes(routes)

if __name__ == "__main__":
    host, port = sys.argv[1:]
    web.run_app(app, host=host, port=int(port), access_log=None)
