from litestar import Litestar, get


@get("/hello")
async def get_book() -> dict[str, int]:
    return {"book_id": 1}


app = Litestar([get_book])
