import falcon.asgi


class QuoteResource:
    async def on_get(self, req, resp):
        resp.media = {"quote": "I've always been more interested in the future than in the past.", "author": "Hopper"}


app = falcon.asgi.App()
app.add_route("/hello", QuoteResource())
