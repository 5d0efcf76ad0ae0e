from flask_openapi3 import Info, OpenAPI, Tag

app = OpenAPI(__name__, info=Info(title="book API", version="1.0.0"))
book_tag = Tag(name="book", description="Some Book")


@app.get("/hello", summary="get books", tags=[book_tag])
def get_book():
    return {"code": 0, "message": "ok"}
