import marshmallow as ma
from flask import Flask
from flask.views import MethodView
from flask_smorest import Api, Blueprint

app = Flask(__name__)
app.config["API_TITLE"] = "My API"
app.config["API_VERSION"] = "v1"
app.config["OPENAPI_VERSION"] = "3.0.2"
api = Api(app)
blp = Blueprint("pets", "pets", url_prefix="/", description="Operations on pets")


class PetSchema(ma.Schema):
    id = ma.fields.Int(dump_only=True)
    name = ma.fields.String()


@blp.route("/hello")
class Pets(MethodView):
    @blp.response(200, PetSchema(many=True))
    def get(self):
        return [{"id": 1, "name": "Max"}]


api.register_blueprint(blp)
