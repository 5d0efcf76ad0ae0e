from app import app

from common.contract.extras import empty, empty_middlewares


@empty
def before():
    pass


def after(response):
    return response


for _ in range(empty_middlewares()):
    app.before_request(before)
    app.after_request(after)
