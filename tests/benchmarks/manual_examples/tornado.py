import asyncio
import sys

import tornado


class MainHandler(tornado.web.RequestHandler):
    def get(self):
        self.write({"message": "Hello, world"})


def make_app():
    return tornado.web.Application([(r"/hello", MainHandler)])


async def main():
    app = make_app()
    app.listen(int(sys.argv[2]), sys.argv[1])
    await asyncio.Event().wait()


asyncio.run(main())
