import falcon

from common.contract.service import price_quote


class QuotesResource:
    def on_post(self, req, resp):
        try:
            resp.media = price_quote(req.media)
        except ValueError as error:
            raise falcon.HTTPBadRequest(description=str(error)) from error
        resp.status = falcon.HTTP_201


app = falcon.App()
app.add_route("/quotes", QuotesResource())
