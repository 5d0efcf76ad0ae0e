import asyncio
import sys

from tornado import escape, web

from common.contract.service import price_quote


class JsonHandler(web.RequestHandler):
    allowed = "POST"

    def set_default_headers(self):
        self.set_header("Content-Type", "application/json")

    def write_error(self, status_code, **kwargs):
        if status_code == 405:  # noqa: PLR2004
            self.set_header("Allow", self.allowed)  # Tornado leaves it out
        self.finish({"error": self._reason})

    def refuse(self, error):
        self.set_status(400)
        self.write({"error": str(error)})


class Quotes(JsonHandler):
    def post(self):
        try:
            priced = price_quote(escape.json_decode(self.request.body))
        except ValueError as error:  # invalid JSON and UTF-8 raise one, too
            return self.refuse(error)
        self.set_status(201)
        return self.write(priced)


async def main(host, port):
    web.Application([("/quotes", Quotes)], log_function=lambda _: None).listen(int(port), host)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
