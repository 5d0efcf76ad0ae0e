from flask import Flask

app = Flask(__name__)


@app.route("/hello")
def me_api():
    return {"username": "ada", "theme": "dark", "image": "/users/1/image"}
