from app import app

from common.contract.extras import empty, empty_middlewares


class Empty:
    @empty
    def process_request(self, req, resp):
        pass

    def process_response(self, req, resp, resource, req_succeeded):
        pass


for _ in range(empty_middlewares()):
    app.add_middleware(Empty())
