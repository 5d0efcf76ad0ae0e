from app import app

from common.contract.extras import empty, empty_middlewares


@empty
async def pass_on(request, call_next):
    return await call_next(request)


for _ in range(empty_middlewares()):
    app.middleware("http")(pass_on)
