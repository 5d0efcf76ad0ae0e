import time

import falcon

from common.contract import HELLO, parse_delay, sleep_seconds, slept


class HelloResource:
    def on_get(self, req, resp):
        resp.media = HELLO


class SleepResource:
    def on_get(self, req, resp, delay):
        try:
            delay_ms = parse_delay(delay)
        except ValueError as error:
            resp.status = falcon.HTTP_400
            resp.media = {"error": str(error)}
            return
        time.sleep(sleep_seconds(delay_ms))
        resp.media = slept(delay_ms)


app = falcon.App()
app.add_route("/hello", HelloResource())
app.add_route("/sleep/{delay}", SleepResource())
