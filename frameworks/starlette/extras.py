from app import app
from starlette.middleware.base import BaseHTTPMiddleware

from common.contract.extras import empty, empty_middlewares


class Empty(BaseHTTPMiddleware):
    @empty
    async def dispatch(self, request, call_next):
        return await call_next(request)


for _ in range(empty_middlewares()):
    app.add_middleware(Empty)
