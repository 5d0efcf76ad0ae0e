import falcon
import falcon.asgi

from common.contract.service import price_quote


class QuotesResource:
    async def on_post(self, req, resp):
        try:
            resp.media = price_quote(await req.get_media())
        except ValueError as error:
            raise falcon.HTTPBadRequest(description=str(error)) from error
        resp.status = falcon.HTTP_201


app = falcon.asgi.App()
app.add_route("/quotes", QuotesResource())
