import sys

from aiohttp import web


async def handler(request):
    return web.json_response({"some": "data"})


app = web.Application()
app.add_routes([web.get("/hello", handler)])

if __name__ == "__main__":
    web.run_app(app, host=sys.argv[1], port=int(sys.argv[2]))
