import asyncio
import sys

from tornado import escape, web

from common.contract import HELLO, parse_delay, sleep_seconds, slept


class JsonHandler(web.RequestHandler):
    def set_default_headers(self):
        self.set_header("Content-Type", "application/json")

    def write_error(self, status_code, **kwargs):
        if status_code == 405:  # noqa: PLR2004
            self.set_header("Allow", "GET")  # Tornado leaves it out
        self.finish({"error": self._reason})


class Hello(JsonHandler):
    def get(self):
        self.write(escape.json_encode(HELLO))


class Sleep(JsonHandler):
    async def get(self, delay):
        try:
            delay_ms = parse_delay(delay)
        except ValueError as error:
            self.set_status(400)
            return self.write({"error": str(error)})
        await asyncio.sleep(sleep_seconds(delay_ms))
        return self.write(escape.json_encode(slept(delay_ms)))


async def main(host, port):
    web.Application([("/hello", Hello), ("/sleep/([^/]+)", Sleep)], log_function=lambda _: None).listen(int(port), host)
    await asyncio.Event().wait()


asyncio.run(main(*sys.argv[1:]))
